"""The checkpoints of a run: the newest that is whole is gone on from, and two are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from plumbline.errors import PlumblineError
from plumbline.tensor_files import read_checkpoint, write_checkpoint


@dataclass(frozen=True)
class Found:
    """A checkpoint that was read whole, and the newer ones that were not, each with what is wrong."""

    path: Path
    content: dict[str, Any]
    damaged: Mapping[Path, str]


def newest_checkpoint(paths: Sequence[Path]) -> Found | None:
    """Read the first of `paths`, newest first, that is whole; None if none of them is there.

    Raises PlumblineError if some are there and all are damaged.
    """
    damaged: dict[Path, str] = {}
    for path in paths:
        if path.is_file():
            try:
                return Found(path, content=read_checkpoint(path), damaged=damaged)
            except PlumblineError as error:
                damaged[path] = str(error)
    if damaged:
        last_words = "No other is left: start a new run with another --out."
        raise PlumblineError(" ".join([*damaged.values(), last_words]))
    return None


def set_aside(paths: Iterable[Path]) -> None:
    """Rename damaged checkpoints to `NAME.damaged`.

    The next save would otherwise put the damaged one in the place of the whole one that is gone on from.
    """
    for path in paths:
        path.replace(path.with_suffix(".damaged"))


def not_finite(weights: Mapping[str, Tensor]) -> list[str]:
    """Name the tensors with a value that is infinite or not a number.

    >>> not_finite({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")]), "steps": torch.tensor(3)})
    ['b']
    """
    floating = {name: tensor for name, tensor in weights.items() if tensor.is_floating_point()}
    if not floating:
        return []
    finite = torch.stack([tensor.isfinite().all() for tensor in floating.values()]).tolist()
    return [name for name, is_finite in zip(floating, finite, strict=True) if not is_finite]


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
