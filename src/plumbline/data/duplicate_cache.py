"""Duplicates of a data set, found once: kept in the user's cache by the fingerprint of the data."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, get_args

from plumbline.data.cache import cache_folder
from plumbline.data.duplicates import (
    METHOD,
    DuplicatePair,
    Kind,
    NearDuplicates,
    duplicates_within,
    near_duplicates,
)
from plumbline.durable import replacing
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from pathlib import Path

    from plumbline.data.images import Dataset
    from plumbline.progress import Progress

Where = Literal["across", "train", "test"]
_MOST_BYTES = 200_000_000


def dataset_duplicates(
    dataset: Dataset, *, where: Where = "across", progress: Progress = SILENT
) -> NearDuplicates:
    """Give the duplicates across both splits of a data set, or inside one: at once where they are known.

    What was found is kept in the user's cache. A damaged file there is found anew, and one that cannot be
    written is said to `progress`; neither stops anybody.
    """
    path = duplicates_file(dataset.fingerprint, where=where)
    known = _read(path)
    if known is not None:
        return known
    if where == "across":
        found = near_duplicates(dataset.train, test=dataset.test, progress=progress)
    else:
        split = dataset.train if where == "train" else dataset.test
        found = duplicates_within(split, title=f"the {where} split", progress=progress)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            content = {"method": found.method, "pairs": [asdict(pair) for pair in found.pairs]}
            file.write(json.dumps(content).encode())
    except OSError as error:
        progress.say(f"The duplicates found could not be kept in {path}: {error.strerror or error}.")
    return found


def known_duplicated(fingerprint: str) -> tuple[int, ...] | None:
    """Give the test images known to have a duplicate in training, ascending, or None where nothing is known.

    Known is what `dataset_duplicates` has found on this machine, or what comes with plumbline (CIFAR-10).
    """
    found = _read(duplicates_file(fingerprint))
    if found is not None:
        return found.duplicated
    shipped = files("plumbline.data") / "known" / f"near-duplicates-{fingerprint}.json"
    if not shipped.is_file():
        return None
    return tuple(json.loads(shipped.read_text(encoding="utf-8"))["duplicated"])


def duplicates_file(fingerprint: str, *, where: Where = "across") -> Path:
    """Give the file that keeps what was found."""
    ending = "" if where == "across" else f"-{where}"
    return cache_folder() / f"near-duplicates-{fingerprint}{ending}.json"


def _read(path: Path) -> NearDuplicates | None:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["method"] != METHOD:
            return None
        return NearDuplicates(tuple(_pair(**entry) for entry in content["pairs"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _pair(*, first: int, second: int, similarity: float, kind: Kind, mirrored: bool) -> DuplicatePair:
    whole = all(type(index) is int for index in (first, second))
    if not whole or type(similarity) not in (int, float) or type(mirrored) is not bool:
        raise ValueError("not a pair")
    if first < 0 or second < 0 or kind not in get_args(Kind):
        raise ValueError("not a pair")
    return DuplicatePair(first, second, similarity=similarity, kind=kind, mirrored=mirrored)
