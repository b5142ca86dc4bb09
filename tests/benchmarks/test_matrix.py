"""The rate of a matrix product."""

from __future__ import annotations

from time import perf_counter

import torch

from plumbline.benchmarks.matrix import matrix_rate


def test_the_rate_is_that_of_the_fastest_product() -> None:
    """A product of known size, timed by hand in the same minute, is not ten times faster or slower."""
    left, right = torch.randn(2, 256, 256)
    seconds = []
    for _ in range(30):
        start = perf_counter()
        left @ right
        seconds.append(perf_counter() - start)
    by_hand = 2 * 256**3 / min(seconds)
    assert by_hand / 10 < matrix_rate(torch.float32, side=256, at_least=0.05) < by_hand * 10


def test_measuring_leaves_torch_as_it_was() -> None:
    """The precision that products are computed in is the one of before."""
    before = torch.get_float32_matmul_precision()
    matrix_rate(torch.bfloat16, side=64, at_least=0.0)
    assert torch.get_float32_matmul_precision() == before
