from pathlib import Path

import pytest
from small_cifar import TRAIN, write_archive, write_binary, write_parquet, write_shards

from plumbline.data.catalog import CIFAR10, CIFAR100
from plumbline.data.folders import find_data_name, find_files
from plumbline.errors import PlumblineError


@pytest.mark.parametrize("place", ["", "cifar10", "plain_text", "cifar10/plain_text"])
def test_parquet_is_found(tmp_path: Path, place: str) -> None:
    """Parquet files are found in the folder, in one of the set's name, and in the mirror's own layout."""
    write_shards(tmp_path / place, shards=3)
    files = find_files(tmp_path, spec=CIFAR10)
    assert files is not None
    assert files.form == "parquet"
    assert [path.name for path in files.train] == [
        f"train-0000{shard}-of-00003.parquet" for shard in range(3)
    ]
    assert find_data_name(tmp_path) == "cifar10"
    assert find_files(tmp_path, spec=CIFAR100) is None


@pytest.mark.parametrize("place", ["", "cifar10"])
def test_binary_forms_are_found(tmp_path: Path, place: str) -> None:
    """The archive and its unpacked files are found; beside each other, the unpacked files are taken."""
    write_archive(tmp_path / place)
    archive = find_files(tmp_path, spec=CIFAR10)
    assert archive is not None
    assert archive.form == "archive"
    assert len(archive.all) == 1
    (tmp_path / place / CIFAR10.binary.archive).unlink()
    write_binary(tmp_path / place)
    binary = find_files(tmp_path, spec=CIFAR10)
    assert binary is not None
    assert binary.form == "binary"
    assert len(binary.all) == 6
    assert find_data_name(tmp_path) == "cifar10"
    assert find_data_name(binary.train[0].parent) == "cifar10"


def test_cifar100_by_its_columns(tmp_path: Path) -> None:
    """Parquet files in a folder that names nothing are told apart by their columns."""
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}-00000-of-00001.parquet", raw=TRAIN, label_column="fine_label")
    assert find_data_name(tmp_path) == "cifar100"


@pytest.mark.parametrize(
    ("gone", "says"),
    [("train-00001-of-00003", "lacks train shards 1"), ("test-00000-of-00001", "no test-.*parquet")],
)
def test_missing_shard(tmp_path: Path, gone: str, says: str) -> None:
    """A missing shard, or a whole split, is named; nothing else is loaded in its place."""
    write_shards(tmp_path, shards=3 if "train" in gone else 1)
    (tmp_path / f"{gone}.parquet").unlink()
    with pytest.raises(PlumblineError, match=says):
        find_files(tmp_path, spec=CIFAR10)


def test_two_layouts_at_once(tmp_path: Path) -> None:
    """Shards of two layouts in one folder are refused: every image would be there twice."""
    write_shards(tmp_path, shards=3)
    write_shards(tmp_path, shards=1)
    with pytest.raises(PlumblineError, match="several layouts"):
        find_files(tmp_path, spec=CIFAR10)


def test_missing_binary_file(tmp_path: Path) -> None:
    """A missing file in the official folder is named."""
    write_binary(tmp_path)
    (tmp_path / CIFAR10.binary.folder / "data_batch_3.bin").unlink()
    with pytest.raises(PlumblineError, match=r"lacks data_batch_3\.bin"):
        find_files(tmp_path, spec=CIFAR10)


def test_folders_that_hold_nothing_known(tmp_path: Path) -> None:
    """A path that is missing, empty, a file, or full of other things is said to be just that."""
    with pytest.raises(PlumblineError, match="does not exist"):
        find_data_name(tmp_path / "none")
    with pytest.raises(PlumblineError, match="is empty; expected train-"):
        find_data_name(tmp_path)
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(PlumblineError, match="holds no known data set: expected train-"):
        find_data_name(tmp_path)
    with pytest.raises(PlumblineError, match="got the file"):
        find_data_name(tmp_path / "readme.txt")
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(PlumblineError, match="cifar-10-batches-py is Python pickle, which can run code"):
        find_data_name(tmp_path)


def test_several_sets(tmp_path: Path) -> None:
    """A folder with several sets asks for the folder of one of them."""
    write_shards(tmp_path / "cifar10")
    for split in ("train", "test"):
        path = tmp_path / "cifar100" / f"{split}-00000-of-00001.parquet"
        write_parquet(path, raw=TRAIN, label_column="fine_label")
    with pytest.raises(PlumblineError, match=r"several data sets \(cifar10, cifar100\)"):
        find_data_name(tmp_path)
    assert find_data_name(tmp_path / "cifar100") == "cifar100"


def test_damaged_parquet(tmp_path: Path) -> None:
    """A file that only has the name of a parquet file is named."""
    write_shards(tmp_path)
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(PlumblineError, match=r"train-00000-of-00001\.parquet is damaged"):
        find_data_name(tmp_path)
