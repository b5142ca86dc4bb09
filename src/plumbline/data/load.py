"""Get a data set by name: from a folder, from the cache, or from a mirror."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from plumbline.data.cache import cache_folder
from plumbline.data.catalog import CIFARS, check_name
from plumbline.data.folders import DataFiles, check_folder, find_files, require_files
from plumbline.data.read import read_files
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from plumbline.data.catalog import CifarSpec, Mirror
    from plumbline.data.images import Dataset
    from plumbline.progress import Progress

Result = TypeVar("Result")


class DataUnavailable(PlumblineError):  # noqa: N818  # what it says is the state of the data, not a fault of code
    """No source had the data set; `attempts` holds one short line for each thing tried and why it failed."""

    def __init__(self, name: str, *, attempts: tuple[str, ...]) -> None:
        self.name = name
        self.attempts = attempts
        super().__init__(
            f"{name} cannot be had: {'; '.join(attempts)}. Put its files into a folder and name that with "
            "--data PATH or the environment variable PLUMBLINE_DATA"
        )


@dataclass(frozen=True)
class LocatedFiles:
    """The files of a data set on this machine, and in words where they are from."""

    files: DataFiles
    source: str


def load_dataset(
    name: str, *, data_dir: Path | None = None, download: bool = True, progress: Progress = SILENT
) -> Dataset:
    """Load a data set of `DATASETS` in canonical order, its content checked.

    Looks in `data_dir` and nowhere else if that is given; else in the folder $PLUMBLINE_DATA, the cache, and,
    if `download` allows it, at the mirrors, whose files are then kept in the cache. Raises `PlumblineError`
    for an unknown name and for a given folder (either way) that is missing or damaged, `DataUnavailable`
    where nothing had it.
    """
    if check_name(name) == "digits":
        from plumbline.data.digits import load_digits

        return load_digits()
    return load_cifar(CIFARS[name], data_dir=data_dir, download=download, progress=progress)


def load_cifar(
    spec: CifarSpec, *, data_dir: Path | None = None, download: bool = True, progress: Progress = SILENT
) -> Dataset:
    """Load the data set that `spec` describes; see `load_dataset`."""

    def read(located: LocatedFiles) -> Dataset:
        return read_files(located.files, spec=spec, source=located.source, progress=progress)

    return _first_that_works(read, spec=spec, data_dir=data_dir, download=download, progress=progress)


def fetch_cifar(
    spec: CifarSpec, *, data_dir: Path | None = None, download: bool = True, progress: Progress = SILENT
) -> LocatedFiles:
    """See that the files of `spec` are on this machine, downloading them if need be; read no image.

    Looks where `load_dataset` looks, and raises what it raises for files that are missing.
    """
    return _first_that_works(
        lambda located: located, spec=spec, data_dir=data_dir, download=download, progress=progress
    )


def _first_that_works(
    use: Callable[[LocatedFiles], Result],
    *,
    spec: CifarSpec,
    data_dir: Path | None,
    download: bool,
    progress: Progress,
) -> Result:
    attempts: list[str] = []
    if located := _given_copy(spec, data_dir=data_dir, attempts=attempts):
        return use(located)
    try:
        if located := _cached_copy(spec, attempts=attempts):
            return use(located)
    except PlumblineError as error:
        attempts.append(f"cache: {error}")
    for mirror in _mirrors(spec, download=download, attempts=attempts):
        try:
            return use(_fetch_mirror(mirror, spec=spec, progress=progress))
        except PlumblineError as error:
            attempts.append(f"{mirror.title}: {error}")
    raise DataUnavailable(spec.name, attempts=tuple(attempts))


def _given_copy(spec: CifarSpec, *, data_dir: Path | None, attempts: list[str]) -> LocatedFiles | None:
    if data_dir is not None:
        return LocatedFiles(require_files(Path(data_dir).expanduser(), spec=spec), source=str(data_dir))
    given = os.environ.get("PLUMBLINE_DATA")
    if not given:
        return None
    folder = Path(given).expanduser()
    try:
        check_folder(folder)
        files = find_files(folder, spec=spec)
    except PlumblineError as error:
        raise PlumblineError(f"PLUMBLINE_DATA: {error}") from error
    if files is None:
        attempts.append(f"PLUMBLINE_DATA: {folder} holds no {spec.name}")
        return None
    return LocatedFiles(files, source=f"PLUMBLINE_DATA ({folder})")


def _cached_copy(spec: CifarSpec, *, attempts: list[str]) -> LocatedFiles | None:
    folder = cache_folder() / spec.name
    files = find_files(folder, spec=spec)
    if files is None:
        attempts.append(f"cache: nothing in {folder}")
        return None
    return LocatedFiles(files, source=f"cache ({folder})")


def _mirrors(spec: CifarSpec, *, download: bool, attempts: list[str]) -> tuple[Mirror, ...]:
    if download:
        return spec.mirrors
    attempts.append("mirrors: downloads were not allowed")
    return ()


def _fetch_mirror(mirror: Mirror, *, spec: CifarSpec, progress: Progress) -> LocatedFiles:
    from plumbline.data.download import fetch_file

    folder = cache_folder() / spec.name / mirror.folder
    for file in mirror.files:
        fetch_file(file.url, target=folder / file.name, size=file.size, sha256=file.sha256, progress=progress)
    return LocatedFiles(require_files(folder, spec=spec), source=f"{mirror.title} ({mirror.files[0].url})")
