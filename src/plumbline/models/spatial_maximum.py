"""The maximum over places, for networks that may be compiled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def spatial_maximum(maps: Tensor) -> Tensor:
    """Give the maximum over the places of each map, (N, C) of (N, C, H, W); equal ones share the gradient.

    >>> spatial_maximum(torch.tensor([[[[1.0, 4.0], [2.0, 3.0]]]]))
    tensor([[4.]])
    """
    if torch.compiler.is_dynamo_compiling():  # not while a model is exported
        found: Tensor = _with_places(maps)[0]
        return found
    return maps.amax(dim=(2, 3))


# A compiled program may compute `maps` once more in its backward pass, at another precision than in its
# forward pass, and then finds the maximum nowhere: a gradient of 0 / 0 (bf16, torch 2.11 and 2.15). An
# operator that the compiler does not look into notes the places when it takes the maximum.
@torch.library.custom_op("plumbline::spatial_maximum", mutates_args=())
def _with_places(maps: Tensor) -> tuple[Tensor, Tensor]:
    found = maps.amax(dim=(2, 3))
    return found, (maps == found[..., None, None]).contiguous()


@_with_places.register_fake
def _(maps: Tensor) -> tuple[Tensor, Tensor]:
    return maps.new_empty(maps.shape[:2]), maps.new_empty(maps.shape, dtype=torch.bool)


def _keep_places(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:  # noqa: ANN401, ARG001
    ctx.save_for_backward(output[1])


def _share(ctx: Any, gradient: Tensor, _: Tensor | None) -> Tensor:  # noqa: ANN401
    (places,) = ctx.saved_tensors
    count = places.sum(dim=(2, 3), keepdim=True)
    shared: Tensor = places * (gradient[..., None, None] / count)
    return shared


_with_places.register_autograd(_share, setup_context=_keep_places)
