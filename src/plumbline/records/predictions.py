"""What a run said of every image, kept in the run folder as `predictions/SPLIT.npz`.

A plain numpy archive: `logits`, `labels`, `indices`, and the pictures of a few mistakes with their indices.
A report made from it needs neither the data nor the network.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.durable import flush_folder, replacing
from plumbline.errors import PlumblineError, printable
from plumbline.records.schema import SplitName
from plumbline.records.store import RunFolder

MAX_PREDICTIONS_BYTES = 1_000_000_000
_NAMES = {"logits", "labels", "indices", "picture_indices", "pictures"}


@dataclass(frozen=True)
class SplitPredictions:
    """What one set of weights said of one split.

    Attributes:
        logits: float32 (N, C), before softmax; a logit may be infinite or not a number.
        labels: int64 (N,), from 0 to C - 1.
        indices: int64 (N,), of each image in its split of the data set, in canonical order; no index twice.
            Images held out for validation are counted in the training images they were taken from.
        pictures: uint8 (H, W, 3) of some images, by index.

    """

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    pictures: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.labels)
        expected = {"logits": (np.float32, 2), "labels": (np.int64, 1), "indices": (np.int64, 1)}
        for name, (dtype, dimensions) in expected.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.ndim != dimensions or len(array) != count or not count:
                raise PlumblineError(
                    f"Expected {name} as {np.dtype(dtype)} in {dimensions} dimension(s), one entry an image, "
                    f"got {array.dtype} of shape {array.shape} for {count} labels."
                )
        classes = self.logits.shape[1]
        if self.labels.min() < 0 or self.labels.max() >= classes:
            raise PlumblineError(
                f"Expected labels from 0 to {classes - 1}, as there are {classes} logits an image, "
                f"got {self.labels.min()} to {self.labels.max()}."
            )
        if self.indices.min() < 0 or len(np.unique(self.indices)) != count:
            raise PlumblineError("Expected a different index, 0 or more, for every image.")
        if not set(self.pictures) <= set(self.indices.tolist()):
            raise PlumblineError("Expected pictures of the images that were predicted only.")


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the probabilities (N, C), computed in float64; a row with a logit that is no number has none.

    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]], np.float32)).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def confident_mistakes(predictions: SplitPredictions) -> NDArray[np.int64]:
    """Give the positions (M,) of all misclassified images, the most confident first, equal ones by index.

    Confidence is the probability of the predicted class. An image with a logit that is not a number is
    misclassified, as it is for the score, and stands last.

    >>> logits = np.array([[2, 0], [3, 0], [0, 2], [0, 0]], np.float32)
    >>> said = SplitPredictions(logits, np.array([1, 1, 1, 0]), np.arange(4))
    >>> confident_mistakes(said).tolist()
    [1, 0]
    """
    logits, labels = predictions.logits, predictions.labels
    wrong = np.flatnonzero((logits.argmax(axis=1) != labels) | np.isnan(logits).any(axis=1))
    confidence = np.nan_to_num(softmax(logits[wrong]).max(axis=1), nan=0.0)
    order: NDArray[np.int64] = wrong[np.lexsort((predictions.indices[wrong], -confidence))]
    return order


def predictions_path(folder: RunFolder, *, split: SplitName) -> Path:
    """Give the file of one split, `predictions/SPLIT.npz`."""
    return folder.path / "predictions" / f"{split}.npz"


def write_predictions(
    folder: RunFolder,
    *,
    split: SplitName,
    predictions: SplitPredictions,
    pictures: Mapping[int, NDArray[np.uint8]] | None = None,
) -> None:
    """Write the predictions of one split so that at every instant the old or the new file is there, whole.

    Args:
        folder: of the run.
        split: which images.
        predictions: what was said of them.
        pictures: uint8 (H, W, 3), all of one size, by index: of the mistakes that a report should show.
            None: those of `predictions`.

    Raises PlumblineError where the parts do not fit each other, OSError where the disk refuses.

    """
    shown = dict(predictions.pictures if pictures is None else pictures)
    checked = SplitPredictions(predictions.logits, predictions.labels, predictions.indices, shown)
    if len({(picture.dtype, picture.shape) for picture in shown.values()}) > 1:
        raise PlumblineError("Expected pictures of one size, uint8 (H, W, 3).")
    stacked = np.stack([*shown.values()]) if shown else np.zeros((0, 1, 1, 3), np.uint8)
    _check_pictures(stacked, count=len(shown), path=None)
    path = predictions_path(folder, split=split)
    path.parent.mkdir(parents=True, exist_ok=True)
    flush_folder(path.parent.parent)
    with replacing(path) as file:
        np.savez(
            file,
            logits=checked.logits,
            labels=checked.labels,
            indices=checked.indices,
            picture_indices=np.array([*shown], np.int64),
            pictures=stacked,
        )


def read_predictions(folder: RunFolder, *, split: SplitName) -> SplitPredictions | None:
    """Read the predictions of one split; None where the run has none, as runs from before they were kept.

    Nothing in the file is run, and nothing is read that is larger than it says or than a limit.
    Raises PlumblineError if the file is damaged, too large or holds something else.
    """
    path = predictions_path(folder, split=split)
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path=path)
            found = {name: _read_array(archive, name=name) for name in sorted(_NAMES)}
    except PlumblineError:
        raise
    except Exception as error:  # zipfile and numpy name no class for what odd bytes raise
        raise _damaged(path, printable(str(error) or type(error).__name__)) from error
    try:
        of_pictures = found["picture_indices"]
        _check_pictures_indices(of_pictures)
        _check_pictures(found["pictures"], count=len(of_pictures), path=path)
        indices: list[int] = of_pictures.tolist()
        return SplitPredictions(
            found["logits"],
            found["labels"],
            found["indices"],
            dict(zip(indices, found["pictures"], strict=True)),
        )
    except (PlumblineError, TypeError) as error:
        raise _damaged(path, str(error)) from error


def _check_members(archive: zipfile.ZipFile, *, path: Path) -> None:
    members = {info.filename: info.file_size for info in archive.infolist()}
    if set(members) != {f"{name}.npy" for name in _NAMES}:
        raise _damaged(path, f"it holds {printable(', '.join(sorted(members)[:8])) or 'nothing'}")
    # Ours are not packed, so that none of these can take more memory than it takes on disk.
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise _damaged(path, "a member is packed")
    size = path.stat().st_size
    if size > MAX_PREDICTIONS_BYTES or sum(members.values()) > size:
        raise _damaged(path, f"it claims more than it has, or than {MAX_PREDICTIONS_BYTES:,} bytes")


def _read_array(archive: zipfile.ZipFile, *, name: str) -> NDArray[Any]:
    """Read one array after its header was compared with its size: numpy would believe any header."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{name} is written in another version of numpy's format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject or file.tell() + prod(shape) * dtype.itemsize != info.file_size:
            raise ValueError(f"{name} is not the array that its header says")
    with archive.open(info) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array


def _check_pictures_indices(indices: NDArray[Any]) -> None:
    if indices.dtype != np.int64 or indices.ndim != 1:
        raise PlumblineError(f"Expected indices of pictures as int64 (M,), got {indices.dtype}.")


def _check_pictures(pictures: NDArray[Any], *, count: int, path: Path | None) -> None:
    if (
        pictures.dtype == np.uint8
        and pictures.ndim == 4
        and pictures.shape[3] == 3
        and len(pictures) == count
    ):
        return
    text = f"expected {count} pictures as uint8 (H, W, 3), got {pictures.dtype} {pictures.shape}"
    raise PlumblineError(f"{text[0].upper()}{text[1:]}.") if path is None else _damaged(path, text)


def _damaged(path: Path, why: str) -> PlumblineError:
    return PlumblineError(
        f"{path} cannot be used: {why.rstrip('.')}. Expected the logits, labels and pictures that "
        "`plumbline fit` writes. Delete the file to have a report without them."
    )
