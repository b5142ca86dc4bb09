import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from plumbline.errors import PlumblineError
from plumbline.evaluation import Predictions, score


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(2, 12), st.integers(0, 10_000))
def test_score_agrees_with_a_plain_loop(count: int, classes: int, seed: int) -> None:
    """Right answers and cross-entropy are those of the definition, computed image by image."""
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(count, classes, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    right, nats = 0, 0.0
    for row, label in zip(logits.double().tolist(), labels.tolist(), strict=True):
        right += row.index(max(row)) == label
        nats += math.log(sum(math.exp(x) for x in row)) - row[label]
    result = score(Predictions(logits, labels))
    assert (result.correct, result.count, result.accuracy) == (right, count, right / count)
    assert result.loss == pytest.approx(nats / count, rel=1e-9)


def test_accuracy_is_micro() -> None:
    """Every image counts the same: nine right of the common class and one wrong of the rare one are 90 %."""
    logits = functional.one_hot(torch.zeros(10, dtype=torch.int64), 2).float()
    assert score(Predictions(logits, torch.tensor([0] * 9 + [1]))).accuracy == 0.9


def test_nan_is_wrong() -> None:
    """NaN among the logits makes an image wrong, wherever its largest logit is, and the loss NaN."""
    logits = torch.tensor([[math.nan, 0.0], [5.0, math.nan], [0.0, 5.0]])
    result = score(Predictions(logits, torch.tensor([0, 0, 1])))
    assert (result.correct, result.count) == (1, 3)
    assert math.isnan(result.loss)


@pytest.mark.parametrize("label", [-1, -100, 3])
def test_a_label_out_of_range_is_refused(label: int) -> None:
    """A label that is no class is an error; torch would skip -100 in silence."""
    with pytest.raises(PlumblineError, match="labels: expected 0 to 2"):
        score(Predictions(torch.zeros(2, 3), torch.tensor([0, label])))


def test_no_images_are_refused() -> None:
    """Nothing has no accuracy."""
    with pytest.raises(PlumblineError, match="at least one image"):
        score(Predictions(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)))
