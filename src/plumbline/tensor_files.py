"""Checkpoint files that are whole or not there, and that cannot run code when read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from plumbline.durable import replacing
from plumbline.errors import PlumblineError


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
