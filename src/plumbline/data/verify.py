"""Say what is on disk of a data set, and whether it is what it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from plumbline.data.catalog import CIFARS, check_name
from plumbline.data.load import fetch_cifar, load_dataset
from plumbline.data.read import file_sha256, read_files
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from pathlib import Path

    from plumbline.data.catalog import CifarSpec
    from plumbline.data.images import Dataset
    from plumbline.progress import Progress

# "published": bytes as the publisher offers them; "listed": as the SHA256SUMS beside the file says;
# "unlisted": neither is known of, so that the content decides.
FileState = Literal["published", "listed", "unlisted"]


@dataclass(frozen=True)
class FileReport:
    """One file: where, bytes, sha256 and what is known of it."""

    path: Path
    size: int
    sha256: str
    state: FileState


@dataclass(frozen=True)
class DataReport:
    """A data set that was read whole and found good.

    `per_class` maps each class name to its number of (training, test) images; `files` is empty for a data set
    that is built in.
    """

    name: str
    source: str
    files: tuple[FileReport, ...]
    train_count: int
    test_count: int
    per_class: dict[str, tuple[int, int]]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fingerprint: str


def fetch_dataset(
    name: str, *, data_dir: Path | None = None, progress: Progress = SILENT
) -> tuple[FileReport, ...]:
    """See that a data set's files are on this machine, downloading them if need be, and say which they are.

    Raises `PlumblineError` for an unknown name and what `load_dataset` raises.
    """
    if check_name(name) not in CIFARS:
        return ()
    spec = CIFARS[name]
    return report_files(fetch_cifar(spec, data_dir=data_dir, progress=progress).files.all, spec=spec)


def verify_dataset(name: str, *, data_dir: Path | None = None, progress: Progress = SILENT) -> DataReport:
    """Hash every file, read every image and count; nothing is downloaded.

    Raises `PlumblineError` where a file is missing or damaged or anything is not as it must be.
    """
    if check_name(name) not in CIFARS:
        return describe_dataset(load_dataset(name))
    spec = CIFARS[name]
    located = fetch_cifar(spec, data_dir=data_dir, download=False)
    files = report_files(located.files.all, spec=spec)
    dataset = read_files(located.files, spec=spec, source=located.source, progress=progress)
    return describe_dataset(dataset, files=files)


def describe_dataset(dataset: Dataset, *, files: tuple[FileReport, ...] = ()) -> DataReport:
    """Count what a loaded data set holds."""
    counts = [
        torch.bincount(split.labels, minlength=len(dataset.classes)).tolist()
        for split in (dataset.train, dataset.test)
    ]
    return DataReport(
        name=dataset.name,
        source=dataset.source,
        files=files,
        train_count=len(dataset.train),
        test_count=len(dataset.test),
        per_class=dict(zip(dataset.classes, zip(*counts, strict=True), strict=True)),
        mean=dataset.mean,
        std=dataset.std,
        fingerprint=dataset.fingerprint,
    )


def report_files(paths: tuple[Path, ...], *, spec: CifarSpec) -> tuple[FileReport, ...]:
    """Hash `paths`; raise `PlumblineError` for one that differs from what the SHA256SUMS beside it says."""
    return tuple(_report_file(path, spec=spec) for path in paths)


def _report_file(path: Path, *, spec: CifarSpec) -> FileReport:
    found = file_sha256(path)
    listed = _listed_sums(path.parent).get(path.name)
    if listed not in (None, found):
        raise PlumblineError(
            f"{path} differs from its SHA256SUMS: expected {listed}, got {found}; get the file anew"
        )
    state: FileState = "published" if found in spec.published else "listed" if listed else "unlisted"
    return FileReport(path, path.stat().st_size, found, state)


def _listed_sums(folder: Path) -> dict[str, str]:
    sums = folder / "SHA256SUMS"
    if not sums.is_file():
        return {}
    pairs = (line.split(maxsplit=1) for line in sums.read_text(encoding="utf-8").splitlines() if line.strip())
    return {pair[1].lstrip("*"): pair[0] for pair in pairs if len(pair) == 2}
