"""Whether a data set's classes are so unequal in size that accuracy alone misleads."""

from __future__ import annotations

from collections.abc import Iterable

from plumbline.records import ScorePart

# Accuracy and balanced accuracy further apart than this are worth a column.
_APART = 0.005


def is_unequal(scores: Iterable[ScorePart]) -> bool:
    """Tell whether balanced accuracy says something else than accuracy for one of the scores."""
    return any(
        abs(score.balanced_accuracy - score.accuracy) > _APART
        for score in scores
        if score.balanced_accuracy is not None
    )
