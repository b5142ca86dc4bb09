"""Tell before training whether what a run writes fits on the disk."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from torch import nn

from plumbline.errors import PlumblineError

_RESUMABLE = 3  # the newest two, and the next one on its way to disk
_WEIGHTS_FILES = 3  # fit, raw and averaged
_TEXTS = 16_000_000  # record, figures, events, log and page


def disk_need(model: nn.Module, *, is_averaged: bool, images: int, classes: int) -> int:
    """Give the bytes that a run writes at most: checkpoints, weights, and predictions of `images` images.

    A checkpoint to go on from holds the weights, the optimizer's momentum and, if there is one, the average.

    >>> disk_need(nn.Linear(999_999, 1), is_averaged=False, images=0, classes=10) - _TEXTS
    36000000
    """
    weights: int = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    in_each = 3 if is_averaged else 2
    return weights * (_RESUMABLE * in_each + _WEIGHTS_FILES) + images * (4 * classes + 16) + _TEXTS


def check_disk(need: int, *, folder: Path) -> None:
    """Raise PlumblineError if `need` bytes do not fit where `folder` is; what it holds counts as room.

    Quotas, and what others write meanwhile, cannot be known.
    """
    room = shutil.disk_usage(folder).free
    room += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if need > room:
        raise PlumblineError(
            f"The run needs up to {need / 1e9:.2f} GB in {folder}, and {room / 1e9:.2f} GB are free there. "
            f"Free some and go on with --out {shlex.quote(str(folder))} --resume, or give a folder on another"
            " disk with --out."
        )
