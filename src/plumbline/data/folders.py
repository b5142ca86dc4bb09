"""Find a data set's files in a folder, whichever of the known forms they have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from plumbline.data.catalog import CIFARS
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from plumbline.data.catalog import CifarSpec

_PARQUET = re.compile(r"(train|test)(?:-(\d+)-of-(\d+))?\.parquet")
_PICKLES = ("cifar-10-batches-py", "cifar-100-python", "cifar-10-python.tar.gz", "cifar-100-python.tar.gz")


@dataclass(frozen=True)
class DataFiles:
    """The files of one data set on disk; an archive holds both splits and is named in both."""

    form: Literal["parquet", "archive", "binary"]
    train: tuple[Path, ...]
    test: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file once, training files first."""
        return tuple(dict.fromkeys(self.train + self.test))


def find_data_name(path: Path) -> str:
    """Say which data set the folder `path` holds (itself, or in a folder of the set's name).

    Raises `PlumblineError` where it is missing, empty, or holds no known data set or several.
    """
    check_folder(path)
    found = known_names(path)
    if len(found) == 1:
        return found[0]
    if found:
        raise PlumblineError(
            f"{path} holds several data sets ({', '.join(found)}): name the folder of one of them"
        )
    raise PlumblineError(_nothing_found(path))


def known_names(path: Path) -> list[str]:
    """Give the names of all known data sets that the folder `path` holds, itself or in a folder so named.

    Raises `PlumblineError` where some of a set's files are there and others are missing.
    """
    return [name for name, spec in CIFARS.items() if find_files(path, spec=spec)]


def check_folder(path: Path) -> None:
    """Raise `PlumblineError` unless `path` is a folder with something in it."""
    if not path.exists():
        raise PlumblineError(f"the data folder {path} does not exist")
    if not path.is_dir():
        raise PlumblineError(
            f"expected a folder of data, got the file {path}: name the folder that it lies in"
        )
    if not any(path.iterdir()):
        raise PlumblineError(f"the data folder {path} is empty; {_expectation()}")


def require_files(path: Path, *, spec: CifarSpec) -> DataFiles:
    """Give the files of `spec` in the folder `path`, or raise `PlumblineError` saying what was expected."""
    check_folder(path)
    files = find_files(path, spec=spec)
    if files is None:
        raise PlumblineError(_nothing_found(path, name=spec.name))
    return files


def find_files(folder: Path, *, spec: CifarSpec) -> DataFiles | None:
    """Look for the files of `spec` in `folder` and its usual subfolders; None where there is nothing of it.

    Raises `PlumblineError` where some of the files are there and others are missing.
    """
    for place in _places(folder, spec=spec):
        files = _parquet_files(place, spec=spec) or _binary_files(place, spec=spec)
        if files:
            return files
    return None


def _places(folder: Path, *, spec: CifarSpec) -> Iterator[Path]:
    for root in (folder / spec.name, folder):
        for place in (root, root / spec.parquet_folder, root / spec.binary.folder):
            if place.is_dir():
                yield place


def _parquet_files(place: Path, *, spec: CifarSpec) -> DataFiles | None:
    found: dict[str, list[Path]] = {"train": [], "test": []}
    for path in sorted(place.iterdir()):
        if match := _PARQUET.fullmatch(path.name):
            found[match[1]].append(path)
    if not (found["train"] or found["test"]) or not _has_columns(
        (found["train"] + found["test"])[0], spec=spec
    ):
        return None
    for split, paths in found.items():
        _check_shards(paths, place=place, split=split)
    return DataFiles("parquet", train=tuple(found["train"]), test=tuple(found["test"]))


def _has_columns(path: Path, *, spec: CifarSpec) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise PlumblineError(f"{path} is damaged or no parquet file: get it anew") from error
    return {"img", spec.label_column} <= set(names)


def _check_shards(paths: list[Path], *, place: Path, split: str) -> None:
    matches = [_PARQUET.fullmatch(path.name) for path in paths]
    numbers = [(int(match[2] or 0), int(match[3] or 1)) for match in matches if match]
    totals = {total for _, total in numbers}
    if not numbers:
        raise PlumblineError(
            f"{place} holds no {split}-*.parquet beside the other split: get the missing files"
        )
    if len(totals) > 1 or len(numbers) != len({number for number, _ in numbers}):
        names = ", ".join(path.name for path in paths)
        raise PlumblineError(f"{place} holds {split} files of several layouts ({names}): keep one layout")
    missing = sorted(set(range(totals.pop())) - {number for number, _ in numbers})
    if missing:
        raise PlumblineError(
            f"{place} lacks {split} shards {', '.join(map(str, missing))}: get the missing files"
        )


def _binary_files(place: Path, *, spec: CifarSpec) -> DataFiles | None:
    layout = spec.binary
    names = (*layout.train, *layout.test)
    missing = [name for name in names if not (place / name).is_file()]
    if not missing:
        return DataFiles(
            "binary",
            train=tuple(place / name for name in layout.train),
            test=tuple(place / name for name in layout.test),
        )
    archive = place / layout.archive
    if archive.is_file():
        return DataFiles("archive", train=(archive,), test=(archive,))
    # train.bin alone could be anything; a folder of the official name is meant to be complete.
    if place.name == layout.folder:
        raise PlumblineError(f"{place} lacks {', '.join(missing)}: get the missing files")
    return None


def _expectation() -> str:
    return (
        "expected train-*.parquet and test-*.parquet of the Hugging Face mirror, or the official archive "
        f"({' or '.join(spec.binary.archive for spec in CIFARS.values())}) or its .bin files"
    )


def _nothing_found(path: Path, *, name: str = "no known data set") -> str:
    what = name if name.startswith("no ") else f"no {name}"
    pickles = [pickle for pickle in _PICKLES if (path / pickle).exists()]
    hint = f"; {pickles[0]} is Python pickle, which can run code and is not read" if pickles else ""
    return f"{path} holds {what}: {_expectation()}{hint}"
