"""What near-duplicates between test and training images do to a score."""

from __future__ import annotations

from plumbline.analysis.chosen import Selection, choose_score
from plumbline.analysis.intervals import wilson_interval
from plumbline.errors import PlumblineError
from plumbline.records import Record


def without_duplicates(record: Record) -> str | None:
    """Say the quoted test score without the test images that are known to have a near-duplicate in training.

    None where no score of these is recorded.
    """
    try:
        score = choose_score(record, selection=Selection())
    except PlumblineError:  # not scored yet
        return None
    if score.clean_correct is None or not score.clean_count:
        return None
    found = wilson_interval(score.clean_correct, count=score.clean_count)
    accuracy = score.clean_correct / score.clean_count
    return (
        f"{score.count - score.clean_count:,} of the {score.count:,} test images have a near-duplicate "
        f"among the training images; without them the quoted score is {accuracy:.2%} "
        f"({found.low * 100:.2f} to {found.high * 100:.2f})."
    )
