"""Archives of pictures: read without extracting, and hostile ones are refused."""

from __future__ import annotations

import io
import multiprocessing
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures_made import pack, tiny

from plumbline.data import picture_zip
from plumbline.data.decode import BadImage
from plumbline.data.picture_source import PictureEntry, find_pictures
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Sequence

TWO = ("cat/1.png", "cat/2.png", "犬 a/1.png")


@pytest.mark.parametrize("around", ["", "set/", "a/b/"])
def test_an_archive_of_classes(tmp_path: Path, around: str) -> None:
    """The classes of an archive are those of the folder, with or without a folder around it all."""
    source = find_pictures(pack(tmp_path / "a.zip", names=[around + name for name in TWO]))
    assert (source.form, source.classes, source.notes) == ("zip", ("cat", "犬 a"), ())
    assert [entry.name for entry in source.entries] == list(TWO)
    assert [source.read(entry) for entry in source.entries] == [tiny(0), tiny(1), tiny(2)]


def test_an_archive_of_splits(tmp_path: Path) -> None:
    """Splits are found in an archive, around them a folder or not; what a Mac adds is ignored."""
    names = [
        "set/train/x/1.png",
        "set/train/y/2.png",
        "set/test/x/3.png",
        "set/test/y/4.png",
        "__MACOSX/set/._a",
    ]
    source = find_pictures(pack(tmp_path / "a.zip", names=names))
    assert source.entries[0] == PictureEntry("test/x/3.png", 0, "test")
    assert source.notes == ("hidden or system files and folders were ignored: 1 ('__MACOSX')",)


@pytest.mark.parametrize("around", ["", "set/"])
def test_an_archive_with_a_table(tmp_path: Path, around: str) -> None:
    """A table in an archive names members beside it."""
    path = pack(tmp_path / "a.zip", names=[f"{around}images/{name}" for name in ("1.png", "2.png")])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{around}labels.csv", "path,label\nimages/2.png,x\nimages/1.png,y\n")
    source = find_pictures(path)
    assert source.entries == (PictureEntry("images/1.png", 1, None), PictureEntry("images/2.png", 0, None))
    assert source.read(source.entries[1]) == tiny(1)


def test_a_table_in_an_archive_names_what_is_missing(tmp_path: Path) -> None:
    """A missing member is told with the table's name and line; two tables are not guessed between."""
    path = pack(tmp_path / "a.zip", names=["1.png"])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.csv", "path,label\n1.png,x\n2.png,y\n")
    with pytest.raises(PlumblineError, match=r"a\.zip/labels\.csv names 1 files .*2\.png \(line 3\)"):
        find_pictures(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.parquet", "")
    with pytest.raises(PlumblineError, match="several tables"):
        find_pictures(path)


@pytest.mark.parametrize(
    "name",
    ["../cat/1.png", "/cat/1.png", "cat/../../1.png", "C:/cat/1.png", "cat\\1.png", "cat//1.png", "./1.png"],
)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    """A member whose name is absolute, climbs, or is not plain makes the archive refused."""
    with pytest.raises(PlumblineError, match=r"a\.zip: the member .* plain relative name"):
        find_pictures(pack(tmp_path / "a.zip", names=(*TWO, name)))


def test_folders_without_end(tmp_path: Path) -> None:
    """A path of thousands of folders is refused, and costs neither memory nor a traceback."""
    with pytest.raises(PlumblineError, match="over 100 deep"):
        find_pictures(pack(tmp_path / "a.zip", names=["a/" * 30_000 + "1.png"]))


def test_links_passwords_and_rare_packing(tmp_path: Path) -> None:
    """A link, an encrypted member and one packed with something else than deflate are refused by name."""
    path = tmp_path / "a.zip"
    link = zipfile.ZipInfo("cat/3.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(pack(path, names=TWO), "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(PlumblineError, match=r"'cat/3\.png' is a link"):
        find_pictures(path)
    with zipfile.ZipFile(pack(path, names=TWO), "a") as archive:
        archive.writestr("cat/3.png", tiny(), zipfile.ZIP_LZMA)
    with pytest.raises(PlumblineError, match=r"'cat/3\.png' is packed in a rare way"):
        find_pictures(path)
    data = bytearray(pack(path, names=TWO).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(PlumblineError, match=r"'cat/1\.png' is encrypted"):
        find_pictures(path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_name_that_stands_twice(tmp_path: Path) -> None:
    """Two members of one name are refused: programs differ in which they take."""
    with pytest.raises(PlumblineError, match=r"members of the same name: 'cat/1\.png'"):
        find_pictures(pack(tmp_path / "a.zip", names=(*TWO, TWO[0])))


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that would unpack to far more than it is, or to too much, or too many files, is refused."""
    path = tmp_path / "a.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("cat/1.bmp", "w") as member,
    ):
        for _ in range(80):
            member.write(bytes(1_000_000))
    with pytest.raises(PlumblineError, match="more than pictures do"):
        find_pictures(path)
    pack(path, names=TWO)
    monkeypatch.setattr(picture_zip, "MAX_TOTAL_BYTES", 100)
    with pytest.raises(PlumblineError, match="at most 100 bytes unpacked"):
        find_pictures(path)
    monkeypatch.setattr(picture_zip, "MAX_MEMBERS", 2)
    with pytest.raises(PlumblineError, match="at most 2 members, got 3"):
        find_pictures(path)


def test_a_member_that_is_too_large(tmp_path: Path) -> None:
    """A member beyond the cap is refused before it is unpacked, an empty one too."""
    path = pack(tmp_path / "a.zip", names=TWO)
    for most in (0, 10):
        with pytest.raises(BadImage, match=f"told: expected from 1 to {most} bytes"):
            picture_zip.read_member(path, place=TWO[0], told="told", most=most)


def test_a_member_that_lies_about_its_size(tmp_path: Path) -> None:
    """A member that would unpack to more than its header says gives no more than that, and is refused."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/1.bmp", bytes(1_000_000))
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02") + 24
    data[start : start + 4] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(BadImage, match="cannot be read from the archive"):
        picture_zip.read_member(path, place="cat/1.bmp", told="told")


def test_a_shortage_of_memory_is_no_damaged_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves as what it is, so that nobody remembers the picture as one that cannot be read."""

    def short(*_: object, **__: object) -> None:
        raise MemoryError

    source = find_pictures(pack(tmp_path / "a.zip", names=TWO))
    monkeypatch.setattr(zipfile.ZipFile, "open", short)
    with pytest.raises(MemoryError):
        source.read(source.entries[0])


def test_a_damaged_member(tmp_path: Path) -> None:
    """A member with one bit turned is refused by its checksum, and the others are read."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("cat/1.bmp", tiny(1, suffix=".bmp"))
        archive.writestr("dog/1.bmp", tiny(2, suffix=".bmp"))
    data = bytearray(path.read_bytes())
    data[data.index(tiny(1, suffix=".bmp")) + 60] ^= 1
    path.write_bytes(data)
    source = find_pictures(path)
    with pytest.raises(BadImage, match=r"a\.zip/cat/1\.bmp: .*CRC"):
        source.read(source.entries[0])
    assert source.read(source.entries[1]) == tiny(2, suffix=".bmp")


def test_names_in_utf8_that_are_not_marked_so(tmp_path: Path) -> None:
    """Names in UTF-8 without the flag that says so are read; those in another encoding are refused."""
    path = pack(tmp_path / "a.zip", names=TWO)
    data = path.read_bytes()
    unmarked = data
    for start, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        pieces = unmarked.split(start)
        unmarked = start.join(
            [pieces[0], *(p[: at - 3] + bytes([p[at - 3] & ~8]) + p[at - 2 :] for p in pieces[1:])]
        )
    path.write_bytes(unmarked)
    source = find_pictures(path)
    assert source.classes == ("cat", "犬 a")
    assert source.read(source.entries[2]) == tiny(2)
    path.write_bytes(unmarked.replace("犬".encode(), "犬 ".encode("cp932")))
    with pytest.raises(PlumblineError, match="has a name that is not in UTF-8"):
        find_pictures(path)


def test_worker_processes_read_the_same_archive(tmp_path: Path) -> None:
    """Forked and fresh processes read members at once, while this one has the archive open."""
    source = find_pictures(pack(tmp_path / "a.zip", names=[f"{'ab'[i % 2]}/{i:03}.png" for i in range(200)]))
    expected = [source.read(entry) for entry in source.entries]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(source.read, source.entries, chunksize=7) == expected


def test_an_archive_that_is_replaced(tmp_path: Path) -> None:
    """A member that is gone from the archive on disk is told, not read from the one that was open before."""
    path = pack(tmp_path / "a.zip", names=TWO)
    source = find_pictures(path)
    source.read(source.entries[0])
    pack(path, names=("cat/other.png", "犬 a/1.png"))
    with pytest.raises(BadImage, match=r"cat/1\.png: cannot be read from the archive"):
        source.read(source.entries[0])


def archive_bytes(names: Sequence[str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, tiny())
    return stream.getvalue()


ARCHIVE = archive_bytes(TWO)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=5
    ),
    end=st.floats(0.3, 1),
)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_any_bytes(tmp_path: Path, changes: list[tuple[float, int]], end: float) -> None:
    """An archive with some bytes changed, in its list of members above all, is read or refused by name."""
    data = bytearray(ARCHIVE)
    for place, value in changes:
        data[-1 - int(place**2 * len(data))] = value
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(data[: int(end**0.1 * len(data))]))
    try:
        source = find_pictures(path)
        for entry in source.entries:
            source.read(entry)
    except PlumblineError as error:
        assert "a.zip" in str(error)  # noqa: PT017
