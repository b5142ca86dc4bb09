"""Run a model over images and keep its logits; every measurement starts from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.evaluation.views import Views, view_logits
from plumbline.progress import SILENT, Progress


@dataclass(frozen=True)
class Predictions:
    """What a model said about some images, in their order.

    Attributes:
        logits: float32 (N, C) on the CPU, before softmax.
        labels: int64 (N,) on the CPU.

    """

    logits: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        if self.logits.ndim != 2 or self.labels.shape != self.logits.shape[:1]:
            raise PlumblineError(
                f"predictions: expected logits (N, C) and labels (N,), got {tuple(self.logits.shape)} and "
                f"{tuple(self.labels.shape)}. Give one row of logits and one label for each image."
            )

    def __len__(self) -> int:
        return len(self.labels)


def predict(
    model: nn.Module,
    *,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    device: torch.device | str | None = None,
    autocast: torch.dtype | None = None,
    views: Views | None = None,
    progress: Progress = SILENT,
) -> Predictions:
    """Collect the logits of a model in evaluation mode, and leave no trace on it or on training.

    Each module's training flag is put back afterwards, even after an error, and torch's random state is as
    before: an added evaluation changes no later random number, though a `DataLoader` draws one of its own.

    Args:
        model: gives (B, C) logits for a batch; it must already be on `device`.
        batches: pairs of images (B, 3, H, W) and labels (B,), normalised as in training.
        device: where the images are sent; by default where the model's first parameter is.
        autocast: compute type under autocast, such as `torch.bfloat16`; None computes as the model is.
        views: test-time augmentation: which views of each image the logits are averaged over; None takes
            each image as it is.
        progress: told of every batch.

    Raises:
        PlumblineError: no image at all, or outputs that are not one row of logits for each label.

    """
    target = torch.device(device) if device is not None else _device_of(model)
    logits: list[torch.Tensor] = []
    labels: list[torch.Tensor] = []
    total = len(batches) if isinstance(batches, Sized) else None
    with (
        evaluating(model),
        torch.random.fork_rng(devices=[]),
        progress.task("evaluate", total=total, unit="steps") as task,
        torch.inference_mode(),
        torch.autocast(target.type, dtype=autocast, enabled=autocast is not None),
    ):
        for images, answers in batches:
            there = images.to(target, non_blocking=True)
            output = model(there) if views is None else view_logits(model, images=there, views=views)
            logits.append(output.to("cpu", torch.float32))
            labels.append(answers.to("cpu", torch.int64))
            task.advance()
    if not labels:
        raise PlumblineError(
            "batches: expected at least one image to evaluate, got none. Check the split's size."
        )
    # Outside inference mode, so that a later fit (of a temperature, say) may build on the result.
    return Predictions(torch.cat(logits), torch.cat(labels))


def _device_of(model: nn.Module) -> torch.device:
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode while inside, and each of its modules back into its own afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        # One by one: a user may have frozen the statistics of single layers with eval().
        for module, training in before:
            module.training = training
