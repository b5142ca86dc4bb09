"""What a folder of pictures is taken for, and what is refused of it, by name."""

from __future__ import annotations

import os
import pickle
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pictures_made import fill, tiny

from plumbline.data.decode import BadImage
from plumbline.data.picture_source import PictureEntry, find_pictures
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Sequence

TWO = ("cat/1.png", "cat/2.jpg", "dog/1.png")
SPLITS = (
    "train/cat/1.png",
    "train/dog/2.png",
    "val/cat/3.png",
    "val/dog/4.png",
    "test/cat/5.png",
    "test/dog/6.png",
)


def test_a_folder_of_classes(tmp_path: Path) -> None:
    """Folders are classes in order of their names, folders inside them are part of them, splits are open."""
    source = find_pictures(fill(tmp_path, names=("dog/b/c/3.PNG", *TWO)))
    assert (source.form, source.classes, source.notes) == ("folder", ("cat", "dog"), ())
    assert source.entries == (
        PictureEntry("cat/1.png", 0, None),
        PictureEntry("cat/2.jpg", 0, None),
        PictureEntry("dog/1.png", 1, None),
        PictureEntry("dog/b/c/3.PNG", 1, None),
    )
    assert source.read(source.entries[3]) == tiny(0)


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_folders_of_splits(tmp_path: Path, val: str) -> None:
    """train/, val/ and test/ are splits, whichever of the usual names the second has."""
    source = find_pictures(fill(tmp_path, names=[name.replace("val/", f"{val}/") for name in SPLITS]))
    assert source.classes == ("cat", "dog")
    assert {entry.name.lower(): (entry.split, entry.label) for entry in source.entries} == {
        "test/cat/5.png": ("test", 0),
        "test/dog/6.png": ("test", 1),
        "train/cat/1.png": ("train", 0),
        "train/dog/2.png": ("train", 1),
        f"{val}/cat/3.png".lower(): ("validation", 0),
        f"{val}/dog/4.png".lower(): ("validation", 1),
    }


def test_training_alone(tmp_path: Path) -> None:
    """A folder with nothing but train/ is a set whose other splits are to be made."""
    source = find_pictures(fill(tmp_path, names=SPLITS[:2]))
    assert [entry.split for entry in source.entries] == ["train", "train"]


def test_a_class_named_like_a_split(tmp_path: Path) -> None:
    """A folder train beside bus is a class, and it is said that it was taken as one."""
    source = find_pictures(fill(tmp_path, names=("train/1.png", "train/steam/2.png", "bus/3.png")))
    assert source.classes == ("bus", "train")
    assert "'train' is taken as a class" in source.notes[0]


def test_what_is_passed_over_is_said(tmp_path: Path) -> None:
    """Hidden and system files, files that are no pictures, and pictures outside classes are counted."""
    passed = (".git/a.png", "__MACOSX/cat/1.png", "cat/@eaDir/1.png", "cat/Thumbs.db", "dog/.DS_Store")
    others = ("cat/notes.txt", "cat/more.TXT", "README", "dog/IMG_1.HEIC", "loose.png")
    source = find_pictures(fill(tmp_path, names=(*TWO, *passed, *others)))
    assert [entry.name for entry in source.entries] == list(TWO)
    assert source.notes == (
        "pictures that lie in no class were ignored: 1",
        (
            "hidden or system files and folders were ignored: 5 ('.DS_Store', '.git', '@eaDir', 'Thumbs.db', "
            "'__MACOSX')"
        ),
        "files that are no pictures were ignored: 4 (2 .txt, 1 without suffix, 1 .heic)",
        "HEIC and AVIF pictures are not read: save them as JPEG or PNG",
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "0 pictures and no folder"),
        (("1.png", "2.png"), "2 pictures and no folder"),
        ((*TWO, "owl/"), r"owl: the class holds no picture; add"),
        ((*TWO, "owl/1.heic"), r"owl: the class holds no picture; it holds 1 \.heic"),
        (("cat/1.png",), "at least two classes, got 'cat' only"),
        (("set/cat/1.png", "set/dog/1.png"), r"if its folders are the classes, name .*/set"),
        (("Cat/1.png", "cat/1.png"), "'Cat' and 'cat' differ only in case"),
        (("train/cat/1.png", "train/dog/1.png", "test/Cat/1.png", "test/dog/1.png"), "differ only in case"),
        ((*SPLITS, "val/owl/1.png"), r"'owl' is in 'val/' and not in 'test/', 'train/'"),
        ((*SPLITS, "test/owl/"), r"test/owl: the class holds no picture|'owl' is in 'test/'"),
        ((*SPLITS, "valid/cat/1.png", "valid/dog/1.png"), "'val', 'valid' all mean the validation split"),
        (("val/cat/1.png", "val/dog/1.png"), "no train/"),
        (("train/cat/1.png", "train/dog/1.png", "test/1.png"), "test has no folders of classes"),
        ((*SPLITS, "extra/1.png"), "look like splits, but 'extra' lie beside them"),
    ],
)
def test_what_cannot_be_taken(tmp_path: Path, names: Sequence[str], said: str) -> None:
    """Each kind of folder that is no set of classes gets one sentence that names it."""
    with pytest.raises(PlumblineError, match=said) as error:
        find_pictures(fill(tmp_path, names=names))
    assert str(tmp_path) in str(error.value)


def test_no_such_form(tmp_path: Path) -> None:
    """A path that is not there, or is another kind of file, is told with what can be read."""
    (tmp_path / "a.tar.gz").touch()
    for name in ("a.tar.gz", "gone"):
        with pytest.raises(PlumblineError, match=rf"{name} .*expected a folder .*\.csv or \.parquet.*\.zip"):
            find_pictures(tmp_path / name)


def test_links(tmp_path: Path) -> None:
    """Links inside the folder are followed; one that leaves it, leads nowhere or in a circle is refused."""
    root = fill(tmp_path / "set", names=TWO)
    outside = fill(tmp_path / "other", names=("1.png",))
    (root / "dog/2.png").symlink_to(root / "cat/1.png")
    (root / "owl").symlink_to("cat")
    assert find_pictures(root).classes == ("cat", "dog", "owl")
    (tmp_path / "name").symlink_to(root)
    assert len(find_pictures(tmp_path / "name").entries) == 6
    for target, said in (
        (outside / "1.png", "leaves the folder"),
        (outside, "leaves the folder"),
        (root / "gone.png", "leads nowhere"),
        (root, "folder that it lies in"),
    ):
        link = root / "cat" / "link.png"
        link.symlink_to(target)
        with pytest.raises(PlumblineError, match=rf"cat/link\.png is a link .*{said}"):
            find_pictures(root)
        link.unlink()


def test_folders_without_end(tmp_path: Path) -> None:
    """Folders inside one another beyond all use are refused, without a traceback."""
    with pytest.raises(PlumblineError, match="over 100 deep"):
        find_pictures(fill(tmp_path, names=(*TWO, "a/" * 150)))


def test_a_folder_with_a_longer_name_is_outside(tmp_path: Path) -> None:
    """A link from set to set-2 leaves the folder, though the one name begins with the other."""
    root = fill(tmp_path / "set", names=TWO)
    fill(tmp_path / "set-2", names=("1.png",))
    (root / "cat/3.png").symlink_to(tmp_path / "set-2/1.png")
    with pytest.raises(PlumblineError, match="leaves the folder"):
        find_pictures(root)


def test_names_in_any_script(tmp_path: Path) -> None:
    """Japanese and spaces work; what macOS decomposed is composed, and read by the name it has on disk."""
    decomposed = unicodedata.normalize("NFD", "ガラス 瓶/プ 1.png")
    source = find_pictures(fill(tmp_path, names=(decomposed, "ペットボトル/1.png")))
    assert source.classes == ("ガラス 瓶", "ペットボトル")
    assert source.entries[0].name == "ガラス 瓶/プ 1.png"
    again = pickle.loads(pickle.dumps(source))  # noqa: S301  # as it goes to a worker process
    assert again == source
    assert again.read(again.entries[0]) == tiny(0)


def test_splits_that_compose_a_name_differently(tmp_path: Path) -> None:
    """A class that is composed in train/ and decomposed in test/ is one class."""
    names = [unicodedata.normalize("NFC", "train/ガ/1.png"), unicodedata.normalize("NFD", "test/ガ/1.png")]
    assert find_pictures(fill(tmp_path, names=(*names, "train/b/1.png", "test/b/1.png"))).classes == (
        "b",
        "ガ",
    )


@pytest.mark.skipif(os.uname().sysname == "Darwin", reason="macOS keeps no two such names")
@pytest.mark.parametrize("inner", ["ガ/1.png", "cat/ガ.png"])
def test_names_that_look_the_same(tmp_path: Path, inner: str) -> None:
    """Two names that differ only in how Unicode composes them are refused."""
    both = [unicodedata.normalize(form, inner) for form in ("NFC", "NFD")]
    with pytest.raises(PlumblineError, match="the same to a reader"):
        find_pictures(fill(tmp_path, names=(*TWO, *both)))


@pytest.mark.skipif(os.uname().sysname == "Darwin", reason="macOS keeps no such name")
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """A name in another encoding than UTF-8 is refused: it could not be written down."""
    root = fill(tmp_path, names=TWO)
    Path(os.fsdecode(os.fsencode(root / "cat") + b"/caf\xe9.png")).write_bytes(tiny())
    with pytest.raises(PlumblineError, match="not written in UTF-8"):
        find_pictures(root)


def test_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be read is named."""

    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    root = fill(tmp_path, names=TWO)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PlumblineError, match=r"cannot be read \(Permission denied\)"):
        find_pictures(root)


def test_a_picture_that_went_away(tmp_path: Path) -> None:
    """A picture that is deleted after the folder was listed is named when it is read."""
    source = find_pictures(fill(tmp_path, names=TWO))
    (tmp_path / "cat/1.png").unlink()
    with pytest.raises(BadImage, match=r"cat/1\.png: the picture cannot be read"):
        source.read(source.entries[0])


def test_many_files_are_listed_fast(tmp_path: Path) -> None:
    """Two thousand files take under half a second of processor time."""
    for label in range(2):
        folder = tmp_path / f"class {label}"
        folder.mkdir()
        for number in range(1000):
            os.close(os.open(folder / f"{number}.png", os.O_CREAT | os.O_WRONLY))
    started = time.process_time()
    assert len(find_pictures(tmp_path).entries) == 2_000
    assert time.process_time() - started < 0.5
