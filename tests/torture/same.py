"""Whether two runs ended on the same bits, and whether what a killed run left is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from plumbline.errors import PlumblineError
from plumbline.records import RunFolder, read_record
from plumbline.records.predictions import read_predictions
from plumbline.tensor_files import read_checkpoint
from plumbline.training.checkpoints import newest_checkpoint


def broken_files(run: RunFolder, *, needs_checkpoint: bool) -> list[str]:
    """Read every file that has its final name: none may be damaged, whenever the plug was pulled."""
    found = []
    try:
        for path in run.checkpoint("last").parent.glob("*.ckpt"):
            read_checkpoint(path)
        if run.record.is_file():
            read_record(run.path)
        for split in ("validation", "test"):
            read_predictions(run, split=split)
        if needs_checkpoint and newest_checkpoint(run.resumable) is None:
            found.append("no checkpoint is left")
    except PlumblineError as error:
        found.append(str(error))
    return found


def differences(whole: RunFolder, other: RunFolder) -> list[str]:
    """Name everything that differs between two finished runs."""
    found = [
        f"{name}.ckpt at {place}"
        for name in sorted({path.stem for path in whole.checkpoint("last").parent.iterdir()} - {"previous"})
        for place in _unequal(*(_without_clock(run.checkpoint(name)) for run in (whole, other)))
    ]
    first, second = (read_record(folder.path) for folder in (whole, other))
    for part in ("epochs", "scores"):
        one, two = (
            [row.model_dump(exclude={"seconds"}) for row in getattr(record, part)]
            for record in (first, second)
        )
        if one != two:
            found.append(part)
    if whole.metrics.read_bytes() != other.metrics.read_bytes():
        found.append("metrics.csv")
    for split in ("validation", "test"):
        said = [read_predictions(folder, split=split) for folder in (whole, other)]
        if _unequal(*(it and vars(it) for it in said)):
            found.append(f"predictions of {split}")
    if not other.report.is_file():
        found.append("no report")
    names = [
        {path.relative_to(run.path) for path in run.path.rglob("*") if path.is_file()}
        for run in (whole, other)
    ]
    found += [f"left behind: {path}" for path in names[1] - names[0] if path.parts[0] != "tensorboard"]
    return found


def _without_clock(path: Path) -> dict[str, Any]:
    """Give a checkpoint without the seconds of its epoch, which no two runs share."""
    content = read_checkpoint(path)
    content.pop("plumbline_epoch_seconds", None)
    return content


def _unequal(one: Any, two: Any, *, place: str = "") -> list[str]:  # noqa: ANN401
    """Give the places where two nests of dictionaries, lists, tensors, arrays and plain values differ."""
    if type(one) is not type(two):
        return [place]
    match one:
        case dict():
            if one.keys() != two.keys():
                return [f"{place}: its names"]
            return [spot for key in one for spot in _unequal(one[key], two[key], place=f"{place}.{key}")]
        case list() | tuple():
            if len(one) != len(two):
                return [f"{place}: its length"]
            pairs = enumerate(zip(one, two, strict=True))
            return [spot for index, pair in pairs for spot in _unequal(*pair, place=f"{place}[{index}]")]
        case torch.Tensor():
            return [] if one.dtype == two.dtype and torch.equal(one, two) else [place]
        case np.ndarray():
            return [] if one.dtype == two.dtype and np.array_equal(one, two) else [place]
        case _:
            return [] if one == two else [place]
