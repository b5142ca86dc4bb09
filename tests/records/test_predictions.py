"""Predictions in a run folder: what was written is read, and what cannot be read says why."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from plumbline.errors import PlumblineError
from plumbline.records import RunFolder
from plumbline.records.predictions import (
    SplitPredictions,
    predictions_path,
    read_predictions,
    write_predictions,
)

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = np.full((4, 4, 3), 7, np.uint8)


def some(**changes: Any) -> SplitPredictions:  # noqa: ANN401
    parts = {
        "logits": np.arange(12, dtype=np.float32).reshape(4, 3),
        "labels": np.array([0, 1, 2, 2]),
        "indices": np.array([9, 3, 5, 0]),
    }
    return SplitPredictions(**(parts | changes))


def write_arrays(path: Path, **changes: Any) -> None:  # noqa: ANN401
    """Write an archive as `write_predictions` would, with some arrays replaced."""
    one = some()
    arrays: dict[str, Any] = {"logits": one.logits, "labels": one.labels, "indices": one.indices}
    arrays |= {"picture_indices": np.array([5]), "pictures": PICTURE[None]} | changes
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Every array comes back to the bit, not-a-number included, and nothing else is left in the folder."""
    folder, logits = RunFolder(tmp_path), np.arange(12, dtype=np.float32).reshape(4, 3)
    logits[0, 0] = np.nan
    write_predictions(folder, split="test", predictions=some(logits=logits), pictures={5: PICTURE})
    read = read_predictions(folder, split="test")
    assert read is not None
    assert read.logits.tobytes() == logits.tobytes()
    assert (read.labels.tolist(), read.indices.tolist()) == ([0, 1, 2, 2], [9, 3, 5, 0])
    assert {index: picture.tolist() for index, picture in read.pictures.items()} == {5: PICTURE.tolist()}
    assert [path.name for path in (tmp_path / "predictions").iterdir()] == ["test.npz"]
    write_predictions(folder, split="test", predictions=read)
    again = read_predictions(folder, split="test")
    assert again is not None
    assert list(again.pictures) == [5]


def test_an_older_run_has_none(tmp_path: Path) -> None:
    """A folder without the file gives None, and another split's file is not taken for it."""
    write_predictions(RunFolder(tmp_path), split="test", predictions=some())
    assert read_predictions(RunFolder(tmp_path), split="validation") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": np.array([0, 1, 2, 3])}, "labels from 0 to 2"),
        ({"labels": np.array([0, 1, 2])}, "one entry an image"),
        ({"indices": np.array([1, 1, 2, 3])}, "different index"),
        ({"logits": np.zeros((4, 3))}, "float32"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    """Labels, indices and logits that do not belong together are refused before anything is written."""
    with pytest.raises(PlumblineError, match=words):
        some(**changes)


def test_odd_pictures_are_refused(tmp_path: Path) -> None:
    """Pictures of two sizes, of another type, or of an image that was not predicted are not written."""
    for pictures in ({5: PICTURE, 3: PICTURE[:2]}, {5: PICTURE.astype(np.float32)}, {8: PICTURE}):
        with pytest.raises(PlumblineError, match=r"[Ee]xpected .*pictures"):
            write_predictions(RunFolder(tmp_path), split="test", predictions=some(), pictures=pictures)  # type: ignore[arg-type]
    assert not (tmp_path / "predictions").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": None},
        {"logits": np.array([[{}]] * 4, dtype=object)},
        {"pictures": np.zeros((1, 4, 4, 1), np.uint8)},
        {"picture_indices": np.array([5, 3])},
        {"labels": np.array([0, 1, 2, 9])},
    ],
)
def test_a_damaged_file_says_so(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A file with missing, wrong or pickled arrays is refused with its path and what to do."""
    path = predictions_path(RunFolder(tmp_path), split="test")
    write_arrays(path, **changes)
    with pytest.raises(PlumblineError, match=r"test\.npz cannot be used.*Delete the file"):
        read_predictions(RunFolder(tmp_path), split="test")


def test_every_cut_file_is_refused(tmp_path: Path) -> None:
    """Wherever a file is cut, reading it is a clear error, never a traceback or half of the images."""
    write_predictions(RunFolder(tmp_path), split="test", predictions=some(), pictures={5: PICTURE})
    path = predictions_path(RunFolder(tmp_path), split="test")
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(PlumblineError, match="cannot be used"):
            read_predictions(RunFolder(tmp_path), split="test")


def test_a_header_is_not_believed(tmp_path: Path) -> None:
    """A header that claims a thousand billion images is refused before memory is asked for them."""
    path = predictions_path(RunFolder(tmp_path), split="test")
    write_arrays(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 3)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"logits.npy": header.getvalue()}).items():
            archive.writestr(name, content)
    with pytest.raises(PlumblineError, match="logits is not the array that its header says"):
        read_predictions(RunFolder(tmp_path), split="test")
