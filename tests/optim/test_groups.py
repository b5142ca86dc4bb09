import math

import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.optim import parameter_groups


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def test_by_default_everything_decays() -> None:
    """One group holds every parameter once, with the decay."""
    model = _network()
    (group,) = parameter_groups(model, weight_decay=5e-4)
    assert list(map(id, group["params"])) == list(map(id, model.parameters()))
    assert group["weight_decay"] == 5e-4


def test_norm_and_bias_can_be_left_out() -> None:
    """Only kernels and matrices decay; scales, shifts and biases are in a group without decay."""
    decayed, undecayed = parameter_groups(_network(), weight_decay=0.1, decay_norm_and_bias=False)
    assert [p.ndim for p in decayed["params"]] == [4, 2]
    assert decayed["weight_decay"] == 0.1
    assert [p.ndim for p in undecayed["params"]] == [1, 1, 1, 1]
    assert undecayed["weight_decay"] == 0.0


def test_frozen_parameters_are_left_out() -> None:
    """What is frozen reaches no optimizer, and an empty group is not made."""
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    (group,) = parameter_groups(model, weight_decay=0.1, decay_norm_and_bias=False)
    assert group["params"] == [model.weight]


def test_an_undecayed_parameter_does_not_shrink() -> None:
    """With zero gradients a step of SGD shrinks the decayed parameters and leaves the others."""
    model = _network()
    before = [p.detach().clone() for p in model.parameters()]
    groups = parameter_groups(model, weight_decay=0.1, decay_norm_and_bias=False)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    torch.optim.SGD(groups, lr=1.0).step()
    for old, new in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old * (0.9 if old.ndim > 1 else 1.0))


@pytest.mark.parametrize("decay", [-1e-4, math.nan, math.inf])
def test_an_impossible_decay_is_refused(decay: float) -> None:
    """A decay below zero or not finite is refused by name."""
    with pytest.raises(PlumblineError, match="weight_decay"):
        parameter_groups(_network(), weight_decay=decay)


def test_a_model_with_nothing_to_train_is_refused() -> None:
    """An optimizer over nothing would train nothing in silence."""
    with pytest.raises(PlumblineError, match="parameters to train"):
        parameter_groups(nn.ReLU(), weight_decay=0.0)
