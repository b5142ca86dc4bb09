"""A training that has to share its cores counts the wait and says so, once."""

from __future__ import annotations

import os
import subprocess
import sys
from time import process_time

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from plumbline.records import TimingPart
from plumbline.training.cores import CoreSeconds, TellCrowding, core_seconds, crowding
from trainers import quiet_trainer
from training.runs import Listens


@pytest.mark.skipif(core_seconds() is None, reason="this system does not count how long threads wait")
def test_waiting_is_what_another_program_took_of_the_core() -> None:
    """Beside a busy process on the same core each waits as long as it computes: about half of the time."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        before, end = core_seconds(), process_time() + 0.7
        while process_time() < end:
            pass
        after = core_seconds()
    finally:
        other.kill()
        other.wait()
        os.sched_setaffinity(0, cores)
    assert before is not None
    assert after is not None
    assert after.since(before).waiting_share > 0.2


def test_only_a_long_wait_of_several_threads_is_spoken_of() -> None:
    """The advice is for threads that wait for each other; it gives each of two trainings half of them."""
    much, little = CoreSeconds(used=10.0, waited=9.0), CoreSeconds(used=10.0, waited=0.3)
    assert crowding(little, threads=4) is None
    assert crowding(much, threads=1) is None
    words = crowding(much, threads=4) or ""
    assert "the 4 threads of this training waited 47% of their time" in words
    assert "OMP_NUM_THREADS=2" in words


class _Quick(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        loss: Tensor = self.layer(batch[0]).mean()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize(("waits", "told"), [((0, 0, 5, 9, 14), 1), ((0, 0, 0, 0, 0), 0), ((None,) * 5, 0)])
def test_it_is_said_once(monkeypatch: pytest.MonkeyPatch, waits: tuple[int | None, ...], told: int) -> None:
    """The first long wait is told and no later one; where nothing is counted nothing is said."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    counted = (None if wait is None else CoreSeconds(float(n), float(wait)) for n, wait in enumerate(waits))
    listener = Listens()
    trainer = quiet_trainer(
        max_steps=4, callbacks=[TellCrowding(listener, window_seconds=0.0, read=lambda: next(counted))]
    )
    trainer.fit(_Quick(), DataLoader(TensorDataset(torch.ones(4, 1))))
    assert len(listener.said) == told


def test_a_record_without_counts_has_no_share() -> None:
    """Records from before, and those of systems that do not count, say nothing instead of zero."""
    assert TimingPart().waiting_share is None
    assert TimingPart(core_seconds=3.0, waiting_seconds=1.0).waiting_share == 0.25
