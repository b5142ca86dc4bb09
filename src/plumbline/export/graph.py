"""The network with all that goes before and after it: raw pictures in, probabilities out."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from plumbline.export.resize_matrix import resize_matrix
from plumbline.inference import TrainedModel


class PictureClassifier(nn.Module):
    """Resize, normalise, classify, divide by the temperature, softmax: one module that can be exported.

    It does what `plumbline.inference.probabilities` does, in operations that every format has: resizing is
    two matrix products, and each rounds to whole grey levels as torch's integer kernel for the CPU does.

    Args:
        network: normalised float images (N, 3, S, S) to logits (N, C).
        mean: of red, green and blue, on the 0..1 scale.
        std: the same.
        stored_size: side in pixels of the pictures that are given.
        image_size: side of what the network sees.
        temperature: divisor of the logits.

    """

    scale: torch.Tensor
    shift: torch.Tensor
    resizing: torch.Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        stored_size: int,
        image_size: int,
        temperature: float,
    ) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.is_resized = image_size != stored_size
        scale = torch.tensor([1 / (255 * value) for value in std])
        shift = torch.tensor([-center / value for center, value in zip(mean, std, strict=True)])
        self.register_buffer("scale", scale.view(-1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(-1, 1, 1), persistent=False)
        matrix = resize_matrix(stored_size, size=image_size) if self.is_resized else torch.zeros(0, 0)
        self.register_buffer("resizing", matrix, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From uint8 (N, 3, stored, stored) to float32 (N, C)."""
        values = images.float()
        if self.is_resized:
            values = _to_grey_levels(values @ self.resizing.T)
            values = _to_grey_levels(self.resizing @ values)
        logits: torch.Tensor = self.network(values * self.scale + self.shift)
        return torch.softmax(logits / self.temperature, dim=1)


def _to_grey_levels(values: torch.Tensor) -> torch.Tensor:
    return torch.floor(values + 0.5).clamp(0, 255)


def picture_classifier(trained: TrainedModel) -> PictureClassifier:
    """Give a copy of a trained model as one module, on the CPU, in evaluation mode."""
    network = copy.deepcopy(trained.model).to("cpu").to(memory_format=torch.contiguous_format)
    return PictureClassifier(
        network,
        mean=trained.mean,
        std=trained.std,
        stored_size=trained.stored_size,
        image_size=trained.image_size,
        temperature=trained.temperature,
    ).eval()


def example_images(trained: TrainedModel) -> torch.Tensor:
    """Give black pictures to trace the module with: two, since a 1 would be taken for a constant."""
    return torch.zeros(2, 3, trained.stored_size, trained.stored_size, dtype=torch.uint8)
