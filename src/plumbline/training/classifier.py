"""The Lightning module: a network, its loss, its figures. Usable with any `lightning.Trainer`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from time import perf_counter
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from plumbline.data.placement import onto
from plumbline.errors import PlumblineError
from plumbline.models import create_model
from plumbline.optim import OptimizerFactory, SgdOneCycle

Stage = Literal["train", "val", "test"]

# Reading a figure waits for the device, so no more often than this is one read within an epoch.
LOOK_EVERY_SECONDS = 1.0
WHEN_DIVERGED = (
    "The same run resumed would do the same: begin another with a smaller rate (`plumbline recipes NAME` "
    "shows them, --set changes them) or with --precision fp32."
)


@dataclass
class Totals:
    """Sums over the images of one pass; they stay on the device, so that no step waits for a figure."""

    loss: Tensor
    correct: Tensor
    count: int = 0

    @classmethod
    def zero(cls, device: torch.device) -> Totals:
        """Start a pass. The loss is summed in float64 where the device has it (Apple's MPS has not)."""
        wide = torch.float32 if device.type == "mps" else torch.float64
        return cls(
            torch.zeros((), dtype=wide, device=device), torch.zeros((), dtype=torch.int64, device=device)
        )

    def add(self, logits: Tensor, labels: Tensor, *, mean_loss: Tensor) -> None:
        """Take in one batch: logits (N, C), labels (N,), and the mean of their losses."""
        self.loss += mean_loss.detach() * len(labels)
        self.correct += (logits.detach().argmax(1) == labels).sum()
        self.count += len(labels)

    def over_processes(self, trainer: Trainer) -> Totals:
        """Give the sums over all processes of a run; every one of them has to ask."""
        if trainer.world_size == 1:
            return self
        sums = torch.stack([self.loss, self.correct.to(self.loss), torch.full_like(self.loss, self.count)])
        loss, correct, count = trainer.strategy.reduce(sums, reduce_op="sum").unbind()
        return Totals(loss, correct.to(torch.int64), int(count))

    def means(self) -> dict[str, Tensor]:
        """Give loss and accuracy per image."""
        return {"loss": self.loss / self.count, "accuracy": self.correct / self.count}


def logs_at(trainer: Trainer, *, step: int) -> bool:
    """Tell whether the Trainer logs the figures of this step, counted from 1."""
    every: int = getattr(trainer, "log_every_n_steps", 0)  # set at run time, so not in the class
    return every > 0 and step % every == 0


def count_steps(trainer: Trainer) -> int:
    """Give the optimizer steps of the fit that a Trainer is setting up.

    Counting makes Lightning set up the training loader too early: before it has read from the checkpoint
    where a stateful loader stood, and it does not look again (Lightning #20550, seen in 2.6.6). So where a
    fit is resumed, the loader is forgotten after the count, to be set up anew at its proper time.
    """
    steps = trainer.estimated_stepping_batches
    if steps == float("inf") or steps < 0:
        raise PlumblineError(
            "The number of training steps is not known, and the schedule needs it: give max_epochs or "
            "max_steps to the Trainer (max_steps where the loader has no length), or total_steps to "
            "ImageClassifier."
        )
    if trainer.ckpt_path is not None:
        trainer.fit_loop._combined_loader = None  # noqa: SLF001  (there is no public way)
    return int(steps)


class ImageClassifier(LightningModule):
    """Train, validate and test a network on batches of (images (N, 3, H, W), labels (N,)).

    It logs `train/loss`, `train/accuracy` and `train/rate` at the Trainer's logging interval; means over the
    epoch's training images as `train/loss_epoch` and `train/accuracy_epoch`; `val/loss`, `val/accuracy`,
    `test/loss` and `test/accuracy` over all images, each image counted once.
    """

    def __init__(
        self,
        model: str | nn.Module = "resnet18",
        *,
        num_classes: int = 10,
        model_name: str | None = None,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
        optimization: OptimizerFactory | None = None,
        total_steps: int | None = None,
    ) -> None:
        """Take a model's name, or a module of one's own.

        With a name, `ImageClassifier.load_from_checkpoint(path)` needs nothing else; with a module it needs
        `model=` again, or `model_name` here, if it came from `create_model`. `class_weights`, float (C,), are
        what an image of each class counts in the training loss, all alike unless given. `optimization` is SGD
        with one-cycle to 0.1 unless given; `total_steps` is asked of the Trainer unless given.
        """
        super().__init__()
        name = model if isinstance(model, str) else model_name
        named = {} if name is None else {"model": name}
        self.save_hyperparameters(named | {"num_classes": num_classes, "label_smoothing": label_smoothing})
        self.model = create_model(model, num_classes=num_classes) if isinstance(model, str) else model
        self.label_smoothing = label_smoothing
        self.class_weights: Tensor | None
        # They follow from the data and are no part of what was learnt, so no checkpoint holds them.
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.optimization = optimization or SgdOneCycle()
        self.total_steps = total_steps
        self.training_pass: Callable[[Tensor], Tensor] | None = None
        self._totals: dict[Stage, Totals] = {}
        self._unseen: dict[int, Tensor] = {}
        self._looked_at = -inf

    def forward(self, images: Tensor) -> Tensor:
        """Give logits (N, num_classes) of normalised images (N, 3, H, W).

        Where there is a `training_pass`, a faster way to the same logits, gradients come from it.
        """
        trains = self.training and torch.is_grad_enabled()
        through = self.training_pass if self.training_pass is not None and trains else self.model
        logits: Tensor = through(images)
        return logits

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer, and the schedule over all steps of this `fit`."""
        total = self.total_steps if self.total_steps is not None else count_steps(self.trainer)
        built = self.optimization(self.model, total_steps=total)
        if built.scheduler is None:
            return built.optimizer
        return {
            "optimizer": built.optimizer,
            "lr_scheduler": {"scheduler": built.scheduler, "interval": "step"},
        }

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        """Give the mean loss of one batch."""
        images, labels = batch
        logits = self(images)
        loss = cross_entropy(logits, labels, weight=self.class_weights, label_smoothing=self.label_smoothing)
        self._stage("train").add(logits, labels, mean_loss=loss)
        if self._logs_this_step():
            self._unseen[self.global_step + 1] = loss.detach()
            accuracy = (logits.detach().argmax(1) == labels).float().mean()
            rate = onto(torch.tensor(self._rate()), self.device)
            self.log_dict({"train/loss": loss, "train/accuracy": accuracy, "train/rate": rate})
        self._look_at_losses()
        return loss

    def on_train_epoch_start(self) -> None:
        """Begin the sums anew; Lightning does not call this where an epoch is resumed in its middle."""
        self._totals.pop("train", None)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Take one batch into the validation figures."""
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Take one batch into the test figures."""
        self._evaluate("test", batch)

    def means(self, stage: Stage) -> dict[str, float]:
        """Give loss and accuracy over the images seen so far in a pass that is under way."""
        means = self._totals[stage].over_processes(self.trainer).means()
        return {name: float(value) for name, value in means.items()}

    def on_train_epoch_end(self) -> None:
        """Log the means over the epoch's training images."""
        self.log_dict({f"train/{name}_epoch": value for name, value in self._finish("train").items()})

    def on_validation_epoch_end(self) -> None:
        """Log the validation figures."""
        self.log_dict({f"val/{name}": value for name, value in self._finish("val").items()}, prog_bar=True)

    def on_test_epoch_end(self) -> None:
        """Log the test figures."""
        self.log_dict({f"test/{name}": value for name, value in self._finish("test").items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the sums of an epoch that is under way, so that a resumed epoch reports all of its images."""
        totals = self._totals.get("train")
        if totals is not None:
            checkpoint["plumbline_totals"] = vars(totals.over_processes(self.trainer))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with those sums."""
        kept = checkpoint.get("plumbline_totals")
        # The sums are those of all processes: one of them goes on with them, the others start at zero.
        if kept is not None and self._trainer is not None and self.trainer.is_global_zero:
            self._totals["train"] = Totals(**kept)

    def _evaluate(self, stage: Stage, batch: tuple[Tensor, Tensor]) -> None:
        images, labels = batch
        logits = self(images).float()
        self._stage(stage).add(logits, labels, mean_loss=cross_entropy(logits, labels))

    def _stage(self, stage: Stage) -> Totals:
        if stage not in self._totals:
            self._totals[stage] = Totals.zero(self.device)
        totals = self._totals[stage]
        if totals.loss.device != self.device:  # read from a checkpoint
            totals.loss, totals.correct = totals.loss.to(self.device), totals.correct.to(self.device)
        return totals

    def _finish(self, stage: Stage) -> dict[str, Tensor]:
        totals = self._totals.pop(stage).over_processes(self.trainer)
        return {name: value.float() for name, value in totals.means().items()}

    def _logs_this_step(self) -> bool:
        return logs_at(self.trainer, step=self.global_step + 1)

    def _rate(self) -> float:
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def _look_at_losses(self) -> None:
        """Raise PlumblineError if a logged loss is no finite number: once a second and at an epoch's end."""
        due = perf_counter() - self._looked_at >= LOOK_EVERY_SECONDS or self.trainer.is_last_batch
        # Several processes go by the step alone: one that stopped by its own clock would leave them waiting.
        if not self._unseen or not (due or self.trainer.world_size > 1):
            return
        losses, self._unseen = self._unseen, {}
        for step, loss in zip(losses, torch.stack(list(losses.values())).tolist(), strict=True):
            if not isfinite(loss):
                raise PlumblineError(
                    f"The training loss is {loss} at step {step} (rate {self._rate():.3g}). {WHEN_DIVERGED}"
                )
        self._looked_at = perf_counter()
