"""When balanced accuracy is worth showing."""

from __future__ import annotations

from plumbline.analysis.imbalance import is_unequal
from plumbline.records import ScorePart


def scored(accuracy: float, balanced: float | None) -> ScorePart:
    return ScorePart(
        phase="fit",
        weights="raw",
        split="test",
        accuracy=accuracy,
        correct=round(accuracy * 1000),
        count=1000,
        loss=1.0,
        balanced_accuracy=balanced,
    )


def test_equal_figures_are_shown_once() -> None:
    """Where both agree, or where older records have one only, nothing is added."""
    assert not is_unequal([scored(0.9, 0.9), scored(0.8, 0.803), scored(0.5, None)])


def test_a_model_that_guesses_the_largest_class_is_unmasked() -> None:
    """One score that differs is enough."""
    assert is_unequal([scored(0.9, 0.9), scored(0.99, 0.5)])
