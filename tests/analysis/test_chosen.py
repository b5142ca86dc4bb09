"""Which of a run's scores is meant."""

from __future__ import annotations

import pytest

from plumbline.analysis.chosen import SELECTIONS, choose_score, epochs_of
from plumbline.errors import PlumblineError
from trials.made import made_record, made_score


@pytest.mark.parametrize(
    ("word", "correct", "epochs"),
    [
        ("final", 9500, 6),
        ("averaged", 9500, 6),
        ("raw", 9400, 6),
        ("average-raw", 9400, 6),
        ("fit-raw", 9300, 4),
    ],
)
def test_weights_are_chosen_by_a_word(word: str, correct: int, epochs: int) -> None:
    """Raw and averaged are those of the last phase, so that both had as many epochs."""
    record = made_record(1)
    score = choose_score(record, selection=SELECTIONS[word])
    assert score.correct == correct
    assert epochs_of(record, score=score) == epochs


def test_the_score_to_quote_has_views_where_there_are_some() -> None:
    """Without a number of views it is the score with the most; 1 is the images alone."""
    record = made_record(1)
    record = record.model_copy(update={"scores": (*record.scores, made_score(9600, views=6))})
    assert choose_score(record, selection=SELECTIONS["final"]).correct == 9600
    assert choose_score(record, selection=SELECTIONS["final"], views=1).correct == 9500
    assert choose_score(record, selection=SELECTIONS["raw"]).correct == 9400


@pytest.mark.parametrize(
    ("word", "split", "views", "told"),
    [
        ("fit-averaged", "test", None, "no score of its phase fit averaged weights on test. It has: fit-raw"),
        ("final", "validation", None, "no score of its final weights on validation"),
        ("final", "test", 6, "on test, 6 views"),
    ],
)
def test_a_score_that_is_not_there_is_told(word: str, split: str, views: int | None, told: str) -> None:
    """With those that are there: none is taken in its place."""
    with pytest.raises(PlumblineError, match=told):
        choose_score(made_record(1), selection=SELECTIONS[word], split=split, views=views)  # type: ignore[arg-type]
