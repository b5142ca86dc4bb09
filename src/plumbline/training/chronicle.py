"""What a phase of training tells while it runs: figures, epochs, a progress bar, one line an epoch."""

from __future__ import annotations

from contextlib import ExitStack
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from plumbline.records import EpochPart, PhaseName
from plumbline.training.classifier import LOOK_EVERY_SECONDS, ImageClassifier, logs_at

if TYPE_CHECKING:
    from torch import Tensor

    from plumbline.progress import Progress, Task
    from plumbline.training.figures import Figures
    from plumbline.training.journal import Journal

_STEP_FIGURES = ("train/loss", "train/accuracy", "train/rate")


class Chronicle(Callback):
    """Tells journal, figures and watcher what happens.

    It stands before `KeepLast` among the callbacks: what a checkpoint has behind it is on disk first.
    """

    def __init__(
        self, journal: Journal, *, figures: Figures, phase: PhaseName, epochs: int, progress: Progress
    ) -> None:
        self._journal, self._figures = journal, figures
        self._phase, self._epochs, self._progress = phase, epochs, progress
        self._open = ExitStack()
        self._task: Task | None = None
        self._epoch_began = 0.0
        self._seconds_before = 0.0  # of the epoch that is gone on with
        self._unread: dict[int, Tensor] = {}
        self._read_at = -inf

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Open the bar at the step where training starts or goes on."""
        total = int(trainer.num_training_batches) * self._epochs
        bar = self._progress.task(self._phase, total=total, unit="steps", done=trainer.global_step)
        self._task = self._open.enter_context(bar)
        self._open.callback(self._figures.close)
        self._epoch_began = perf_counter() - self._seconds_before

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ANN401, ARG002
        """Move the bar on, and keep the step's figures at the logging interval, to be read a little later."""
        assert self._task is not None  # noqa: S101
        if logs_at(trainer, step=trainer.global_step):
            figures = [trainer.callback_metrics[name] for name in _STEP_FIGURES]
            self._unread[trainer.global_step] = torch.stack(figures)
            if perf_counter() - self._read_at >= LOOK_EVERY_SECONDS:
                self._write_steps()
        self._task.advance()

    def _write_steps(self) -> None:
        """Write the figures of the steps since the last time."""
        steps, self._unread = self._unread, {}
        if not steps:
            return
        for step, values in zip(steps, torch.stack(list(steps.values())).tolist(), strict=True):
            self._figures.write(dict(zip(_STEP_FIGURES, values, strict=True)), step=step)
        if self._task is not None:
            self._task.note(f"loss {values[0]:.3f}")
        self._read_at = perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch down."""
        assert isinstance(pl_module, ImageClassifier)  # noqa: S101
        self._write_steps()
        train = pl_module.means("train")  # the module logs them only after its callbacks were called
        logged = trainer.callback_metrics
        validation = {name: float(logged[f"val/{name}"]) for name in train if f"val/{name}" in logged}
        epoch = EpochPart(
            phase=self._phase,
            epoch=trainer.current_epoch,
            train_loss=train["loss"],
            train_accuracy=train["accuracy"],
            validation_loss=validation.get("loss"),
            validation_accuracy=validation.get("accuracy"),
            rate=float(trainer.optimizers[0].param_groups[0]["lr"]),
            seconds=perf_counter() - self._epoch_began,
        )
        self._epoch_began = perf_counter()
        figures = {f"train/{name}_epoch": value for name, value in train.items()}
        figures |= {f"val/{name}": value for name, value in validation.items()}
        self._figures.write(figures, step=trainer.global_step)
        self._journal.add_epoch(epoch)
        told = {"train": train} | ({"validation": validation} if validation else {})
        words = [f"{name} loss {it['loss']:.4f}, accuracy {it['accuracy']:.2%}" for name, it in told.items()]
        head = f"{self._phase} {epoch.epoch + 1}/{self._epochs}"
        self._progress.say("  ".join([head, *words, f"{epoch.seconds:.1f} s"]))

    def on_save_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Bring the figures to disk before the checkpoint that has them behind it; keep the epoch's clock."""
        self._write_steps()
        self._figures.flush()
        checkpoint["plumbline_epoch_seconds"] = perf_counter() - self._epoch_began

    def on_load_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Go on with that clock."""
        self._seconds_before = checkpoint.get("plumbline_epoch_seconds", 0.0)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Close the bar and the figures."""
        self._open.close()

    def on_exception(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Close the bar and the figures."""
        self._open.close()
