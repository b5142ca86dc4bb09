"""Logits of a model over images, and what is measured on them."""

from plumbline.evaluation.logits import Predictions, evaluating, predict
from plumbline.evaluation.metrics import Score, score
from plumbline.evaluation.suspects import Suspect, suspect_labels
from plumbline.evaluation.views import VIEW_COUNT, Views, view_logits

__all__ = [
    "VIEW_COUNT",
    "Predictions",
    "Score",
    "Suspect",
    "Views",
    "evaluating",
    "predict",
    "score",
    "suspect_labels",
    "view_logits",
]
