"""Confidence against accuracy, and the temperature between them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_calibration_error

from plumbline.analysis import calibration, fit_temperature
from plumbline.analysis.calibration import log_softmax
from plumbline.errors import PlumblineError


def calibrated(count: int, *, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give logits whose softmax is exactly the distribution that the labels are drawn from."""
    random = np.random.default_rng(seed)
    logits = 2.0 * random.normal(size=(count, 5))
    cumulated = np.exp(log_softmax(logits)).cumsum(axis=1)
    labels = (random.random((count, 1)) > cumulated).sum(axis=1)
    return logits, np.minimum(labels, 4)


def test_the_error_equals_a_second_implementation() -> None:
    """ECE is that of torchmetrics, the loss that of torch."""
    logits, labels = calibrated(2_000)
    logits *= 1.7
    found = calibration(logits, labels=labels)
    wanted = multiclass_calibration_error(
        torch.from_numpy(logits), torch.from_numpy(labels), num_classes=5, n_bins=15, norm="l1"
    )
    assert found.ece == pytest.approx(float(wanted), abs=1e-6)
    assert found.loss == pytest.approx(
        float(functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)))
    )


def test_bins_make_up_the_whole() -> None:
    """Every image is in one bin, and the bins' means give back accuracy and confidence."""
    logits, labels = calibrated(3_000)
    found = calibration(logits, labels=labels, bins=10)
    filled = [one for one in found.bins if one.accuracy is not None and one.confidence is not None]
    assert sum(one.count for one in found.bins) == found.count == 3_000
    assert sum(one.count * one.accuracy for one in filled if one.accuracy is not None) == pytest.approx(
        3_000 * found.accuracy
    )
    assert sum(one.count * one.confidence for one in filled if one.confidence is not None) == pytest.approx(
        3_000 * found.confidence
    )
    assert all(one.above < one.confidence <= one.upto for one in filled if one.confidence is not None)
    assert all(
        one.low <= one.accuracy <= one.high
        for one in filled
        if one.low is not None and one.high is not None and one.accuracy is not None
    )


def test_a_confidence_on_an_edge_belongs_below() -> None:
    """Of two bins a confidence of exactly 0.5 is in the lower one, and 1 in the upper one."""
    found = calibration(np.array([[0.0, 0.0], [0.0, 1e4]]), labels=np.array([0, 1]), bins=2)
    assert [(one.count, one.confidence) for one in found.bins] == [(1, 0.5), (1, 1.0)]


def test_calibrated_logits_need_no_temperature() -> None:
    """On labels drawn from the softmax itself the error is near 0 and the temperature near 1."""
    logits, labels = calibrated(20_000)
    assert calibration(logits, labels=labels).ece < 0.015
    assert fit_temperature(logits, labels=labels).value == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_the_temperature_undoes_what_made_logits_over_or_underconfident(factor: float) -> None:
    """Logits times a factor get that factor back as temperature, and other images become calibrated by it."""
    logits, labels = calibrated(20_000)
    found = fit_temperature(factor * logits, labels=labels)
    assert found.value == pytest.approx(factor, rel=0.03)
    assert found.loss_after < found.loss_before
    assert not found.bounded
    others, drawn = calibrated(20_000, seed=1)
    assert calibration(factor * others, labels=drawn).ece > 0.1
    assert calibration(factor * others, labels=drawn, temperature=found.value).ece < 0.015


def test_no_other_temperature_is_better() -> None:
    """The loss on a fine grid of temperatures is nowhere below that of the one found."""
    logits, labels = calibrated(500, seed=2)
    found = fit_temperature(2 * logits, labels=labels)
    grid = [calibration(2 * logits, labels=labels, temperature=t).loss for t in np.geomspace(0.5, 8, 100)]
    assert min(grid) >= found.loss_after - 1e-9
    assert found.loss_after == pytest.approx(min(grid), abs=1e-4)


def test_where_there_is_no_best_temperature_it_says_so() -> None:
    """Where all images are right less is better without end, where all are wrong more is."""
    logits = np.array([[1.0, 0.0], [0.0, 1.0]])
    small, large = (fit_temperature(logits, labels=np.array(labels)) for labels in ([0, 1], [1, 0]))
    assert (small.bounded, large.bounded) == (True, True)
    assert small.value < 0.05
    assert large.value == pytest.approx(100, rel=0.01)


def test_large_logits_do_not_overflow() -> None:
    """Float32 logits of 10,000 give finite figures."""
    found = calibration(np.array([[1e4, 0.0], [0.0, 1e4]], np.float32), labels=np.array([0, 0]))
    assert (found.loss, found.ece, found.accuracy) == (5_000.0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("logits", "labels", "said"),
    [
        ([[np.nan, 0.0]], [0], "diverged"),
        ([[1.0, 0.0]], [2], "labels: expected 0 to 1"),
        ([[1.0, 0.0]], [0, 1], "at least one image"),
    ],
)
def test_what_does_not_fit_is_refused(logits: list[list[float]], labels: list[int], said: str) -> None:
    """NaN, labels outside the classes and unequal lengths are errors."""
    with pytest.raises(PlumblineError, match=said):
        calibration(np.array(logits), labels=np.array(labels))
    with pytest.raises(PlumblineError, match=said):
        fit_temperature(np.array(logits), labels=np.array(labels))
