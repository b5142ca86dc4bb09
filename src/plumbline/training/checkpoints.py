"""Checkpoint files that are whole or not there, and that cannot run code when read."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from plumbline.durable import replacing
from plumbline.errors import PlumblineError


@dataclass(frozen=True)
class Found:
    """A checkpoint that was read whole, and what was wrong with newer ones."""

    path: Path
    content: dict[str, Any]
    damaged: tuple[str, ...]


def write_checkpoint(content: dict[str, Any], *, path: Path, previous: Path | None = None) -> None:
    """Write beside `path`, flush, rename: at every instant the old or the new file is there, whole.

    The old file goes to `previous` if that is given. Lightning stages in TMPDIR and copies, so a full disk
    can destroy the old file (lightning 2.6.6, seen).
    Raises PlumblineError if the folder cannot be written; the old file is then as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, previous=previous) as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise PlumblineError(
            f"The checkpoint {path} cannot be written: {error}. The one before is kept."
        ) from error


def read_checkpoint(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:  # noqa: ANN401
    """Read a checkpoint: plain values and tensors only, each member's CRC checked.

    `torch.load` checks no CRC, so a flipped byte would load as wrong weights (torch 2.13, seen). Raises
    PlumblineError if the file is missing, damaged, or holds anything but plain values and tensors.
    """
    if not path.is_file():
        raise PlumblineError(f"There is no checkpoint {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        raise PlumblineError(f"The checkpoint {path} is damaged or is no checkpoint: {error}.") from error
    if damaged is not None:
        raise PlumblineError(f"The checkpoint {path} is damaged: the check sum of {damaged} is wrong.")
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # torch names no class for what it refuses
        raise PlumblineError(f"The checkpoint {path} was refused: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise PlumblineError(f"The checkpoint {path} holds {type(content).__name__}, expected a dictionary.")
    return content


def newest_checkpoint(paths: Sequence[Path]) -> Found | None:
    """Read the first of `paths`, newest first, that is whole; None if none of them is there.

    Raises PlumblineError if some are there and all are damaged.
    """
    damaged: list[str] = []
    for path in paths:
        if path.is_file():
            try:
                return Found(path, content=read_checkpoint(path), damaged=tuple(damaged))
            except PlumblineError as error:
                damaged.append(str(error))
    if damaged:
        raise PlumblineError(" ".join([*damaged, "No other is left: start a new run with another --out."]))
    return None


class DurableCheckpointIO(CheckpointIO):
    """These functions in the form that `lightning.Trainer(plugins=[…])` takes; two files are kept."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,  # noqa: ANN401, ARG002
    ) -> None:
        """Write `checkpoint` to `path`, whole or not at all; the file before it becomes `previous.ckpt`."""
        write_checkpoint(checkpoint, path=Path(path), previous=Path(path).with_name("previous.ckpt"))

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,  # noqa: ANN401
        weights_only: bool | None = None,  # noqa: ARG002, FBT001
    ) -> dict[str, Any]:
        """Read the checkpoint at `path`; code in it is refused whatever `weights_only` says."""
        return read_checkpoint(Path(path), map_location=map_location)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove the file at `path`."""
        Path(path).unlink(missing_ok=True)
