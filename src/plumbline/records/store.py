"""Run folders on disk: made without touching what is there, written whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from plumbline.durable import replacing
from plumbline.errors import PlumblineError, harmless, printable
from plumbline.records.schema import SCHEMA_VERSION, Record

MAX_RECORD_BYTES = 50_000_000


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def record(self) -> Path:
        """`record.json`: what was asked, done and measured."""
        return self.path / "record.json"

    @property
    def recipe(self) -> Path:
        """`recipe.json`: can be given back to `plumbline fit`."""
        return self.path / "recipe.json"

    @property
    def log(self) -> Path:
        """`log.txt`: what was said, with times."""
        return self.path / "log.txt"

    @property
    def metrics(self) -> Path:
        """`metrics.csv`: every logged figure."""
        return self.path / "metrics.csv"

    @property
    def events(self) -> Path:
        """`tensorboard/`: the same figures for TensorBoard."""
        return self.path / "tensorboard"

    @property
    def report(self) -> Path:
        """`report.html`: the run as one page."""
        return self.path / "report.html"

    def checkpoint(self, name: str) -> Path:
        """`checkpoints/NAME.ckpt`; names are `last`, `previous`, `fit`, `raw` and `averaged`."""
        return self.path / "checkpoints" / f"{name}.ckpt"

    @property
    def resumable(self) -> tuple[Path, Path]:
        """The two checkpoints that a run can go on from, the newest first; either may be missing."""
        return self.checkpoint("last"), self.checkpoint("previous")


def create_run_folder(path: Path) -> RunFolder:
    """Make a run folder; a folder that exists must be empty, since nothing is ever overwritten.

    Raises PlumblineError if it is not empty, is a file, or cannot be written.
    """
    folder = RunFolder(path)
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise PlumblineError(
                f"The output folder {path} exists and is not empty; nothing was overwritten. "
                f"Give another folder with --out, or go on with the run in it with --out {path} --resume."
            )
        folder.checkpoint("last").parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise PlumblineError(
            f"The output folder {path} cannot be written: {error.strerror}. Give another with --out."
        ) from error
    return folder


def write_text(path: Path, text: str) -> None:
    """Write a file so that at every instant either the old or the new content is there, on disk."""
    with replacing(path) as file:
        file.write(text.encode())


def write_record(record: Record, *, folder: RunFolder) -> None:
    """Write `record.json` and `recipe.json`."""
    write_text(folder.record, record.model_dump_json(indent=2) + "\n")
    if not folder.recipe.exists():
        write_text(folder.recipe, record.recipe.model_dump_json(indent=2) + "\n")


def read_record(run: Path) -> Record:
    """Read the record of a run folder, or a `record.json` by its own path.

    Raises PlumblineError if the folder is no run, or its record is missing, damaged or of another version.
    """
    path = run / "record.json" if run.is_dir() else run
    if not path.is_file():
        raise PlumblineError(
            f"{run} is not a run folder: expected a record.json in it, as `plumbline fit` writes."
        )
    text = _read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlumblineError(f"{path} is damaged: it is not JSON ({error}).") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        shown = printable(str(version), limit=40)
        raise PlumblineError(f"{path} has schema version {shown}; this plumbline reads {SCHEMA_VERSION}.")
    if any(harmless(part) != part for part in _texts(content)):
        raise PlumblineError(f"{path} is not a valid record: there are control characters in its texts.")
    try:
        return Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = printable(".".join(str(part) for part in first["loc"]))
        raise PlumblineError(f"{path} is not a valid record: {place}: {printable(first['msg'])}.") from error


def _texts(content: object) -> Iterator[str]:
    left = [content]
    while left:
        part = left.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict | list):
            left.extend((*part, *part.values()) if isinstance(part, dict) else part)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size <= MAX_RECORD_BYTES:
            return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlumblineError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise PlumblineError(f"{path} is damaged: it is not JSON ({error}).") from error
    raise PlumblineError(f"{path} is larger than {MAX_RECORD_BYTES:,} bytes: that is no record.")
