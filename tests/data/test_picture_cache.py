"""Pictures are decoded once; what changed is decoded again, and what is damaged is noticed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from own_pictures import write_pictures
from PIL import Image

from plumbline.data import decode_pool, picture_cache, picture_worker
from plumbline.data.decode import decode_picture
from plumbline.data.picture_cache import DecodedPictures, decode_pictures, pictures_folder
from plumbline.data.picture_source import PictureSource, find_pictures
from plumbline.errors import PlumblineError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of two classes, and a cache that nobody has used."""
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "cache"))
    return write_pictures(tmp_path / "photos", counts={"cat": 6, "dog": 5})


@pytest.fixture
def decoded_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of pictures as they are decoded in this process."""
    names: list[str] = []

    def decode(source: bytes, *, size: int, name: str) -> object:
        names.append(name)
        return decode_picture(source, size=size, name=name)

    monkeypatch.setattr(picture_worker, "decode_picture", decode)
    return names


def pixels(decoded: DecodedPictures) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rows = torch.from_numpy(decoded.records["row"].copy())
    return decoded.file.read(rows).permute(0, 2, 3, 1).numpy()


def expected(source: PictureSource) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack([decode_picture(source.read(entry), size=32) for entry in source.entries])


def test_a_second_start_decodes_nothing(root: Path, decoded_names: list[str]) -> None:
    """Rows are what decoding gives, and come from the cache the second time."""
    source = find_pictures(root)
    first = decode_pictures(source, side=32)
    assert len(decoded_names) == 11
    second = decode_pictures(source, side=32)
    assert len(decoded_names) == 11
    assert np.array_equal(pixels(first), expected(source))
    assert np.array_equal(pixels(second), expected(source))
    assert second.records.tobytes() == first.records.tobytes()


def test_only_what_is_new_is_decoded(root: Path, decoded_names: list[str]) -> None:
    """Of a changed, an added, a removed, a touched and a moved picture the first two are decoded."""
    decode_pictures(find_pictures(root), side=32)
    decoded_names.clear()
    write_pictures(root, counts={"dog": 1}, seed=5)
    write_pictures(root / "more", counts={"cat": 1}, seed=6)
    (root / "more" / "cat" / "0.png").rename(root / "cat" / "new.png")
    shutil.rmtree(root / "more")
    (root / "cat" / "2.png").unlink()
    (root / "cat" / "3.png").touch()
    (root / "cat" / "4.png").rename(root / "dog" / "moved.png")
    source = find_pictures(root)
    again = decode_pictures(source, side=32)
    assert sorted(decoded_names) == ["cat/new.png", "dog/0.png"]
    assert np.array_equal(pixels(again), expected(source))
    (pictures_folder(root) / "32.npz").unlink()
    anew = decode_pictures(source, side=32)
    assert again.records["digest"].tolist() == anew.records["digest"].tolist()
    assert again.records["sums"].tolist() == anew.records["sums"].tolist()


def test_a_change_that_keeps_size_and_time_is_seen(root: Path, decoded_names: list[str]) -> None:
    """A file overwritten with as many bytes and set back to its old time is read again."""
    decode_pictures(find_pictures(root), side=32)
    decoded_names.clear()
    path = root / "cat" / "0.png"
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    decode_pictures(find_pictures(root), side=32)
    assert decoded_names == ["cat/0.png"]


@pytest.mark.parametrize("damage", ["index", "rows cut", "rows gone"])
def test_a_damaged_cache_is_made_anew(root: Path, damage: str, decoded_names: list[str]) -> None:
    """An index that cannot be read and rows that are too few are no loss."""
    source = find_pictures(root)
    decode_pictures(source, side=32)
    rows = pictures_folder(root) / "32.rows"
    if damage == "index":
        index = rows.with_suffix(".npz")
        index.write_bytes(index.read_bytes()[:-100])
    elif damage == "rows cut":
        os.truncate(rows, 5000)
    else:
        rows.unlink()
    assert np.array_equal(pixels(decode_pictures(source, side=32)), expected(source))
    assert len(decoded_names) == 22


def test_a_bad_picture_is_remembered_with_its_reason(root: Path, decoded_names: list[str]) -> None:
    """It has no row, is named, and is not tried again until it changes."""
    (root / "cat" / "0.png").write_bytes(b"no picture")
    source = find_pictures(root)
    decode_pictures(source, side=32)
    again = decode_pictures(source, side=32)
    assert len(decoded_names) == 11
    assert again.records["row"].tolist()[0] == -1
    assert list(again.faults) == ["cat/0.png"]
    assert "cat/0.png" in again.faults["cat/0.png"]


def test_a_shortage_of_memory_is_not_remembered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What memory was short for is told as such, and is decoded at the next start."""
    source = find_pictures(root)
    with monkeypatch.context() as short:
        short.setattr(Image.Image, "resize", fail_for_memory)
        told = decode_pictures(source, side=16)
    assert told.faults["cat/0.png"] == "cat/0.png: there is not enough memory to decode the picture"
    again = decode_pictures(source, side=16)
    assert not again.faults
    assert (again.records["row"] >= 0).all()


def fail_for_memory(*_: object, **__: object) -> None:
    raise MemoryError


def test_processes_give_the_same_rows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded in two spawned processes, several tasks each, rows and faults are those of one process."""
    (root / "dog" / "1.png").write_bytes(b"no picture")
    source = find_pictures(root)
    alone = decode_pictures(source, side=32, workers=0)
    shutil.rmtree(pictures_folder(root))
    monkeypatch.setattr(picture_cache, "_FEW_PICTURES", 0)
    monkeypatch.setattr(decode_pool, "_TASK_PICTURES", 2)
    together = decode_pictures(source, side=32, workers=2)
    assert together.records.tobytes() == alone.records.tobytes()
    assert together.faults == alone.faults
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("before", ["nothing", "rows"])
def test_an_interrupted_start_leaves_no_half_file(
    root: Path, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle leaves what was there before: nothing, or the rows of an earlier start."""
    source = find_pictures(root)
    known = before == "rows"
    if known:
        decode_pictures(source, side=32)
        write_pictures(root, counts={"dog": 5}, seed=5)
    there = {path.name: path.stat().st_size for path in pictures_folder(root).glob("32.*")}
    monkeypatch.setattr(decode_pool, "_TASK_PICTURES", 2)

    class Interrupting(NamedTuple):
        done: list[int]

        def advance(self, amount: int = 1) -> None:
            self.done.append(amount)
            if len(self.done) == 2:
                raise KeyboardInterrupt

        def note(self, text: str) -> None: ...

    class Watcher:
        @contextmanager
        def task(self, title: str, *, total: int | None, unit: str, done: int = 0) -> Iterator[Interrupting]:
            assert (title, unit) == ("decode", "images")
            assert (total, done) == (5 if known else 11, 0)
            yield Interrupting([])

        def say(self, text: str) -> None: ...

    with pytest.raises(KeyboardInterrupt):
        decode_pictures(source, side=32, progress=Watcher())
    assert {path.name: path.stat().st_size for path in pictures_folder(root).glob("32.*")} == there
    assert np.array_equal(pixels(decode_pictures(source, side=32)), expected(source))


def test_without_a_cache_pictures_are_still_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache cannot be written the rows are the same, it is said, and nothing is left behind."""
    root = write_pictures(tmp_path / "photos", counts={"cat": 2, "dog": 2})
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "file"))
    source = find_pictures(root)
    decoded = decode_pictures(source, side=32)
    assert np.array_equal(pixels(decoded), expected(source))
    assert "cannot be written" in decoded.note


def test_a_full_disk_is_told_before_anything_is_decoded(
    root: Path, decoded_names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how much is needed, and how to put the cache elsewhere."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 1000, 100))
    with pytest.raises(PlumblineError, match=r"full.*PLUMBLINE_CACHE.*11 pictures"):
        decode_pictures(find_pictures(root), side=32)
    assert not decoded_names


def test_two_starts_at_once_decode_once(root: Path, decoded_names: list[str]) -> None:
    """The second waits for the first, both get all rows, and each picture is decoded once."""
    source = find_pictures(root)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: decode_pictures(source, side=32), range(2)))
    assert all(np.array_equal(pixels(decoded), expected(source)) for decoded in both)
    assert len(decoded_names) == 11
