"""What a run is said to cost before it starts."""

from __future__ import annotations

import pytest
import torch

from plumbline.cli.expectation import expectation
from plumbline.records import ArithmeticPart
from plumbline.training.device import Compute

ARITHMETIC = ArithmeticPart(training_flop=646_000_000_000_000, matrix_flop_per_second=118e9)


@pytest.mark.parametrize(
    ("winograd", "ending"),
    [(False, "."), (True, ", not counting what Winograd's algorithm does beside its products.")],
)
def test_the_least_time_says_what_is_not_in_it(*, winograd: bool, ending: str) -> None:
    """It is the products' alone, and with Winograd's algorithm those are less than half of the work."""
    compute = Compute(device=torch.device("cpu"), name="X (avx2)", precision="fp32", winograd=winograd)
    told = expectation(ARITHMETIC, compute=compute)
    assert told.startswith(
        "Training takes 0.646 PFLOP; at 0.12 TFLOP/s, the rate of matrix products just now"
    )
    assert told.endswith(f"that is 1 h 31 min at the very least{ending}")
