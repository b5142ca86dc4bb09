"""Logits of a model over images, and what is measured on them."""

from plumbline.evaluation.logits import Predictions, evaluating, predict
from plumbline.evaluation.metrics import Score, score

__all__ = ["Predictions", "Score", "evaluating", "predict", "score"]
