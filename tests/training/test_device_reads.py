"""Within an epoch no step waits for a value from the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from plumbline.data import Dataset
from plumbline.recipes import NAMED, Recipe, apply_settings
from plumbline.records import create_run_folder, read_record
from plumbline.training import chronicle, classifier
from plumbline.training.run import Run
from training.runs import ask

READS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default}


class CountReads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that give Python a value, or a size, which a device must have computed first."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Count, and do as asked."""
        self.count += func in READS
        return func(*args, **(kwargs or {}))


def reads_of(recipe: Recipe, dataset: Dataset, folder: Path) -> tuple[int, int]:
    """Train; give the steps that were taken and the values that were read."""
    run = Run.start(ask(recipe, dataset), folder=create_run_folder(folder))
    reads, tolist = CountReads(), torch.Tensor.tolist

    def counted(tensor: torch.Tensor) -> Any:  # noqa: ANN401
        reads.count += 1
        return tolist(tensor)

    with pytest.MonkeyPatch.context() as patch, reads:
        patch.setattr(torch.Tensor, "tolist", counted)  # no operation to dispatch where it is a CPU's
        run.execute()
    return sum(phase.steps for phase in read_record(folder).phases), reads.count


@pytest.mark.parametrize("name", ["speed94", "resnet18-quick"])
def test_more_steps_an_epoch_read_no_more_values(
    few_digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Batches, either optimizer, schedules, figures, BatchNorm's refresh: all of it runs ahead of the device.

    Figures are read once a second beside, which is put out of the way here. Copies that wait for a device
    cannot be seen where there is none.
    """
    for module in (classifier, chronicle):
        monkeypatch.setattr(module, "LOOK_EVERY_SECONDS", 600.0)
    small = {"model.name": "speednet_xs", "epochs": 2, "resolution": {"train": [9, 12], "test": 12}}
    recipe = apply_settings(NAMED[name](), small)
    few, many = (apply_settings(recipe, {"batch_size": size}) for size in (30, 10))
    steps, reads = reads_of(few, few_digits, tmp_path / "few")
    more_steps, same_reads = reads_of(many, few_digits, tmp_path / "many")
    assert more_steps >= 2 * steps
    assert same_reads == reads > 0
