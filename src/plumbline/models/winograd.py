"""3x3 convolutions with a quarter of the multiplications, for training in fp32 on a CPU.

Winograd's minimal filtering F(4x4, 3x3) after Lavin and Gray, "Fast Algorithms for Convolutional Neural
Networks" (arXiv 1509.09308): a tile of 6x6 inputs and a filter are each brought to 36 points, multiplied at
each of them by a matrix product over the channels, and brought back to 4x4 outputs. Both gradients are the
adjoint of that, so they take a quarter too. It is made of torch's own operations, some hundred tiles at a
time, so that what lies between two of them stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils.flop_counter import register_flop_formula

_OUT, _IN = 4, 6
_POINTS = _IN * _IN
_TILES_AT_ONCE = 512
# Fewer rows than this, and reading the filters of 36 points is what a product spends its time on.
_FEWEST_TILES = 128
# A tile's way to the points and back costs as much as this many products for each of its channels, by
# measurements of single layers (docs/methods/winograd.md).
_TRANSFORM_COST = 75.0
_LEAST_GAIN = 1.1

_FILTER_TO_POINTS = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)


def winograd_convolution(images: Tensor, filters: Tensor) -> Tensor:
    """Convolve with 3x3 filters, stride 1 and a border of one zero, and be differentiable once.

    Args:
        images: floats (N, C, H, W) on a CPU; fastest with their channels last.
        filters: floats (K, C, 3, 3) of the same type.

    Returns:
        (N, K, H, W), channels last: `torch.conv2d(images, filters, padding=1)` within some 1e-6 of its
        largest value in fp32.

    """
    found: tuple[Tensor, Tensor] = _forward(images, filters)
    return found[0]


class WinogradConv2d(nn.Conv2d):
    """A `Conv2d` that trains by `winograd_convolution` where that is quicker, and evaluates as ever."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
        if not (self.training and is_quicker(input.shape, outputs=self.out_channels)):
            plain: Tensor = super()._conv_forward(input, weight, bias)
            return plain
        outputs = winograd_convolution(input, weight)
        return outputs if bias is None else outputs + bias[:, None, None]


def use_winograd(model: nn.Module) -> None:
    """Let every 3x3 convolution of a network train by Winograd's algorithm; its weights stay as they are."""
    for layer in model.modules():
        if type(layer) is nn.Conv2d and _is_supported(layer):
            layer.__class__ = WinogradConv2d


def _is_supported(layer: nn.Conv2d) -> bool:
    shape = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups, layer.padding_mode)
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")


def is_quicker(images: Sequence[int], *, outputs: int) -> bool:
    """Tell whether images (N, C, H, W) are convolved to so many channels faster than by the definition.

    >>> is_quicker((128, 256, 8, 8), outputs=256), is_quicker((128, 16, 8, 8), outputs=16)
    (True, False)
    """
    count, inputs, height, width = images
    rows, columns = _tiles(height), _tiles(width)
    if count * rows * columns < _FEWEST_TILES:
        return False
    used = height * width / (rows * columns * _OUT * _OUT)
    return 4 * used > _LEAST_GAIN * (1 + _TRANSFORM_COST * (1 / inputs + 1 / outputs))


def _tiles(side: int) -> int:
    return -(-side // _OUT)


# Operators of their own, so that operations are counted and programs compiled without looking inside.
@torch.library.custom_op("plumbline::winograd", mutates_args=())
def _forward(images: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    last = images.permute(0, 2, 3, 1).contiguous()
    count, height, width, inputs = last.shape
    outputs = len(filters)
    points = _filters_to_points(filters)
    out = last.new_empty(count, height, width, outputs)
    for chunk, made in _chunks(last, out):
        found = _inputs_to_points(chunk)
        products = torch.bmm(found.view(_POINTS, -1, inputs), points.transpose(1, 2))
        _points_to_outputs(products.view(*found.shape[:-1], outputs), out=made)
    return out.permute(0, 3, 1, 2), points


@torch.library.custom_op("plumbline::winograd_backward", mutates_args=())
def _backward(gradient: Tensor, images: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    last, wanted = (maps.permute(0, 2, 3, 1).contiguous() for maps in (images, gradient))
    outputs, inputs = points.shape[1:]
    of_images, of_points = torch.empty_like(last), torch.zeros_like(points)
    for chunk, above, made in _chunks(last, wanted, of_images):
        found = _inputs_to_points(chunk)
        products = _outputs_to_points(above).view(_POINTS, -1, outputs)
        of_points.baddbmm_(products.transpose(1, 2), found.view(_POINTS, -1, inputs))
        _points_to_inputs(torch.bmm(products, points).view_as(found), out=made)
    of_filters = torch.mm(_nine_to_36(points).t(), of_points.view(_POINTS, -1))
    return of_images.permute(0, 3, 1, 2), of_filters.view(3, 3, outputs, inputs).permute(2, 3, 0, 1)


@_forward.register_fake
def _(images: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    count, inputs, height, width = images.shape
    out = images.new_empty(count, height, width, len(filters)).permute(0, 3, 1, 2)
    return out, filters.new_empty(_POINTS, len(filters), inputs)


@_backward.register_fake
def _(gradient: Tensor, images: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    of_images = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return torch.empty_like(of_images), points.new_empty(3, 3, *points.shape[1:]).permute(2, 3, 0, 1)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:  # noqa: ANN401
    ctx.save_for_backward(inputs[0], output[1])


def _give_back(ctx: Any, gradient: Tensor, _: Tensor | None) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    images, points = ctx.saved_tensors
    found: tuple[Tensor, Tensor] = _backward(gradient, images, points)
    return found


_forward.register_autograd(_give_back, setup_context=_keep)


@register_flop_formula(torch.ops.plumbline.winograd)
def _forward_flops(images: Sequence[int], filters: Sequence[int], **_: object) -> int:
    count, inputs, height, width = images
    return 2 * _POINTS * count * _tiles(height) * _tiles(width) * inputs * filters[0]


@register_flop_formula(torch.ops.plumbline.winograd_backward)
def _backward_flops(_: object, images: Sequence[int], points: Sequence[int], **__: object) -> int:
    return 2 * _forward_flops(images, points[1:])


def _chunks(*maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Give so many images of each of the maps (N, H, W, …) at a time that their tiles stay in the cache."""
    tiles = _tiles(maps[0].shape[1]) * _tiles(maps[0].shape[2])
    return zip(*(torch.split(each, max(1, _TILES_AT_ONCE // tiles)) for each in maps), strict=True)


def _nine_to_36(like: Tensor) -> Tensor:
    """Give the way of a filter's 3x3 weights, rows first, to 6x6 points, columns first: (36, 9)."""
    both = torch.einsum("ia,jb->jiab", _FILTER_TO_POINTS, _FILTER_TO_POINTS)
    return both.reshape(_POINTS, 9).to(like)


def _filters_to_points(filters: Tensor) -> Tensor:
    """Bring filters (K, C, 3, 3) to their points (36, K, C)."""
    nine = filters.permute(2, 3, 0, 1).reshape(9, -1)
    return torch.mm(_nine_to_36(filters), nine).view(_POINTS, *filters.shape[:2])


def _inputs_to_points(maps: Tensor) -> Tensor:
    """Bring maps (N, H, W, C) to the points (6, 6, N, rows, columns, C) of their tiles, columns first."""
    count, height, width, channels = maps.shape
    rows, columns = _tiles(height), _tiles(width)
    high, wide = _OUT * rows + 2, _OUT * columns + 2
    padded = pad(maps, (0, 0, 1, wide - 1 - width, 1, high - 1 - height))
    half = maps.new_empty(_IN, count, rows, wide, channels)
    _to_points([padded[:, i : i + high - 5 : _OUT] for i in range(_IN)], out=half)
    points = maps.new_empty(_IN, _IN, count, rows, columns, channels)
    _to_points([half[:, :, :, j : j + wide - 5 : _OUT] for j in range(_IN)], out=points)
    return points


def _points_to_inputs(points: Tensor, *, out: Tensor) -> None:
    """Do the adjoint of `_inputs_to_points`: write into maps (N, H, W, C) what their tiles get together."""
    _, _, count, rows, columns, channels = points.shape
    # Room for one tile more than there is: each tile's last two lines fall on the next one's first two.
    half = points.new_empty(_IN, count, rows, _OUT * (columns + 1), channels)
    _to_inputs(
        points.movedim(4, 1), out=half.view(_IN, count, rows, -1, _OUT, channels).permute(4, 3, 0, 1, 2, 5)
    )
    whole = points.new_empty(count, _OUT * (rows + 1), half.shape[3], channels)
    _to_inputs(
        half.movedim(2, 1), out=whole.view(count, -1, _OUT, half.shape[3], channels).permute(2, 1, 0, 3, 4)
    )
    out.copy_(whole[:, 1 : 1 + out.shape[1], 1 : 1 + out.shape[2]])


def _points_to_outputs(points: Tensor, *, out: Tensor) -> None:
    """Bring points (6, 6, N, rows, columns, K), columns first, to the outputs (N, H, W, K)."""
    _, _, count, rows, columns, channels = points.shape
    half = points.new_empty(_OUT, *points.shape[1:])
    _to_outputs(points, out=half)
    whole = points.new_empty(count, rows, _OUT, columns, _OUT, channels)
    _to_outputs(half.unbind(1), out=whole.permute(2, 4, 0, 1, 3, 5))
    out.copy_(whole.view(count, _OUT * rows, _OUT * columns, channels)[:, : out.shape[1], : out.shape[2]])


def _outputs_to_points(maps: Tensor) -> Tensor:
    """Do the adjoint of `_points_to_outputs`: bring maps (N, H, W, K) to (6, 6, N, rows, columns, K)."""
    count, height, width, channels = maps.shape
    rows, columns = _tiles(height), _tiles(width)
    padded = pad(maps, (0, 0, 0, _OUT * columns - width, 0, _OUT * rows - height))
    tiles = padded.view(count, rows, _OUT, columns, _OUT, channels).permute(2, 4, 0, 1, 3, 5)
    half = maps.new_empty(_IN, _OUT, count, rows, columns, channels)
    _from_outputs(tiles, out=half)
    points = maps.new_empty(_IN, _IN, count, rows, columns, channels)
    _from_outputs(half.unbind(1), out=points)
    return points


Lines = Tensor | Sequence[Tensor]


def _to_points(lines: Lines, *, out: Tensor) -> None:
    """Multiply six lines by the 6x6 matrix of the inputs, in as few additions as there are."""
    x0, x1, x2, x3, x4, x5 = lines
    even, odd = torch.sub(x4, x2, alpha=4), torch.sub(x3, x1, alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.sub(x4, x2, out=even)
    torch.sub(x3, x1, out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    torch.sub(x0, x2, out=out[0]).mul_(4).add_(even)
    torch.sub(x5, x3, out=out[5]).sub_(odd, alpha=4)


def _to_inputs(points: Lines, *, out: Tensor) -> None:
    """Multiply six lines (tiles, …) by its transpose; `out` is (4, tiles + 1, …).

    Lines 4 and 5 of a tile are the next one's 0 and 1, and added there.
    """
    p0, p1, p2, p3, p4, p5 = points
    tiles = out.shape[1] - 1
    x0, x1, x2, x3 = (line[:tiles] for line in out)
    swap = torch.add(p1, p2)
    differ, far = torch.sub(p1, p2), torch.sub(p3, p4)
    out[:2, tiles].zero_()
    torch.mul(p0, 4, out=x0)
    torch.sub(p5, differ, out=x1).mul_(4).sub_(far, alpha=2)
    torch.add(differ, far, alpha=2, out=x3).sub_(p5, alpha=5)
    near, beyond = swap.add_(p0), torch.add(p3, p4, out=far)
    torch.add(beyond, near, alpha=4, out=x2).add_(p0).neg_()
    out[0, 1:].add_(near.add_(beyond))
    out[1, 1:].add_(p5)


def _to_outputs(points: Lines, *, out: Tensor) -> None:
    """Multiply six lines by the 4x6 matrix of the outputs."""
    p0, p1, p2, p3, p4, p5 = points
    near, differ = torch.add(p1, p2), torch.sub(p1, p2)
    far, apart = torch.add(p3, p4), torch.sub(p3, p4)
    torch.add(p0, near, out=out[0]).add_(far)
    torch.add(differ, apart, alpha=2, out=out[1])
    torch.add(near, far, alpha=4, out=out[2])
    torch.add(differ, apart, alpha=8, out=out[3]).add_(p5)


def _from_outputs(lines: Lines, *, out: Tensor) -> None:
    """Multiply four lines by its transpose."""
    y0, y1, y2, y3 = lines
    even, odd = torch.add(y0, y2), torch.add(y1, y3)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.add(y0, y2, alpha=4, out=even)
    torch.add(y1, y3, alpha=4, out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    out[0].copy_(y0)
    out[5].copy_(y3)
