"""Thin hooks between the Trainer and the run: seeding, saving, stopping."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from plumbline.errors import PlumblineError, StopRequested
from plumbline.records import PhaseName
from plumbline.streams import stream_seed
from plumbline.training.checkpoints import not_finite
from plumbline.training.classifier import WHEN_DIVERGED
from plumbline.training.interrupts import agreed

if TYPE_CHECKING:
    from plumbline.training.interrupts import StopFlag


class SeedEachStep(Callback):
    """Make what layers such as dropout draw a pure function of (seed, step), so that a resume repeats it."""

    def __init__(self, seed: int, *, first_step: int) -> None:
        self._seed, self._first_step = seed, first_step

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ANN401
        """Seed torch for this step, on the CPU and where the network is.

        `torch.manual_seed` would do it for every kind of device that there might be, and note each time where
        it was called from: 0.6 ms a step (torch 2.15).
        """
        seed = stream_seed(self._seed, "layers", self._first_step + trainer.global_step)
        torch.default_generator.manual_seed(seed)
        match pl_module.device.type:
            case "cuda":
                torch.cuda.manual_seed(seed)
            case "mps":
                torch.mps.manual_seed(seed)


SAVE_EVERY_SECONDS = 300.0


class KeepLast(Callback):
    """Save `last` after every epoch, every few minutes within one, and when a stop was asked for.

    Epochs that end within `rest_seconds` of the last save are not saved, but for the last one.

    After the last batch of an epoch it waits for the epoch's end: a checkpoint from between the two makes
    Lightning leave out the epoch's validation and end when it resumes (lightning 2.6.6, seen). Weights that
    are no finite numbers are refused, so that they never take the place of good ones.
    """

    def __init__(self, path: Path, *, phase: PhaseName, stop: StopFlag, rest_seconds: float = 0.0) -> None:
        self._path, self._phase, self._stop = path, phase, stop
        self._rest_seconds = rest_seconds
        self._saved_at = perf_counter()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Be the one that signals come to."""
        self._stop.listen_again()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ANN401, ARG002
        """Save if it is time, or if the run has to stop here."""
        if trainer.is_last_batch:
            return
        due = perf_counter() - self._saved_at > SAVE_EVERY_SECONDS
        wanted = agreed(self._stop.signal_number or int(due))
        if wanted:
            self._save(trainer)
        if wanted > 1:  # signal 1 is no request to stop, so it can stand for a save that is due
            raise StopRequested(wanted)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Save what the epoch gave."""
        is_due = perf_counter() - self._saved_at >= self._rest_seconds
        is_last = trainer.current_epoch + 1 == trainer.max_epochs
        if agreed(self._stop.signal_number or int(is_due or is_last)):
            self._save(trainer)
        self._stop.raise_if_set()

    def on_save_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Say in the file which phase it belongs to."""
        checkpoint["plumbline_phase"] = self._phase

    def _save(self, trainer: Trainer) -> None:
        self._refuse_not_finite(trainer)
        trainer.save_checkpoint(self._path, weights_only=False)
        self._saved_at = perf_counter()

    def _refuse_not_finite(self, trainer: Trainer) -> None:
        broken = not_finite(trainer.lightning_module.state_dict())
        if agreed(int(bool(broken))):
            rate = float(trainer.optimizers[0].param_groups[0]["lr"])
            first = f" (first in {broken[0]})" if broken else ""
            raise PlumblineError(
                f"After step {trainer.global_step} the weights are no longer finite numbers{first}; the rate "
                f"is {rate:.3g}. They are not saved: the checkpoint before is kept. {WHEN_DIVERGED}"
            )
