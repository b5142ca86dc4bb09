"""A step is told of once, whether one batch makes it or several."""

from __future__ import annotations

import pytest
from lightning.pytorch import LightningModule, Trainer

from plumbline.training.stepping import StepCallback
from training.stepped import take_steps


class Listens(StepCallback):
    """Remembers the steps that it was told of."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def after_step(self, trainer: Trainer, module: LightningModule) -> None:  # noqa: ARG002
        """Remember a step."""
        self.steps.append(trainer.global_step)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize(("batches_a_step", "steps"), [(1, 5), (2, 3)])
def test_a_step_of_several_batches_is_one(batches_a_step: int, steps: int) -> None:
    """Five batches are five steps, or three where two are gathered for one: the last stands alone."""
    listener = Listens()
    take_steps(listener, batches=5, batches_a_step=batches_a_step)
    assert listener.steps == list(range(1, steps + 1))
