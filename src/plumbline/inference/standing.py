"""How good a set of weights was on the test images, for those who hand the model on."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.analysis import wilson_interval
from plumbline.records import Record, WeightsName


@dataclass(frozen=True)
class Standing:
    """One score on the test images, each seen as it is, with its 95 % interval; all shares from 0 to 1."""

    accuracy: float
    correct: int
    count: int
    low: float
    high: float

    @property
    def words(self) -> str:
        """The score as a person would write it.

        >>> Standing(0.5, 10, 20, 0.299, 0.701).words
        '50.00 % of 20 test images (95 % interval 29.90 to 70.10)'
        """
        return (
            f"{self.accuracy * 100:.2f} % of {self.count:,} test images "
            f"(95 % interval {self.low * 100:.2f} to {self.high * 100:.2f})"
        )


def standing(record: Record, *, weights: WeightsName) -> Standing | None:
    """Give the last test score of these weights, without views; None where the record has none."""
    found = [
        score for score in record.scores if (score.weights, score.split, score.views) == (weights, "test", 1)
    ]
    if not found:
        return None
    last = found[-1]
    interval = wilson_interval(last.correct, count=last.count)
    return Standing(last.accuracy, last.correct, last.count, interval.low, interval.high)
