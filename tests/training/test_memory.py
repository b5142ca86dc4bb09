"""What does not fit into memory is told before training, with what would."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.training.device import choose_compute
from plumbline.training.memory import MemoryNeed, check_memory, free_memory, memory_need


def network(*, width: int) -> nn.Module:
    """Give a network of two convolutions."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 2),
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_need_grows_with_width_and_with_the_area_of_the_images(precision: str) -> None:
    """Twice the width keeps about twice the bytes an image; twice the side keeps four times."""
    compute = choose_compute("cpu", precision=precision)
    small, wide = (memory_need(network(width=width), image_size=16, compute=compute) for width in (64, 128))
    large = memory_need(network(width=64), image_size=32, compute=compute)
    assert 1.9 < wide.per_image / small.per_image < 2.1
    assert 3.9 < large.per_image / small.per_image < 4.1
    assert large.fixed == small.fixed


@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("bf16", 2)])
def test_the_need_covers_what_backward_keeps(precision: str, size: int) -> None:
    """Input and both ReLUs' outputs must be kept: no less than these is counted, and no weight an image."""
    need = memory_need(network(width=64), image_size=16, compute=choose_compute("cpu", precision=precision))
    kept = (3 + 64 + 64) * 16 * 16 * size
    assert kept <= need.per_image < 2.5 * kept


def test_the_model_itself_is_left_as_it_was() -> None:
    """Statistics and gradients are those of before."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(2))
    model(torch.zeros(2, 3, 8, 8))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    memory_need(model, image_size=8, compute=choose_compute("cpu"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_too_large_a_batch_is_refused_with_one_that_fits() -> None:
    """The size that is named does fit, and one image more does not."""
    need = MemoryNeed(fixed=1_000, per_image=100)
    with pytest.raises(PlumblineError, match=r"batches of 200 images.*--set batch_size=80 fits"):
        check_memory(need, batch_size=200, free=10_000)
    check_memory(need, batch_size=80, free=10_000)
    with pytest.raises(PlumblineError):
        check_memory(need, batch_size=81, free=10_000)


def test_where_nothing_fits_it_is_said() -> None:
    """No batch size is named that would not help."""
    with pytest.raises(PlumblineError, match="no batch size fits"):
        check_memory(MemoryNeed(fixed=10_000, per_image=100), batch_size=2, free=1_000)


def test_unknown_memory_refuses_nothing() -> None:
    """Where the free memory cannot be known, training may try."""
    check_memory(MemoryNeed(fixed=10**15, per_image=1), batch_size=2, free=None)


def test_this_machine_has_memory() -> None:
    """On Linux the free memory is known and is a sensible number."""
    free = free_memory(choose_compute("cpu"))
    assert free is None or 10**8 < free < 10**14
