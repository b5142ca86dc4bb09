"""Whether two ways to compute the same probabilities agree, picture by picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from plumbline.data.images import Images
from plumbline.progress import SILENT, Progress

LEAST_SAME, MOST_DIFFERENCE = 0.999, 1e-3
BATCH = 256
_ALONE = 200  # of all pictures, also given one at a time

Classify = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Agreement:
    """How two classifiers agree.

    Attributes:
        batch: pictures given at once.
        count: pictures.
        same: how many of them get the same likeliest class.
        largest: the largest difference of any probability.

    """

    batch: int
    count: int
    same: int
    largest: float

    @property
    def is_enough(self) -> bool:
        """Whether 99.9 % are classified alike and no probability differs by more than 0.001."""
        return self.same >= LEAST_SAME * self.count and self.largest <= MOST_DIFFERENCE


def compare(original: torch.Tensor, *, other: torch.Tensor, batch: int) -> Agreement:
    """Compare probabilities (N, C) of the same pictures; what is not a number agrees with nothing.

    >>> compare(torch.tensor([[0.9, 0.1]]), other=torch.tensor([[0.4, 0.6]]), batch=1)
    Agreement(batch=1, count=1, same=0, largest=0.5)
    """
    differences = (original - other).abs().nan_to_num(nan=float("inf"))
    same = original.argmax(1) == other.argmax(1)
    return Agreement(batch, len(original), int(same.sum()), round(float(differences.max()), 12))


def classify_all(classify: Classify, *, images: Images, progress: Progress = SILENT) -> torch.Tensor:
    """Give the probabilities (N, C) of a whole set, a batch at a time."""
    places = [slice(start, start + BATCH) for start in range(0, len(images), BATCH)]
    found = []
    with progress.task("compare", total=len(images), unit="images") as task:
        for batch in images.take_each(places):
            found.append(classify(batch))
            task.advance(len(batch))
    return torch.cat(found)


def classify_singly(classify: Classify, *, images: Images) -> tuple[torch.Tensor, torch.Tensor]:
    """Give which pictures of a set were given alone, evenly spread, int64 (M,), and what was said of them."""
    count = min(_ALONE, len(images))
    chosen = torch.arange(count) * len(images) // count
    return chosen, torch.cat([classify(images.take(chosen[place : place + 1])) for place in range(count)])
