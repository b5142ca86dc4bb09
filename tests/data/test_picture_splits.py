"""A picture keeps its split: under another name, in another folder, in an archive of its folder."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from own_pictures import write_pictures

from plumbline.data.picture_data import load_pictures

MANIFEST = "plumbline-splits.csv"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "cache"))


def splits_by_content(manifest: Path) -> dict[str, str]:
    with manifest.open(encoding="utf-8", newline="") as file:
        return {row["sha256"]: row["split"] for row in csv.DictReader(file)}


def paths_in(manifest: Path) -> set[str]:
    with manifest.open(encoding="utf-8", newline="") as file:
        return {row["path"] for row in csv.DictReader(file)}


def names_below(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*.png")}


def test_a_renamed_class_keeps_its_splits(tmp_path: Path) -> None:
    """A class folder whose new name sorts behind the other moves no picture, and both changes are told."""
    root = write_pictures(tmp_path / "photos", counts={"cat": 20, "dog": 20})
    load_pictures(root)
    before = splits_by_content(root / MANIFEST)
    (root / "cat").rename(root / "tabby")
    notes = load_pictures(root).notes
    assert splits_by_content(root / MANIFEST) == before
    assert paths_in(root / MANIFEST) == names_below(root)
    assert any("renamed or moved, and keep their split: 20 ('tabby/0.png'" in note for note in notes)
    assert any("with another class than when the manifest was written: 20" in note for note in notes)
    assert not any("new pictures" in note or "no longer there" in note for note in notes)


def test_a_sub_folder_made_after_pictures_came_later_keeps_splits(tmp_path: Path) -> None:
    """Old and later pictures that move into a folder inside their class stay where they are."""
    root = write_pictures(tmp_path / "photos", counts={"cat": 20, "dog": 20})
    load_pictures(root)
    write_pictures(root, counts={"cat/more": 10}, seed=4)
    load_pictures(root)
    before = splits_by_content(root / MANIFEST)
    (root / "cat" / "all").mkdir()
    for path in [*root.glob("cat/*.png"), *root.glob("cat/more/1*.png")]:
        path.rename(root / "cat" / "all" / f"{path.parent.name} {path.name}")
    load_pictures(root)
    assert splits_by_content(root / MANIFEST) == before
    assert paths_in(root / MANIFEST) == names_below(root)


def test_a_picture_moved_to_a_given_split_is_there(tmp_path: Path) -> None:
    """A picture that is moved from training into the test folder is a test picture, and that is told."""
    counts = {"train/cat": 12, "train/dog": 12, "test/cat": 3, "test/dog": 3}
    root = write_pictures(tmp_path / "photos", counts=counts)
    load_pictures(root)
    (root / "train" / "cat" / "5.png").rename(root / "test" / "cat" / "5.png")
    found = load_pictures(root)
    assert "test/cat/5.png" in found.test_names
    assert any("another split than the manifest has: 1 ('test/cat/5.png')" in note for note in found.notes)
    assert paths_in(root / MANIFEST) == names_below(root)


@pytest.mark.parametrize("outer", [True, False])
def test_an_archive_of_a_folder_brings_its_splits(tmp_path: Path, *, outer: bool) -> None:
    """Zipped with its manifest, with the folder around it or not, a set has its splits and later pictures."""
    root = write_pictures(tmp_path / "photos", counts={"cat": 20, "dog": 20})
    first = load_pictures(root)
    before = splits_by_content(root / MANIFEST)
    write_pictures(root, counts={"cat/more": 10}, seed=4)
    base = {"root_dir": tmp_path, "base_dir": "photos"} if outer else {"root_dir": root}
    archive = Path(shutil.make_archive(str(tmp_path / "set"), "zip", **base))
    found = load_pictures(archive)
    assert len(found.train) + len(found.test) == 50
    assert set(first.test_names) <= set(found.test_names)
    assert before.items() <= splits_by_content(tmp_path / f"set.zip.{MANIFEST}").items()
    assert f"the splits began as those of the {MANIFEST} inside {archive}" in found.notes
    assert not any("no pictures were ignored" in note for note in found.notes)
    again = load_pictures(archive)
    assert again.fingerprint == found.fingerprint
    assert not any("began as" in note for note in again.notes)


def test_an_archive_of_a_table_brings_its_splits(tmp_path: Path) -> None:
    """The manifest beside a table is no second table, and its splits hold for the archive."""
    root = write_pictures(tmp_path / "photos", counts={"images": 40})
    rows = [f"images/{number}.png,{'cat' if number % 2 else 'dog'}" for number in range(40)]
    (root / "labels.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    first = load_pictures(root / "labels.csv")
    assert (root / f"labels.csv.{MANIFEST}").is_file()
    archive = Path(shutil.make_archive(str(tmp_path / "set"), "zip", root_dir=tmp_path, base_dir="photos"))
    found = load_pictures(archive)
    assert found.test_names == first.test_names
    assert any("began as those" in note for note in found.notes)


def test_copies_given_to_several_splits_are_told(tmp_path: Path) -> None:
    """A training picture that was copied into the test folder is counted where the rest is split."""
    counts = {"train/cat": 12, "train/dog": 12, "test/cat": 3, "test/dog": 3}
    root = write_pictures(tmp_path / "photos", counts=counts)
    shutil.copy(root / "train" / "cat" / "5.png", root / "test" / "cat" / "copy.png")
    assert "pictures of which copies were given to several splits: 1" in load_pictures(root).notes
