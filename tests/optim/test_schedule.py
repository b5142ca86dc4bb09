import math
import warnings

import lightning
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader

from plumbline.errors import PlumblineError
from plumbline.optim import OneCycle, SgdOneCycle, one_cycle
from plumbline.optim.schedule import Anneal
from trainers import quiet_trainer


def _sgd() -> torch.optim.SGD:
    return torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0, momentum=0.5)


@pytest.mark.parametrize("total", [1, 2, 3, 7, 157, 880])
@pytest.mark.parametrize("warmup", [0.0, 0.25, 0.3, 0.9])
@pytest.mark.parametrize(("anneal", "their_name"), [("cosine", "cos"), ("linear", "linear")])
def test_every_step_agrees_with_torch(total: int, warmup: float, anneal: Anneal, their_name: str) -> None:
    """Rate and momentum of every step are those of torch's OneCycleLR, in both of its forms."""
    optimizer = _sgd()
    theirs = OneCycleLR(
        optimizer,
        max_lr=0.1,
        total_steps=total,
        pct_start=warmup,
        anneal_strategy=their_name,  # type: ignore[arg-type]
    )
    for step in range(total):
        value = one_cycle(step, total_steps=total, max_rate=0.1, warmup_fraction=warmup, anneal=anneal)
        assert value.rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        assert value.momentum == pytest.approx(optimizer.param_groups[0]["momentum"], rel=1e-9)
        optimizer.step()
        if step + 1 < total:
            theirs.step()


def test_a_peak_on_the_first_step_is_defined() -> None:
    """Where the peak falls on step 0, at which torch divides by zero, the cycle starts at the peak."""
    assert one_cycle(0, total_steps=10, max_rate=0.1, warmup_fraction=0.1).rate == 0.1


@given(st.integers(1, 5000), st.floats(0, 0.99), st.floats(1e-4, 10), st.integers(0, 10))
def test_the_last_step_lands_on_the_final_rate(total: int, warmup: float, rate: float, late: int) -> None:
    """The last step has the final rate exactly, later steps keep it, and no step leaves the range."""
    last = one_cycle(total - 1 + late, total_steps=total, max_rate=rate, warmup_fraction=warmup)
    assert last.rate == rate / 25.0 / 1e4
    assert last.momentum == 0.95
    value = one_cycle(total // 2, total_steps=total, max_rate=rate, warmup_fraction=warmup)
    assert last.rate * 0.999999 <= value.rate <= rate * 1.000001
    assert 0.85 - 1e-9 <= value.momentum <= 0.95 + 1e-9


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"total_steps": 0}, "total_steps"),
        ({"max_rate": 0.0}, "max_rate"),
        ({"max_rate": math.nan}, "max_rate"),
        ({"warmup_fraction": 1.0}, "warmup_fraction"),
        ({"start_divisor": 0.5}, "start_divisor"),
        ({"final_divisor": 0.0}, "final_divisor"),
        ({"base_momentum": 1.5}, "base_momentum: expected at least 0 and below 1"),
        ({"base_momentum": math.nan}, "base_momentum"),
        ({"max_momentum": 1.0}, "max_momentum"),
        ({"max_momentum": -0.1}, "max_momentum"),
        ({"anneal": "cos"}, "anneal: expected cosine or linear"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], word: str) -> None:
    """A setting outside its range is refused by name, by the function and by the scheduler alike."""
    wanted = {"total_steps": 10, "max_rate": 0.1} | settings
    with pytest.raises(PlumblineError, match=word):
        one_cycle(0, **wanted)  # type: ignore[arg-type]
    with pytest.raises(PlumblineError, match=word):
        OneCycle(_sgd(), **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, True)])
def test_a_cycle_without_momentum_has_nesterovs_form_off(momentum: float, nesterov: bool) -> None:  # noqa: FBT001
    """Recipes may ask for no momentum, for which that form is not defined; with momentum it stays on."""
    factory = SgdOneCycle(base_momentum=momentum, max_momentum=momentum)
    optimizer = factory(nn.Linear(2, 1), total_steps=8).optimizer
    assert optimizer.param_groups[0]["nesterov"] is nesterov
    assert optimizer.param_groups[0]["momentum"] == momentum


def test_a_negative_step_is_refused() -> None:
    """Steps are counted from 0."""
    with pytest.raises(PlumblineError, match="step"):
        one_cycle(-1, total_steps=10, max_rate=0.1)


def test_the_scheduler_sets_both_numbers_in_every_group() -> None:
    """Rate and momentum of all groups follow the pure function, from before the first step on."""
    layers = [nn.Linear(2, 1), nn.Linear(2, 1)]
    groups = [{"params": layer.parameters()} for layer in layers]
    optimizer = torch.optim.SGD(groups, lr=1.0, momentum=0.5)
    scheduler = OneCycle(optimizer, total_steps=8, max_rate=0.1)
    for step in range(12):
        value = one_cycle(step, total_steps=8, max_rate=0.1)
        for group in optimizer.param_groups:
            assert (group["lr"], group["momentum"]) == (value.rate, value.momentum)
        assert scheduler.get_last_lr() == [value.rate, value.rate]
        optimizer.step()
        scheduler.step()


def test_adam_takes_its_first_beta_from_the_cycle() -> None:
    """For Adam momentum is the first beta; the second one stays."""
    optimizer = torch.optim.AdamW(nn.Linear(2, 1).parameters(), betas=(0.5, 0.99))
    OneCycle(optimizer, total_steps=8, max_rate=0.1)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.99)


def test_a_reloaded_scheduler_continues_where_it_was() -> None:
    """State is plain numbers, and a new scheduler with it gives the same remaining steps."""
    first = OneCycle(_sgd(), total_steps=8, max_rate=0.1)
    for _ in range(3):
        first.step()
    state = first.state_dict()
    assert all(isinstance(value, int | float) for value in state.values())
    optimizer = _sgd()
    second = OneCycle(optimizer, total_steps=8, max_rate=0.1)
    second.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == one_cycle(3, total_steps=8, max_rate=0.1).rate
    second.step()
    assert second.get_last_lr() == [one_cycle(4, total_steps=8, max_rate=0.1).rate]


def test_the_state_of_another_schedule_is_refused() -> None:
    """A checkpoint with another total is not continued silently."""
    state = OneCycle(_sgd(), total_steps=8, max_rate=0.1).state_dict()
    with pytest.raises(PlumblineError, match=r"total_steps.*9.*8"):
        OneCycle(_sgd(), total_steps=9, max_rate=0.1).load_state_dict(state)


@pytest.mark.parametrize(("written", "read"), [("cosine", "linear"), ("linear", "cosine")])
def test_the_state_of_the_other_form_is_refused(written: Anneal, read: Anneal) -> None:
    """A cycle of halves of a cosine is not continued by lines, nor the other way round."""
    state = OneCycle(_sgd(), total_steps=8, max_rate=0.1, anneal=written).state_dict()
    with pytest.raises(PlumblineError, match="anneal"):
        OneCycle(_sgd(), total_steps=8, max_rate=0.1, anneal=read).load_state_dict(state)


def test_a_left_out_first_step_gives_no_warning() -> None:
    """A gradient scaler may leave out the first optimizer step; the scheduler says nothing."""
    scheduler = OneCycle(_sgd(), total_steps=8, max_rate=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
        scheduler.step()


class _Line(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.rates: list[float] = []

    def training_step(self, batch: torch.Tensor, _index: int) -> torch.Tensor:
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return self.layer(batch).square().mean()  # type: ignore[no-any-return]

    def configure_optimizers(self) -> lightning.pytorch.utilities.types.OptimizerLRScheduler:
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0, momentum=0.9, nesterov=True)
        total = int(self.trainer.estimated_stepping_batches)
        scheduler = OneCycle(optimizer, total_steps=total, max_rate=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning's own use of torch
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize("batches", [3, 4])
def test_in_a_plain_trainer_the_last_step_uses_the_final_rate(batches: int) -> None:
    """A Lightning Trainer that steps it after each batch ends the training on the final rate exactly."""
    module = _Line()
    trainer = quiet_trainer(max_epochs=2, log_every_n_steps=1)
    trainer.fit(module, DataLoader(torch.ones(5 * batches - 1, 2), batch_size=5))  # type: ignore[arg-type]
    expected = [one_cycle(step, total_steps=2 * batches, max_rate=0.1).rate for step in range(2 * batches)]
    assert module.rates == expected
    assert module.rates[-1] == 0.1 / 25 / 1e4
