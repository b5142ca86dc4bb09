"""Rates fall in a line, and a group that ends early is left out of backward."""

import warnings

import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.optim import LinearDecay, OneCycle, linear_decay


def _sgd(*, rate: float = 2.0, **ends: float) -> torch.optim.SGD:
    """Give one layer at a rate of 2, its bias at 4 in a group that may end early."""
    layer = nn.Linear(2, 1)
    groups = [{"params": [layer.weight], "lr": rate}, {"params": [layer.bias], "lr": 4.0, **ends}]
    return torch.optim.SGD(groups)


def _parameter(optimizer: torch.optim.Optimizer, *, group: int) -> nn.Parameter:
    parameter = optimizer.param_groups[group]["params"][0]
    assert isinstance(parameter, nn.Parameter)
    return parameter


def _state(parameter: nn.Parameter) -> tuple[bool, torch.Tensor | None]:
    return parameter.requires_grad, parameter.grad


def test_the_last_step_still_moves() -> None:
    """By default the factor falls from 1 in equal parts, and is one part in the last step."""
    factors = [linear_decay(step, total_steps=8) for step in range(10)]
    assert factors == [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0, 0]


def test_the_floor_is_reached_at_its_step_and_kept() -> None:
    """The line ends at the given fraction of the steps, and what it ends on is kept."""
    factors = [
        linear_decay(step, total_steps=100, decay_fraction=0.8, final_fraction=0.05) for step in range(120)
    ]
    assert factors[0] == 1
    assert factors[40] == pytest.approx(0.525)
    assert factors[79] > 0.05
    assert set(factors[80:]) == {0.05}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"total_steps": 0}, "total_steps"),
        ({"decay_fraction": 0.0}, "decay_fraction"),
        ({"decay_fraction": 1.1}, "decay_fraction"),
        ({"decay_fraction": float("nan")}, "decay_fraction"),
        ({"final_fraction": -0.1}, "final_fraction"),
        ({"final_fraction": 1.0}, "final_fraction"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, float], word: str) -> None:
    """A setting outside its range is refused by name, by the function and by the scheduler alike."""
    wanted = {"total_steps": 10} | settings
    with pytest.raises(PlumblineError, match=word):
        linear_decay(0, **wanted)  # type: ignore[arg-type]
    with pytest.raises(PlumblineError, match=word):
        LinearDecay(_sgd(), **wanted)  # type: ignore[arg-type]


def test_a_negative_step_and_an_impossible_end_are_refused() -> None:
    """Steps are counted from 0, and a group ends within the training."""
    with pytest.raises(PlumblineError, match="step"):
        linear_decay(-1, total_steps=10)
    with pytest.raises(PlumblineError, match="ends_at_fraction"):
        LinearDecay(_sgd(ends_at_fraction=1.5), total_steps=10)


def test_every_group_keeps_its_own_rate() -> None:
    """Each group's first rate is scaled by the same factor, from before the first step on."""
    optimizer = _sgd()
    scheduler = LinearDecay(optimizer, total_steps=8, decay_fraction=0.75, final_fraction=0.1)
    for step in range(10):
        factor = linear_decay(step, total_steps=8, decay_fraction=0.75, final_fraction=0.1)
        assert [group["lr"] for group in optimizer.param_groups] == [2 * factor, 4 * factor]
        assert scheduler.get_last_lr() == [2 * factor, 4 * factor]
        scheduler.step()


def test_a_group_that_ends_early_falls_to_zero_and_is_left_out_of_backward() -> None:
    """Its parameters take gradients up to its end and none from there on; the others always do."""
    optimizer = _sgd(ends_at_fraction=0.5)
    weight, bias = _parameter(optimizer, group=0), _parameter(optimizer, group=1)
    scheduler = LinearDecay(optimizer, total_steps=8, final_fraction=0.1)
    for step in range(8):
        assert optimizer.param_groups[0]["lr"] == 2 * linear_decay(step, total_steps=8, final_fraction=0.1)
        assert optimizer.param_groups[1]["lr"] == 4 * max(0, 1 - step / 4)
        assert bias.requires_grad == (step < 4)
        assert bias.grad is None or step < 4
        (weight.sum() + bias.sum()).backward()  # type: ignore[no-untyped-call]
        assert (bias.grad is not None) == (step < 4)
        optimizer.step()
        scheduler.step()
    assert weight.requires_grad


def test_ending_at_zero_is_never_trained_and_at_one_always() -> None:
    """0 freezes before the first step, 1 trains in all of them."""
    never, always = _sgd(ends_at_fraction=0), _sgd(ends_at_fraction=1)
    LinearDecay(never, total_steps=4)
    scheduler = LinearDecay(always, total_steps=4)
    assert not _parameter(never, group=1).requires_grad
    assert never.param_groups[1]["lr"] == 0
    for _ in range(3):
        scheduler.step()
    assert _parameter(always, group=1).requires_grad


def test_a_reloaded_scheduler_continues_where_it_was() -> None:
    """Behind the end of a group its parameters are frozen at once, before it they take gradients again."""
    first, early = _sgd(ends_at_fraction=0.5), _sgd(ends_at_fraction=0.5)
    scheduler = LinearDecay(first, total_steps=8)
    start = scheduler.state_dict()
    for _ in range(5):
        scheduler.step()
    second = LinearDecay(early, total_steps=8)
    bias = _parameter(early, group=1)
    bias.grad = torch.ones_like(bias)
    second.load_state_dict(scheduler.state_dict())
    assert _state(bias) == (False, None)
    assert second.get_last_lr() == [2 * 3 / 8, 0] == [group["lr"] for group in early.param_groups]
    second.step()
    assert second.get_last_lr() == [2 * 2 / 8, 0]
    second.load_state_dict(start)
    assert _state(bias) == (True, None)
    assert early.param_groups[1]["lr"] == 4


@pytest.mark.parametrize(
    "other",
    [
        LinearDecay(_sgd(), total_steps=9),
        LinearDecay(_sgd(), total_steps=8, final_fraction=0.1),
        LinearDecay(_sgd(ends_at_fraction=0.5), total_steps=8),
        LinearDecay(_sgd(rate=3.0), total_steps=8),
        OneCycle(_sgd(), total_steps=8, max_rate=0.1),
    ],
    ids=["total", "floor", "end", "rates", "one-cycle"],
)
def test_the_state_of_another_schedule_is_refused(other: LinearDecay | OneCycle) -> None:
    """A checkpoint of other steps, fractions, rates or kind is not continued silently, and nothing moves."""
    scheduler = LinearDecay(_sgd(), total_steps=8)
    other.step()
    with pytest.raises(PlumblineError, match=r"Resume with"):
        scheduler.load_state_dict(other.state_dict())
    assert scheduler.last_epoch == 0


def test_a_left_out_first_step_gives_no_warning() -> None:
    """A gradient scaler may leave out the first optimizer step; the scheduler says nothing."""
    scheduler = LinearDecay(_sgd(), total_steps=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
        scheduler.step()
