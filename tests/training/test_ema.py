"""A moving average is what its definition says, is taken at the right steps, and survives a checkpoint."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.training.ema import EmaAverager, ema_update
from training.stepped import take_steps


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_weights_are_taken_in_at_their_steps_with_their_weight() -> None:
    """From step 4 on every second one: 4, then 6 and 8, each moving the average by a half."""
    averager = EmaAverager(half_life_steps=2, every_steps=2, start_step=4)
    module = take_steps(averager, batches=9)
    assert averager.averaged(module).layer.weight.item() == ((4 + 6) / 2 + 8) / 2
    assert module.layer.weight.item() == 9


def test_what_was_taken_in_counts_half_after_its_half_life() -> None:
    """The weight of the first value after one half-life is one half, however often values are taken in."""
    for every in (1, 2, 4):
        decay = EmaAverager(half_life_steps=8, every_steps=every).decay
        assert decay ** (8 / every) == pytest.approx(0.5)


def test_statistics_are_averaged_and_whole_numbers_are_the_newest() -> None:
    """BatchNorm's mean is averaged, its count of batches is not."""
    average = {"mean": torch.tensor([2.0]), "count": torch.tensor(3)}
    ema_update(average, weights={"mean": torch.tensor([4.0]), "count": torch.tensor(8)}, decay=0.5)
    assert (average["mean"].item(), average["count"].item()) == (3.0, 8)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_the_state_carries_the_average_on() -> None:
    """A second averager that loads the state of the first gives the same average."""
    averager = EmaAverager(half_life_steps=2)
    module = take_steps(averager, batches=3)
    other = EmaAverager(half_life_steps=2)
    other.load_state_dict(averager.state_dict())
    assert torch.equal(other.averaged(module).layer.weight, averager.averaged(module).layer.weight)


def test_an_average_of_nothing_is_refused() -> None:
    """Training that ended before the start says so, and so does a setting that cannot be."""
    with pytest.raises(PlumblineError, match="before step 7"):
        EmaAverager(half_life_steps=1, start_step=7).averaged(nn.Linear(1, 1))
    with pytest.raises(PlumblineError, match="half_life_steps above 0"):
        EmaAverager(half_life_steps=0)
