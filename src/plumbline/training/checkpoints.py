"""The checkpoints of a run: the newest that is whole is gone on from, and two are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from plumbline.errors import PlumblineError
from plumbline.tensor_files import read_checkpoint, write_checkpoint


@dataclass(frozen=True)
class Found:
    """A checkpoint that was read whole, and what was wrong with newer ones."""

    path: Path
    content: dict[str, Any]
    damaged: tuple[str, ...]


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
