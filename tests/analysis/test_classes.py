"""The confusion matrix and the figures of each class."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from plumbline.analysis import answers, class_report, wilson_interval
from plumbline.errors import PlumblineError


def test_figures_equal_a_second_implementation() -> None:
    """Matrix, precision and recall are scikit-learn's; accuracy is counted by hand."""
    random = np.random.default_rng(0)
    labels = random.integers(5, size=400)
    predictions = np.where(random.random(400) < 0.7, labels, random.integers(5, size=400))
    report = class_report(labels, predictions=predictions, classes=5)
    assert np.array_equal(report.confusion, confusion_matrix(labels, predictions))
    precision, recall, _, images = precision_recall_fscore_support(labels, predictions)
    assert [one.precision.value for one in report.classes] == pytest.approx(precision)
    assert [one.recall.value for one in report.classes] == pytest.approx(recall)
    assert [one.images for one in report.classes] == images.tolist()
    counted = [np.mean((labels == index) == (predictions == index)) for index in range(5)]
    assert [one.accuracy.value for one in report.classes] == pytest.approx(counted)


def test_intervals_are_wilsons() -> None:
    """The interval of a recall is that of so many right among the images of the class."""
    report = class_report(np.zeros(50, int), predictions=np.repeat([0, 1], [40, 10]), classes=2, level=0.9)
    wanted = wilson_interval(40, count=50, level=0.9)
    assert (report.classes[0].recall.low, report.classes[0].recall.high) == (wanted.low, wanted.high)


def test_a_class_without_images_has_no_figures() -> None:
    """A class that no image has, or that is never predicted, has None and not 0 or NaN."""
    report = class_report(np.array([0, 0]), predictions=np.array([0, 1]), classes=3)
    assert report.classes[1].recall.value is None
    assert report.classes[1].precision.value == 0.0
    assert report.classes[2].precision.low is None
    assert report.classes[2].accuracy.value == 1.0


def test_no_answer_is_wrong_for_every_class() -> None:
    """An image with NaN among its logits counts against the recall of its class and for no other."""
    predictions = answers(np.array([[1.0, 0.0], [np.nan, 0.0], [0.0, 1.0]], np.float32))
    report = class_report(np.array([0, 0, 1]), predictions=predictions, classes=2)
    assert report.confusion.tolist() == [[1, 0], [0, 1]]
    assert (report.classes[0].recall.part, report.classes[0].recall.whole) == (1, 2)
    assert (report.classes[0].accuracy.part, report.classes[1].accuracy.part) == (2, 3)


@pytest.mark.parametrize(
    ("labels", "predictions", "said"),
    [
        ([], [], "expected one of each"),
        ([0], [0, 1], "expected one of each"),
        ([2], [0], "labels: expected 0"),
        ([0], [2], "predictions: expected -1"),
        ([0], [-2], "predictions: expected -1"),
    ],
)
def test_what_does_not_fit_is_refused(labels: list[int], predictions: list[int], said: str) -> None:
    """No image, unequal lengths and classes outside the range are errors."""
    with pytest.raises(PlumblineError, match=said):
        class_report(np.array(labels, int), predictions=np.array(predictions, int), classes=2)
