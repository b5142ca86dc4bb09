"""Read a data set's files, whatever their form, and check that they hold what they must."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from plumbline.data.content import assemble, check_split, join_splits
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from plumbline.data.catalog import CifarSpec
    from plumbline.data.content import RawSplit
    from plumbline.data.folders import DataFiles
    from plumbline.data.images import Dataset
    from plumbline.progress import Progress


def file_sha256(path: Path) -> str:
    """Give the sha256 of a file's bytes, in hexadecimal."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise PlumblineError(f"{path} cannot be read: {error.strerror or error}") from error


def read_files(files: DataFiles, *, spec: CifarSpec, source: str, progress: Progress = SILENT) -> Dataset:
    """Read both splits and give the data set in canonical order.

    Raises `PlumblineError` where a file is damaged, a count or a label is wrong, or the content is not that
    of `spec`.
    """
    if spec.fingerprint is None:
        _require_published(files, spec=spec)
    train, test = _read_splits(files, spec=spec, progress=progress)
    for split, raw, count in (("training", train, spec.train_count), ("test", test, spec.test_count)):
        try:
            check_split(raw, split=split, count=count, classes=len(spec.classes))
        except PlumblineError as error:
            raise PlumblineError(f"{source} does not hold {spec.name}: {error}; get the data anew") from error
    return assemble(
        spec.name, classes=spec.classes, train=train, test=test, source=source, fingerprint=spec.fingerprint
    )


def _read_splits(files: DataFiles, *, spec: CifarSpec, progress: Progress) -> tuple[RawSplit, RawSplit]:
    if files.form == "parquet":
        train = _read_shards(files.train, spec=spec, progress=progress)
        return train, _read_shards(files.test, spec=spec, progress=progress)
    from plumbline.data.binary import read_archive, read_binary

    layout = spec.binary
    if files.form == "binary":
        label_bytes = layout.label_bytes
        return read_binary(files.train, label_bytes=label_bytes), read_binary(
            files.test, label_bytes=label_bytes
        )
    counts = {name: spec.train_count // len(layout.train) for name in layout.train}
    counts |= {name: spec.test_count // len(layout.test) for name in layout.test}
    parts = read_archive(files.train[0], layout=layout, counts=counts)
    return join_splits([parts[name] for name in layout.train]), join_splits(
        [parts[name] for name in layout.test]
    )


def _read_shards(paths: Sequence[Path], *, spec: CifarSpec, progress: Progress) -> RawSplit:
    from plumbline.data.parquet import read_parquet

    return join_splits(
        [read_parquet(path, label_column=spec.label_column, progress=progress) for path in paths]
    )


def _require_published(files: DataFiles, *, spec: CifarSpec) -> None:
    # Without a known content hash, the publisher's hash of the file is the only proof of what is in it.
    for path in files.all:
        if file_sha256(path) not in spec.published:
            accepted = ", ".join(file.name for file in spec.published.values())
            raise PlumblineError(
                f"{path} is not a published file of {spec.name}, or is damaged: expected one of {accepted} "
                "with its published sha256; get the file anew"
            )
