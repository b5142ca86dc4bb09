"""How fast this machine multiplies matrices: what a step's arithmetic would take at best."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import torch

_CPU_SIDE, _CUDA_SIDE = 4096, 8192


def settle(device: torch.device) -> None:
    """Wait until a device has done all it was given; a clock that is read earlier says nothing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def matrix_rate(
    dtype: torch.dtype,
    *,
    device: torch.device | str = "cpu",
    side: int | None = None,
    at_least: float = 1.0,
) -> float:
    """Give the best rate of a square matrix product within `at_least` seconds, in operations a second.

    `side` is 4096, or 8192 on CUDA, unless given. On CUDA fp32 products may use TF32, as convolutions do
    there by default. The first product warms up and is left out; at least one more is made.
    """
    place = torch.device(device)
    side = side or (_CUDA_SIDE if place.type == "cuda" else _CPU_SIDE)
    left, right = torch.randn(2, side, side, device=place).to(dtype)
    seconds: list[float] = []
    with _tensor_cores(place):
        end = perf_counter() + at_least
        while len(seconds) < 2 or perf_counter() < end:
            settle(place)
            start = perf_counter()
            left @ right
            settle(place)
            seconds.append(perf_counter() - start)
    return 2 * side**3 / min(seconds[1:])


@contextmanager
def _tensor_cores(device: torch.device) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
