"""The maximum over places is torch's, compiled or not, and equal places share its gradient."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from plumbline.models.spatial_maximum import spatial_maximum

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "c++", "clang++"))), reason="torch.compile needs a C++ compiler"
)


@pytest.mark.parametrize(
    "through",
    [spatial_maximum, pytest.param(torch.compile(spatial_maximum, dynamic=False), marks=needs_compiler)],
    ids=["plain", "compiled"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_it_is_the_maximum_and_equal_places_share_the_gradient(
    through: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    """Value and gradient are those of torch's amax, with and without places that are equal."""
    maps = torch.tensor([[[[1, 3], [3, 0]], [[2, 2], [2, 2]]], [[[0, 1], [2, 5]], [[7, 7], [1, 7]]]])
    ours, theirs = (maps.to(dtype).requires_grad_() for _ in range(2))
    found, known = through(ours), theirs.amax(dim=(2, 3))
    assert torch.equal(found, known)
    for value in (found, known):
        torch.autograd.backward(value.float().square().sum())
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)
