"""Labels that a model disagrees with."""

from __future__ import annotations

import pytest
import torch

from plumbline.errors import PlumblineError
from plumbline.evaluation import Predictions, suspect_labels


def test_the_surest_disagreement_comes_first() -> None:
    """Agreement is never listed, however weak, and the margin decides the order and the end of the list."""
    chances = torch.tensor([[0.05, 0.95], [0.99, 0.01], [0.4, 0.6], [0.3, 0.7], [0.0, 1.0]])
    predictions = Predictions(chances.log(), torch.tensor([0, 1, 1, 0, 1]))
    found = suspect_labels(predictions, least_margin=0.39)
    assert [suspect.index for suspect in found] == [1, 0, 3]
    assert found[0].margin == pytest.approx(0.98, abs=1e-6)
    assert [suspect.index for suspect in suspect_labels(predictions)] == [1, 0]
    with pytest.raises(PlumblineError, match="0 to 1"):
        suspect_labels(predictions, least_margin=2)
