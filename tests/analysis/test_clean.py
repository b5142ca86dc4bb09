"""A score without near-duplicates is said where it is known, and not guessed where it is not."""

from __future__ import annotations

from bench.table import ROOT

from plumbline.analysis.clean import without_duplicates
from plumbline.records import read_record

BEFORE_THEY_WERE_KNOWN = ROOT / "results" / "resnet18-quick-cifar10-seed7"


def test_the_quoted_score_is_given_without_the_duplicates() -> None:
    """How many there are, and accuracy and interval over the rest."""
    record = read_record(BEFORE_THEY_WERE_KNOWN)
    scores = tuple(
        score.model_copy(update={"clean_correct": 7000, "clean_count": 9572}) for score in record.scores
    )
    told = without_duplicates(record.model_copy(update={"scores": scores}))
    assert told is not None
    assert told.startswith("428 of the 10,000 test images have a near-duplicate among the training images")
    assert "73.13% (72.23 to 74.01)" in told


def test_where_nothing_is_known_nothing_is_said() -> None:
    """Records from before, and runs without a score, give no sentence."""
    record = read_record(BEFORE_THEY_WERE_KNOWN)
    assert without_duplicates(record) is None
    assert without_duplicates(record.model_copy(update={"scores": ()})) is None
