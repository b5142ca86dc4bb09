"""What the schedules share: one position, moved once for each optimizer step, and a checkpoint that fits."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch.optim.lr_scheduler import LRScheduler

from plumbline.errors import PlumblineError


class StepScheduler(LRScheduler):
    """A schedule that is a function of the step alone; `kind` is its name in errors."""

    kind = "step"

    @abstractmethod
    def _apply(self) -> None:
        """Set what the next optimizer step will use in every parameter group, and `_last_lr`."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """Give, in plain numbers, what a checkpoint must have been written with."""

    def step(self, epoch: int | None = None) -> None:
        """Move on by one optimizer step, or to step `epoch`.

        torch's own method is not called: it warns where a gradient scaler has left out the first step.
        """
        self._step_count += 1
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """Give the position and the settings, in plain numbers."""
        return {"step": self.last_epoch, **self._settings()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the position of a checkpoint, which must be of the same schedule."""
        mine = self.state_dict()
        if missing := mine.keys() - state_dict.keys():
            raise PlumblineError(
                f"The checkpoint's schedule is not {self.kind}: it has no {', '.join(sorted(missing))}. "
                "Resume with the schedule it was written with, or start a new run."
            )
        for name, saved in state_dict.items():
            if name != "step" and mine.get(name) != saved:
                raise PlumblineError(
                    f"{name}: this {self.kind} schedule has {mine.get(name)}, the checkpoint was written "
                    f"with {saved}. Resume with the same epochs, batch size and rates, or start a new run."
                )
        self.last_epoch = int(state_dict["step"])
        self._apply()
