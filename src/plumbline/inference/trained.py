"""A finished run as a function from pictures to probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from plumbline.data import normalize, resize
from plumbline.errors import PlumblineError
from plumbline.inference.run_weights import choose_weights, read_model
from plumbline.inference.temperature import run_temperature
from plumbline.records import Record, RunFolder, WeightsName, read_record


@dataclass(frozen=True)
class TrainedModel:
    """One set of weights of a run, and all that is needed to use it.

    Attributes:
        model: in evaluation mode: normalised float images (N, 3, S, S) to logits (N, C).
        name: the model's name, as `plumbline.models.create_model` takes it.
        classes: their names, in the order of the logits.
        mean: of red, green and blue, on the 0..1 scale.
        std: the same.
        stored_size: side in pixels of the uint8 pictures that `prepare` takes.
        image_size: side of what the network sees.
        temperature: divisor of the logits; 1 where nothing was held out to find it with.
        is_calibrated: whether images that were held out gave the temperature.
        calibration: that in words.
        weights: raw or averaged.
        record: of the run.
        folder: of the run.
        device: where the model lies.

    """

    model: nn.Module
    name: str
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stored_size: int
    image_size: int
    temperature: float
    is_calibrated: bool
    calibration: str
    weights: WeightsName
    record: Record
    folder: RunFolder
    device: torch.device


def load_trained(
    run: Path, *, weights: str | None = None, device: torch.device | str = "auto"
) -> TrainedModel:
    """Load a run's weights, by default the averaged ones if there are any.

    Args:
        run: a run folder, or the `record.json` in it.
        weights: raw or averaged.
        device: where the model is put; "auto": the accelerator, if there is one.

    Raises:
        PlumblineError: no run, no such weights, damaged files, or weights of other classes than the record's.

    """
    record = read_record(run)
    folder = RunFolder(run if run.is_dir() else run.parent)
    chosen = choose_weights(weights, folder=folder)
    path, seen = folder.checkpoint(chosen), record.recipe.resolution.test
    stored = read_model(path, image_size=seen)
    if stored.classes != record.dataset.classes:
        raise PlumblineError(
            f"{path} holds weights for other classes than {folder.record} names: "
            f"{', '.join(stored.classes[:3])}, … and {', '.join(record.dataset.classes[:3])}, …. "
            "They are not of one run: put the file back that `plumbline fit` wrote."
        )
    found = run_temperature(record, folder=folder, weights=chosen)
    place = _device(device)
    return TrainedModel(
        model=_placed(stored.model, device=place),
        name=stored.name,
        classes=stored.classes,
        mean=stored.mean,
        std=stored.std,
        stored_size=stored.stored_size,
        image_size=seen or stored.stored_size,
        temperature=found.value,
        is_calibrated=found.is_calibrated,
        calibration=found.words,
        weights=chosen,
        record=record,
        folder=folder,
        device=place,
    )


def to_batch(pictures: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """Put decoded pictures, uint8 (S, S, 3), together: uint8 (N, 3, S, S), channels_last in memory.

    >>> to_batch([np.zeros((4, 4, 3), np.uint8)] * 2).shape
    torch.Size([2, 3, 4, 4])
    """
    return torch.from_numpy(np.stack(list(pictures))).permute(0, 3, 1, 2)


def prepare(trained: TrainedModel, *, images: torch.Tensor) -> torch.Tensor:
    """Resize and normalise as the run's validation did.

    Args:
        trained: says how.
        images: uint8 (N, 3, stored, stored), on any device.

    Returns:
        Floats (N, 3, seen, seen) on the model's device.

    Raises:
        PlumblineError: images of another size or type.

    """
    side = trained.stored_size
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != (3, side, side):
        raise PlumblineError(
            f"images: expected uint8 (N, 3, {side}, {side}), as this run was trained on, got {images.dtype} "
            f"{tuple(images.shape)}. plumbline.data.decode.decode_picture(path, size={side}) makes them so."
        )
    return normalize(
        resize(images.to(trained.device), size=trained.image_size),
        mean=trained.mean,
        std=trained.std,
        channels_last=trained.device.type in {"cpu", "cuda"},
    )


def probabilities(trained: TrainedModel, *, images: torch.Tensor) -> torch.Tensor:
    """Give the calibrated probability of each class for uint8 (N, 3, stored, stored): float32 (N, C).

    On the CPU, whatever device computes. Raises PlumblineError for images of another size or type.
    """
    with torch.inference_mode():
        logits = trained.model(prepare(trained, images=images))
        return torch.softmax(logits.float() / trained.temperature, dim=1).cpu()


def _device(asked: torch.device | str) -> torch.device:
    if asked == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    return torch.device(asked)


def _placed(model: nn.Module, *, device: torch.device) -> nn.Module:
    placed = model.to(device)
    return placed.to(memory_format=torch.channels_last) if device.type in {"cpu", "cuda"} else placed
