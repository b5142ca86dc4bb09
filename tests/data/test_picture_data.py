"""Pictures of one's own become a data set: the same splits for ever, in memory or streamed."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from own_pictures import write_pictures
from PIL import Image
from pyarrow import parquet
from small_cifar import real_cifar10

from plumbline.data import Dataset
from plumbline.data.content import RawSplit, assemble, image_digest
from plumbline.data.image_module import ImageDataModule
from plumbline.data.images import StoredImageSet
from plumbline.data.picture_cache import pictures_folder
from plumbline.data.picture_data import load_pictures
from plumbline.errors import PlumblineError

GIVEN = {"train/cat": 12, "train/dog": 9, "val/cat": 3, "val/dog": 3, "test/cat": 4, "test/dog": 4}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "cache"))


def same(one: Dataset, other: Dataset) -> bool:
    assert one.held_out is not None
    assert other.held_out is not None
    return (
        one.fingerprint == other.fingerprint
        and torch.equal(one.train.images, other.train.images)
        and torch.equal(one.train.labels, other.train.labels)
        and torch.equal(one.test.images, other.test.images)
        and torch.equal(one.held_out, other.held_out)
        and (one.mean, one.std) == (other.mean, other.std)
    )


def test_cifar10_as_png_files_is_cifar10(tmp_path: Path) -> None:
    """Real images written as PNG folders give the tensors, order and colours of the built-in reading."""
    whole = real_cifar10()
    raw = {}
    for split, images, count in (("train", whole.train, 200), ("test", whole.test, 60)):
        pixels, labels = images.take(slice(count)), images.labels[:count]
        raw[split] = RawSplit(pixels.numpy(), labels.numpy())
        for number, (picture, label) in enumerate(zip(pixels, labels.tolist(), strict=True)):
            folder = tmp_path / "png" / split / whole.classes[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
    expected = assemble("x", classes=whole.classes, train=raw["train"], test=raw["test"], source="")
    found = load_pictures(tmp_path / "png")
    assert found.classes == expected.classes
    for one, other in ((found.train, expected.train), (found.test, expected.test)):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
    assert (found.mean, found.std) == (expected.mean, expected.std)


def test_names_and_held_out_pictures_belong_to_the_tensors(tmp_path: Path) -> None:
    """Each name is the file of the image in its place, and the given validation pictures are held out."""
    root = write_pictures(tmp_path / "my photos", counts=GIVEN)
    found = load_pictures(root)
    assert (found.name, found.source) == ("my photos", str(root))
    for images, names in ((found.train, found.train_names), (found.test, found.test_names)):
        for image, label, name in zip(images.images, images.labels.tolist(), names, strict=True):
            with Image.open(root / name) as picture:
                assert np.array_equal(np.asarray(picture), image.permute(1, 2, 0).numpy())
            assert found.classes[label] == Path(name).parent.name
    assert found.held_out is not None
    assert {found.train_names[place].partition("/")[0] for place in found.held_out} == {"val"}
    assert len(found.held_out) == 6


def packed(root: Path, *, form: str) -> Path:
    """Put the pictures of a folder of splits into a zip beside it, or list them in a table there."""
    source = root.parent / f"set.{form}"
    names = [path.relative_to(root) for path in sorted(root.rglob("*.png"))]
    columns = {
        "path": [str(Path(root.name) / name) for name in names],
        "label": [name.parts[1] for name in names],
        "split": [name.parts[0] for name in names],
    }
    if form == "zip":
        shutil.make_archive(str(root.parent / "set"), "zip", root_dir=root)
    elif form == "parquet":
        parquet.write_table(pa.table(columns), source)
    else:
        with source.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([columns, *zip(*columns.values(), strict=True)])
    return source


@pytest.mark.parametrize("form", ["zip", "csv", "parquet"])
def test_a_zip_and_a_table_are_the_folder(tmp_path: Path, form: str) -> None:
    """They give the tensors, splits and fingerprint of the folder, decoded and from the cache."""
    root = write_pictures(tmp_path / "photos", counts=GIVEN)
    source, expected = packed(root, form=form), load_pictures(root)
    assert same(load_pictures(source), expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plumbline.data.picture_cache.decode_each", None)  # no picture can be decoded now
        assert same(load_pictures(source), expected)


def test_splits_are_made_once_and_stay(tmp_path: Path) -> None:
    """The manifest keeps every picture where it was, with a new cache and with more pictures."""
    root = write_pictures(tmp_path / "photos", counts={"cat": 20, "dog": 20})
    first = load_pictures(root)
    shutil.rmtree(pictures_folder(root))
    assert same(load_pictures(root), first)
    write_pictures(root, counts={"cat/more": 10}, seed=4)
    second = load_pictures(root)
    assert set(first.test_names) <= set(second.test_names)
    with (root / "plumbline-splits.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["path"]: row["split"] for row in csv.DictReader(file)}
    assert len(rows) == 50
    assert {name for name, split in rows.items() if split == "test"} == set(second.test_names)
    assert len(second.train) + len(second.test) == 50


def test_copies_of_a_picture_stay_on_one_side(tmp_path: Path) -> None:
    """Ten pictures, each there six times, some a little brighter: no picture is on two sides."""
    random = np.random.default_rng(3)
    for label in range(2):
        folder = tmp_path / "photos" / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(30):
            grid = random.integers(40, 200, (8, 8, 3), dtype=np.uint8)
            for copy in range(3):
                picture = Image.fromarray(grid + np.uint8(copy * 4)).resize(
                    (32, 32), Image.Resampling.BICUBIC
                )
                picture.save(folder / f"{number}-{copy}.png")
    found = load_pictures(tmp_path / "photos")
    assert found.held_out is not None

    def pictures(names: list[str]) -> set[str]:
        return {name.rpartition("-")[0] for name in names}

    held_out = {found.train_names[place] for place in found.held_out}
    sides = [
        pictures(list(held_out)),
        pictures([name for name in found.train_names if name not in held_out]),
        pictures(list(found.test_names)),
    ]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 60
    assert all(sides)
    assert any("120 have a duplicate" in note or "180 have a duplicate" in note for note in found.notes)


def test_a_bad_picture_is_an_error_or_left_out(tmp_path: Path) -> None:
    """The error names the file and the way out; left out, it is counted, and all others are there."""
    root = write_pictures(tmp_path / "photos", counts=GIVEN)
    (root / "train" / "cat" / "3.png").write_bytes(b"GIF89a")
    with pytest.raises(PlumblineError, match=r"1 of the 35 .*train/cat/3.png.*--on-bad-image skip"):
        load_pictures(root)
    found = load_pictures(root, on_bad_image="skip")
    assert (len(found.train), len(found.test)) == (26, 8)
    assert "pictures that cannot be used were left out: 1" in found.notes
    for number in range(9):
        (root / "train" / "dog" / f"{number}.png").write_bytes(b"x")
    for folder in ("val", "test"):
        shutil.rmtree(root / folder)
    with pytest.raises(PlumblineError, match="'dog'"):
        load_pictures(root, on_bad_image="skip")


def test_an_unknown_way_with_bad_pictures_is_refused(tmp_path: Path) -> None:
    """A word that is neither "error" nor "skip" leaves nothing out silently."""
    with pytest.raises(PlumblineError, match="on_bad_image: expected error or skip, got 'ignore'"):
        load_pictures(write_pictures(tmp_path / "photos", counts=GIVEN), on_bad_image="ignore")  # type: ignore[arg-type]


def test_rows_damaged_in_the_cache_are_decoded_anew(tmp_path: Path) -> None:
    """A flipped bit in the cache never reaches a training."""
    root = write_pictures(tmp_path / "photos", counts=GIVEN)
    first = load_pictures(root)
    rows = pictures_folder(root) / "32.rows"
    content = bytearray(rows.read_bytes())
    content[5000] ^= 1
    rows.write_bytes(content)
    assert same(load_pictures(root), first)


def test_the_fingerprint_sees_classes_and_splits_but_not_names(tmp_path: Path) -> None:
    """Files may be renamed; a renamed class and a picture moved to validation are other data."""
    root = write_pictures(tmp_path / "photos", counts=GIVEN)
    first = load_pictures(root).fingerprint
    (root / "train" / "cat" / "0.png").rename(root / "train" / "cat" / "other.png")
    moved = root.rename(tmp_path / "elsewhere")
    assert load_pictures(moved).fingerprint == first
    (moved / "train" / "cat" / "1.png").rename(moved / "val" / "cat" / "1.png.png")
    second = load_pictures(moved).fingerprint
    assert second != first
    for split in ("train", "val", "test"):
        (moved / split / "cat").rename(moved / split / "cow")
    assert load_pictures(moved).fingerprint not in (first, second)


def test_notes_say_what_is_uneven_and_few(tmp_path: Path) -> None:
    """Ten to one and a class of four are told, with their counts."""
    root = write_pictures(tmp_path / "photos", counts={"cat": 40, "café au lait": 4})
    notes = "\n".join(load_pictures(root).notes)
    assert "40 pictures of 'cat' and 4 of 'café au lait'" in notes
    assert "classes with fewer than 10 pictures: 1 ('café au lait')" in notes


def test_more_than_256_classes(tmp_path: Path) -> None:
    """Labels above 255 are kept, and have other digests than the labels one byte would hold."""
    counts = {f"class {label:03}": 3 for label in range(260)}
    found = load_pictures(write_pictures(tmp_path / "photos", counts=counts, size=8), image_size=8)
    assert sorted(set(found.train.labels.tolist())) == list(range(260))
    assert image_digest(bytes(12), label=259, classes=260) != image_digest(bytes(12), label=3, classes=260)


def test_streamed_batches_are_those_in_memory(tmp_path: Path) -> None:
    """Above the memory limit every batch of training, validation and test is the same to the bit."""
    root = write_pictures(tmp_path / "photos", counts=GIVEN)
    within, streamed = load_pictures(root), load_pictures(root, memory_limit=10_000)
    assert isinstance(streamed.train, StoredImageSet)
    assert not isinstance(within.train, StoredImageSet)
    assert same(within, streamed)
    one, other = (
        ImageDataModule(dataset, batch_size=4, validation_count=5, seed=3) for dataset in (within, streamed)
    )
    for epoch in range(2):
        streams = [module.train_batches() for module in (one, other)]
        for stream in streams:
            stream.set_epoch(epoch)
        batches = list(zip(*streams, strict=True))
        assert len(batches) == 6
        for (images, labels), (read, their_labels) in batches:
            assert torch.equal(images, read)
            assert torch.equal(labels, their_labels)
            assert images.stride() == read.stride()
    for split in ("validation", "test"):
        pairs = zip(one.evaluation_batches(split), other.evaluation_batches(split), strict=True)
        assert all(torch.equal(left[0], right[0]) and torch.equal(left[1], right[1]) for left, right in pairs)
    assert torch.equal(one.normalized_images("train", count=5), other.normalized_images("train", count=5))


def test_the_data_sets_own_validation_pictures_are_held_out(tmp_path: Path) -> None:
    """Whatever number a recipe asks for, unless that is 0: then all are trained on."""
    found = load_pictures(write_pictures(tmp_path / "photos", counts=GIVEN))
    splits = [
        ImageDataModule(found, batch_size=4, validation_count=count, seed=1).splits for count in (1, 9, 0)
    ]
    assert found.held_out is not None
    for chosen in splits[:2]:
        assert torch.equal(chosen.validation, found.held_out)
        assert sorted([*chosen.train.tolist(), *chosen.validation.tolist()]) == list(range(27))
    assert len(splits[2].train) == 27


LIMIT = 24_000_000
TRAIN = """
import sys
from pathlib import Path
import lightning, torch
from plumbline.data.image_module import ImageDataModule
from plumbline.data.picture_data import load_pictures

class Linear(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3 * 96 * 96, 2)
    def training_step(self, batch, _):
        return torch.nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1])
    def validation_step(self, batch, _):
        self.layer(batch[0].flatten(1))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-3)

data = load_pictures(Path(sys.argv[1]), image_size=96, memory_limit=int(sys.argv[2]), workers=0)
module = ImageDataModule(data, batch_size=16, validation_count=1, seed=1)
trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                            enable_progress_bar=False, enable_model_summary=False)
trainer.fit(Linear(), module)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_a_set_of_four_times_the_memory_limit_trains_within_it(tmp_path: Path) -> None:
    """Decoding and training 96 MB under a limit of 24 MB takes less than that above a tiny set."""
    few = {"train/a": 20, "train/b": 20, "val/a": 8, "val/b": 8, "test/a": 8, "test/b": 8}
    small = write_pictures(tmp_path / "small", counts=few, size=96, form="bmp")
    many = few | {"train/a": 1900, "train/b": 1600}
    large = write_pictures(tmp_path / "large", counts=many, size=96, form="bmp")
    assert sum(many.values()) * 96 * 96 * 3 >= 4 * LIMIT
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", TRAIN, str(root), str(LIMIT)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for root in (small, large)
    ]
    peaks = [int(run.communicate()[0].split()[-1]) for run in runs]
    assert peaks[1] - peaks[0] < LIMIT
