"""What several seeds show together."""

from __future__ import annotations

import pytest
from bench.table import ROOT

from plumbline.benchmarks.conclude import (
    conclude,
    final_score,
    quoted_score,
    run_flops,
    timed_seconds,
)
from plumbline.benchmarks.flops import recipe_flops
from plumbline.records import Record, ScorePart, TimingPart, read_record

RECORD = read_record(ROOT / "results" / "resnet18-quick-cifar10-seed7")


def with_scores(*accuracies: float, training: float = 100.0) -> Record:
    """Give a run of two phases whose last weights have these test accuracies, with 1, 2, … views."""
    scores = [
        ScorePart(
            phase="average",
            weights="averaged",
            split="test",
            accuracy=accuracy,
            correct=round(10_000 * accuracy),
            count=10_000,
            loss=0.2,
            views=views,
            seconds=10.0 * views,
        )
        for views, accuracy in enumerate(accuracies, start=1)
    ]
    raw = scores[0].model_copy(update={"weights": "raw", "accuracy": 0.99, "views": 1})
    timing = TimingPart(setup_seconds=5, training_seconds=training, averaging_seconds=50, scoring_seconds=99)
    return RECORD.model_copy(update={"scores": (raw, *scores), "timing": timing, "resumed": ()})


def test_the_score_is_that_of_the_weights_a_run_ends_with() -> None:
    """Averaged weights are quoted where there are any, even where the raw ones scored higher."""
    record = with_scores(0.93, 0.94)
    plain = final_score(record, with_views=False)
    assert plain is not None
    assert (plain.weights, plain.accuracy) == ("averaged", 0.93)
    assert quoted_score(record).accuracy == 0.94
    assert quoted_score(with_scores(0.93)).accuracy == 0.93


def test_set_up_training_and_the_quoted_scoring_are_timed() -> None:
    """5 s of set-up, 100 + 50 s of training and 20 s for the score with two views; other scores are not."""
    assert timed_seconds(with_scores(0.93, 0.94)) == 175.0
    assert timed_seconds(with_scores(0.93)) == 165.0


def test_the_floor_counts_all_epochs_and_the_quoted_scoring() -> None:
    """4 + 2 epochs of 45,000 images at 16 pixels, and two views of 10,000 test images."""
    flops = recipe_flops(RECORD.recipe, num_classes=10, image_size=16)
    assert run_flops(with_scores(0.93, 0.94)) == 6 * 45_000 * flops.training + 2 * 10_000 * flops.forward


def test_every_run_counts() -> None:
    """Means, medians, utilisation and resumed runs are over all records."""
    records = [with_scores(0.93, 0.94), with_scores(0.91, 0.92, training=120), with_scores(0.92, 0.93)]
    records[0] = records[0].model_copy(update={"resumed": ("2026-11-24T00:00:00+00:00",)})
    rate = run_flops(records[0]) / 35.0
    found = conclude(records, cold=[200.0, 260.0, 220.0], matrix_flops_per_second=rate)
    assert found.plain.mean == pytest.approx(0.92)
    assert found.with_views is not None
    assert found.with_views.mean == pytest.approx(0.93)
    assert (found.timed_seconds, found.timed_least, found.timed_most) == (175.0, 175.0, 195.0)
    assert found.cold_seconds == 220.0
    assert found.floor_seconds == pytest.approx(35.0)
    assert found.used == pytest.approx(0.2)
    assert found.resumed == 1
