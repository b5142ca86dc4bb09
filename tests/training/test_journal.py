"""The record as it grows: what is added twice stands once, and on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.table import ROOT, read_results

from plumbline.records import EpochPart, ScorePart, create_run_folder, read_record
from plumbline.training.journal import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Give the journal of a run without epochs and scores."""
    _, record = read_results(ROOT / "results")[0]
    return Journal(
        record.model_copy(update={"epochs": (), "scores": ()}), folder=create_run_folder(tmp_path / "run")
    )


def _score(correct: int, *, views: int = 1) -> ScorePart:
    return ScorePart(
        phase="fit",
        weights="raw",
        split="test",
        accuracy=correct / 10,
        correct=correct,
        count=10,
        loss=1.0,
        views=views,
        seconds=0.5,
    )


def test_a_score_replaces_only_the_one_of_as_many_views(journal: Journal) -> None:
    """Scores of one set of weights stand beside each other, and each is replaced by its own repetition."""
    for score in (_score(5), _score(6, views=6), _score(7), _score(8, views=2)):
        journal.add_score(score)
    on_disk = read_record(journal.folder.path).scores
    assert [(score.views, score.correct) for score in on_disk] == [(6, 6), (1, 7), (2, 8)]
    assert on_disk == journal.record.scores


def test_an_epoch_that_is_trained_again_stands_once(journal: Journal) -> None:
    """After a resume the epoch that was lost is replaced; others stay."""

    def epoch(number: int, *, loss: float) -> EpochPart:
        return EpochPart(
            phase="fit",
            epoch=number,
            train_loss=loss,
            train_accuracy=0.5,
            validation_loss=None,
            validation_accuracy=None,
            rate=0.1,
            seconds=2.0,
        )

    for part in (epoch(0, loss=3.0), epoch(1, loss=2.0), epoch(1, loss=1.0)):
        journal.add_epoch(part)
    on_disk = read_record(journal.folder.path)
    assert [(part.epoch, part.train_loss) for part in on_disk.epochs] == [(0, 3.0), (1, 1.0)]
    assert on_disk.timing.images_per_second == on_disk.dataset.counts.train / 2
