import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from small_cifar import TEST, TEST_COUNT, TRAIN, TRAIN_COUNT, binary_files, records, write_archive

from plumbline.data.binary import parse_records, read_archive, read_binary
from plumbline.data.catalog import CIFAR10
from plumbline.data.content import join_splits
from plumbline.errors import PlumblineError

LAYOUT = CIFAR10.binary
TEST_COUNTS = {"test_batch.bin": TEST_COUNT}
COUNTS = dict.fromkeys(LAYOUT.train, TRAIN_COUNT // 5) | TEST_COUNTS


def test_archive_gives_what_went_in(tmp_path: Path) -> None:
    """The official archive's layout is read member by member, in the order of the official file names."""
    path = write_archive(tmp_path)
    parts = read_archive(path, layout=LAYOUT, counts=COUNTS)
    raw = join_splits([parts[name] for name in LAYOUT.train])
    assert np.array_equal(raw.pixels, TRAIN.pixels)
    assert np.array_equal(raw.labels, TRAIN.labels)


def test_two_label_bytes() -> None:
    """Of CIFAR-100's two label bytes (coarse, fine) the second one counts."""
    raw = parse_records(bytes([3, 77]) + bytes(range(256)) * 12, label_bytes=2)
    assert raw.labels.tolist() == [77]
    assert raw.pixels[0, 0, 0, :4].tolist() == [0, 1, 2, 3]


def test_cut_short_file_is_named(tmp_path: Path) -> None:
    """A `.bin` file that is not a whole number of records is reported by name."""
    (tmp_path / "x.bin").write_bytes(records(TEST)[:-1])
    with pytest.raises(PlumblineError, match=r"x\.bin: expected whole records"):
        read_binary([tmp_path / "x.bin"], label_bytes=1)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.95])
def test_truncated_archive(tmp_path: Path, keep: float) -> None:
    """An archive cut short anywhere is reported by name."""
    path = write_archive(tmp_path)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(PlumblineError, match=r"cifar-10-binary\.tar\.gz"):
        read_archive(path, layout=LAYOUT, counts=COUNTS)


def test_damaged_archive(tmp_path: Path) -> None:
    """A flipped byte in the compressed data never gives wrong pixels: the checksum of gzip is read, too."""
    path = write_archive(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(PlumblineError, match=r"damaged|expected|lacks"):
        read_archive(path, layout=LAYOUT, counts=COUNTS)


def archive_with(tmp_path: Path, member: tarfile.TarInfo, data: bytes = b"") -> Path:
    path = tmp_path / "odd.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(member, io.BytesIO(data))
    return path


def test_link_member_is_refused(tmp_path: Path) -> None:
    """A link under the name of a data file is not followed."""
    member = tarfile.TarInfo(f"{LAYOUT.folder}/test_batch.bin")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(PlumblineError, match="expected cifar-10-batches-bin/test_batch"):
        read_archive(archive_with(tmp_path, member), layout=LAYOUT, counts=TEST_COUNTS)


def test_member_of_another_size_is_refused(tmp_path: Path) -> None:
    """A member larger than it may be is refused before it is read."""
    member = tarfile.TarInfo(f"{LAYOUT.folder}/test_batch.bin")
    member.size = 1_000_000
    with pytest.raises(PlumblineError, match="61,460 bytes, got 1,000,000"):
        read_archive(archive_with(tmp_path, member, bytes(1_000_000)), layout=LAYOUT, counts=TEST_COUNTS)


def test_missing_member_and_no_archive(tmp_path: Path) -> None:
    """An archive that lacks a file, and a file that is no archive, are reported as such."""
    path = archive_with(tmp_path, tarfile.TarInfo("other"))
    with pytest.raises(PlumblineError, match="lacks"):
        read_archive(path, layout=LAYOUT, counts=TEST_COUNTS)
    path.write_bytes(gzip.compress(b"no tar at all" * 1000))
    with pytest.raises(PlumblineError, match="damaged"):
        read_archive(path, layout=LAYOUT, counts=TEST_COUNTS)
    assert set(binary_files()) == {*LAYOUT.train, *LAYOUT.test}
