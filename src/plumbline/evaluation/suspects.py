"""Labels that a trained model confidently disagrees with: a list for a person to look through."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from plumbline.errors import PlumblineError
from plumbline.evaluation.logits import Predictions


@dataclass(frozen=True)
class Suspect:
    """One image: its row, the label it has, the class the model names, and the probabilities of both."""

    index: int
    label: int
    predicted: int
    label_probability: float
    predicted_probability: float

    @property
    def margin(self) -> float:
        """How much likelier than the label the model finds its own class, 0 to 1."""
        return self.predicted_probability - self.label_probability


def suspect_labels(predictions: Predictions, *, least_margin: float = 0.8) -> tuple[Suspect, ...]:
    """Give the images whose label is much less likely than another class, the largest margin first.

    They mean something only for images that the model was not trained on: it learns wrong labels by heart.
    Most are the model's mistakes, not the label's. The margin of self-confidence is one of the scores of
    Northcutt, Jiang and Chuang, Confident learning, arXiv 1911.00068.

    Args:
        predictions: logits (N, C) and labels (N,).
        least_margin: 0 to 1; the least margin that is listed.

    Raises:
        PlumblineError: a margin outside 0 to 1.

    >>> logits = torch.tensor([[9.0, 0.0], [0.0, 9.0], [0.0, 0.1]])
    >>> predictions = Predictions(logits, torch.tensor([1, 1, 0]))
    >>> [(found.index, found.predicted) for found in suspect_labels(predictions)]
    [(0, 0)]

    """
    if not 0 <= least_margin <= 1:
        raise PlumblineError(f"least_margin: expected 0 to 1, got {least_margin}.")
    chances = predictions.logits.double().softmax(dim=1)
    best, named = chances.max(dim=1)
    own = chances.gather(1, predictions.labels[:, None])[:, 0]
    rows = torch.nonzero((named != predictions.labels) & (best - own >= least_margin)).flatten().tolist()
    found = [
        Suspect(
            index=row,
            label=int(predictions.labels[row]),
            predicted=int(named[row]),
            label_probability=float(own[row]),
            predicted_probability=float(best[row]),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda suspect: (-suspect.margin, suspect.index)))
