"""Which parameters are decayed."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from plumbline.errors import PlumblineError


def parameter_groups(
    model: nn.Module, *, weight_decay: float, decay_norm_and_bias: bool = True
) -> list[dict[str, Any]]:
    """Give the groups that an optimizer of `torch.optim` takes, without frozen parameters.

    Args:
        model: any module.
        weight_decay: the decay of every group that is decayed.
        decay_norm_and_bias: whether parameters with at most one dimension, which are biases and the scales
            and shifts of normalisation layers, are decayed as well. Leaving them out is advised by He et al.,
            "Bag of Tricks", arXiv 1812.01187.

    Returns:
        One group, or the decayed and the undecayed one; a group without parameters is left out.

    Raises:
        PlumblineError: a negative decay, or a model in which nothing can be trained.

    >>> groups = parameter_groups(nn.Linear(3, 2), weight_decay=5e-4, decay_norm_and_bias=False)
    >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
    [(1, 0.0005), (1, 0.0)]

    """
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise PlumblineError(f"weight_decay: expected 0 or more, got {weight_decay}. Try 5e-4 for SGD.")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise PlumblineError(
            f"model: expected parameters to train, got none in {type(model).__name__}. "
            "Set requires_grad on those that are meant to train."
        )
    decayed = [p for p in trained if decay_norm_and_bias or p.ndim > 1]
    undecayed = [p for p in trained if not decay_norm_and_bias and p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": undecayed, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
