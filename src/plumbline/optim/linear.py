"""Rates that fall in a line: a pure function of the step, and the thin scheduler that applies it."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from plumbline.errors import PlumblineError
from plumbline.optim.scheduler import StepScheduler


def linear_decay(
    step: int, *, total_steps: int, decay_fraction: float = 1.0, final_fraction: float = 0.0
) -> float:
    """Give the factor on the first rate in one step: 1 at step 0, then down in a line.

    Args:
        step: optimizer steps done before this one, from 0.
        total_steps: optimizer steps of the whole training.
        decay_fraction: part of the training at whose end the line ends, above 0 and at most 1.
        final_fraction: the factor there, and in all steps after it, at least 0 and below 1.

    Raises:
        PlumblineError: a total below 1, a negative step, or a fraction outside its range.

    >>> [linear_decay(step, total_steps=4) for step in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    >>> [linear_decay(step, total_steps=4, decay_fraction=0.5, final_fraction=0.25) for step in range(4)]
    [1.0, 0.625, 0.25, 0.25]

    """
    if total_steps < 1:
        raise PlumblineError(
            f"total_steps: expected at least 1 step in the linear schedule, got {total_steps}. "
            "Train for at least one epoch on at least one batch."
        )
    if step < 0:
        raise PlumblineError(f"step: expected 0 or more, got {step}. Count optimizer steps from 0.")
    if not 0 < decay_fraction <= 1:
        raise PlumblineError(
            f"decay_fraction: expected above 0 and at most 1, got {decay_fraction}. "
            "Use 1 for a line over all steps."
        )
    if not 0 <= final_fraction < 1:
        raise PlumblineError(
            f"final_fraction: expected at least 0 and below 1, got {final_fraction}. Use 0 to end at rest."
        )
    end = decay_fraction * total_steps
    return final_fraction if step >= end else 1 - (1 - final_fraction) * step / end


class LinearDecay(StepScheduler):
    """Scale the rate of every parameter group by `linear_decay`, once for each optimizer step.

    A group may hold `"ends_at_fraction": f`, between 0 and 1: its rate falls to zero at `f * total_steps`
    instead. From there on its parameters take no gradient (`requires_grad` is False and `grad` is None), so
    that the backward pass leaves them out; before, they do, whatever was set. With 0 they are never trained.
    Without `freeze` they keep their gradient and get a rate of zero: DistributedDataParallel waits for the
    gradient of every parameter that had one when it was set up.
    In Lightning return it from `configure_optimizers` with `"interval": "step"`.

    Raises:
        PlumblineError: a setting that `linear_decay` refuses, an `ends_at_fraction` outside its range, or a
            checkpoint of another schedule.

    """

    kind = "linear"

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        total_steps: int,
        decay_fraction: float = 1.0,
        final_fraction: float = 0.0,
        freeze: bool = True,
    ) -> None:
        self.total_steps = total_steps
        self._freeze = freeze
        self.settings = {"decay_fraction": decay_fraction, "final_fraction": final_fraction}
        # Kept here, because an optimizer that reads a checkpoint takes over the checkpoint's groups.
        self.ends: list[float | None] = [g.get("ends_at_fraction") for g in optimizer.param_groups]
        for end in self.ends:
            if end is not None and not 0 <= end <= 1:
                raise PlumblineError(
                    f"ends_at_fraction: expected 0 to 1, got {end}. Leave it out to train to the end."
                )
        super().__init__(optimizer)

    def factors(self) -> list[float]:
        """Give the factor on the first rate of every parameter group in the next optimizer step."""
        shared = linear_decay(self.last_epoch, total_steps=self.total_steps, **self.settings)
        return [shared if end is None else self._factor_before(end) for end in self.ends]

    def _factor_before(self, end: float) -> float:
        if self._is_over(end):
            return 0.0
        return linear_decay(self.last_epoch, total_steps=self.total_steps, decay_fraction=end)

    def _is_over(self, end: float) -> bool:
        return self.last_epoch >= end * self.total_steps

    def get_lr(self) -> list[float | Any]:
        """Give the rate of every parameter group."""
        return [rate * factor for rate, factor in zip(self.base_lrs, self.factors(), strict=True)]

    def _apply(self) -> None:
        self._last_lr = self.get_lr()
        for group, rate, end in zip(self.optimizer.param_groups, self._last_lr, self.ends, strict=True):
            group["lr"] = rate
            if end is None or not self._freeze:
                continue
            for parameter in group["params"]:
                parameter.requires_grad_(not self._is_over(end))
                if self._is_over(end):
                    parameter.grad = None

    def _settings(self) -> dict[str, Any]:
        return {
            "total_steps": self.total_steps,
            **self.settings,
            "rates": [float(rate) for rate in self.base_lrs],
            "ends": list(self.ends),
        }
