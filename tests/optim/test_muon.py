"""Muon against an SVD and the published step; SGD equals torch's to the bit."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plumbline.errors import PlumblineError
from plumbline.optim import MuonSgd, newton_schulz
from plumbline.streams import stream_generator

SETTLING = (15 / 8, -10 / 8, 3 / 8)
SHAPES = [(8, 3, 3, 3), (16, 8, 3, 3), (8, 3, 3, 3), (4, 2, 1, 1)]


def _random(*shape: int, position: int = 0) -> Tensor:
    return torch.randn(*shape, generator=stream_generator(0, "init", position))


def _filters(*, channels_last: bool = False) -> list[nn.Parameter]:
    form = torch.channels_last if channels_last else torch.contiguous_format
    return [
        nn.Parameter(_random(*shape, position=i).to(memory_format=form)) for i, shape in enumerate(SHAPES)
    ]


def _give_gradients(parameters: list[nn.Parameter], *, step: int) -> None:
    for i, parameter in enumerate(parameters):
        parameter.grad = torch.empty_like(parameter).copy_(
            _random(*parameter.shape, position=1000 * (step + 1) + i)
        )


def _muon(parameters: list[nn.Parameter], *, rate: float = 0.1, momentum: float = 0.6) -> MuonSgd:
    return MuonSgd([{"params": parameters, "kind": "muon", "lr": rate, "momentum": momentum}])


def _conditioned(*, rows: int, columns: int, values: Tensor) -> Tensor:
    """Give a matrix with the given singular values."""
    u, _, vt = torch.linalg.svd(_random(rows, columns), full_matrices=False)
    matrix: Tensor = u * values @ vt
    return matrix


@pytest.mark.parametrize(("rows", "columns"), [(6, 6), (5, 40), (40, 5)])
def test_singular_vectors_stay_and_values_come_near_one(rows: int, columns: int) -> None:
    """Three default steps leave U and V as they are and bring the values into 0.3 to 1.5."""
    matrix = _conditioned(rows=rows, columns=columns, values=torch.linspace(1, 5, min(rows, columns)))
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    turned = u.T @ newton_schulz(matrix) @ vt.T
    values = turned.diagonal()
    assert 0.3 < values.min() < values.max() < 1.5
    torch.testing.assert_close(turned, values.diag(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("rows", "columns"), [(6, 6), (5, 40), (40, 5)])
def test_settling_coefficients_reach_the_svd(rows: int, columns: int) -> None:
    """With convergent coefficients and more steps the result is U Vᵀ."""
    matrix = _conditioned(rows=rows, columns=columns, values=torch.linspace(1, 5, min(rows, columns)))
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    found = newton_schulz(matrix, steps=10, coefficients=SETTLING)
    torch.testing.assert_close(found, u @ vt, atol=1e-3, rtol=0)


def test_every_matrix_of_a_batch_is_taken_for_itself() -> None:
    """Leading dimensions are kept, and a large neighbour changes nothing."""
    batch = _random(2, 3, 7, 4) * torch.tensor([1.0, 1e3, 1e-3])[:, None, None]
    found = newton_schulz(batch)
    assert found.shape == batch.shape
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(found[i, j], newton_schulz(batch[i, j]), atol=1e-5, rtol=1e-5)


def test_the_scale_of_a_matrix_does_not_matter() -> None:
    """Very small and very large matrices give the same result."""
    matrix = _random(4, 9)
    for scale in (1e-9, 1e9):
        torch.testing.assert_close(newton_schulz(scale * matrix), newton_schulz(matrix), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_zero_matrix_stays_zero(dtype: torch.dtype) -> None:
    """Nothing is divided by a norm of zero, and what is nearly zero does not blow up."""
    assert not newton_schulz(torch.zeros(2, 3, 5, dtype=dtype)).any()
    assert newton_schulz(torch.full((3, 5), 1e-30)).abs().max() < 1e-6


def test_bf16_computes_nearly_the_same_and_gives_back_fp32() -> None:
    """The dtype is that of the computation only."""
    matrix = _conditioned(rows=16, columns=40, values=torch.linspace(1, 5, 16))
    found = newton_schulz(matrix, dtype=torch.bfloat16)
    assert found.dtype == torch.float32
    difference = (found - newton_schulz(matrix)).norm() / newton_schulz(matrix).norm()
    assert 0 < difference < 0.03
    assert newton_schulz(matrix.half()).dtype == torch.float16


def test_newton_schulz_refuses_vectors_and_no_steps() -> None:
    """What is no matrix and what is no iteration is refused by name."""
    with pytest.raises(PlumblineError, match="matrices"):
        newton_schulz(torch.ones(3))
    with pytest.raises(PlumblineError, match="steps"):
        newton_schulz(torch.ones(3, 3), steps=0)


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_muon_step_is_the_published_one(channels_last: bool) -> None:  # noqa: FBT001
    """Filter by filter: rescaled, then moved along the orthogonal form of its Nesterov momentum."""
    filters = _filters(channels_last=channels_last)
    expected = [p.detach().clone() for p in filters]
    buffers = [torch.zeros_like(p) for p in filters]
    optimizer = _muon(filters)
    for step in range(3):
        _give_gradients(filters, step=step)
        for i, p in enumerate(filters):
            assert p.grad is not None
            buffers[i] = 0.6 * buffers[i] + p.grad
            direction = (p.grad + 0.6 * buffers[i]).flatten(1)
            rescaled = expected[i] * len(p) ** 0.5 / expected[i].norm()
            expected[i] = rescaled - 0.1 * newton_schulz(direction).view(p.shape)
        optimizer.step()
    for p, wanted in zip(filters, expected, strict=True):
        torch.testing.assert_close(p.detach(), wanted, atol=1e-5, rtol=1e-5)
        if channels_last:
            assert p.is_contiguous(memory_format=torch.channels_last)
            assert optimizer.state[p]["momentum_buffer"].is_contiguous(memory_format=torch.channels_last)


def test_steps_and_dtype_reach_the_iteration() -> None:
    """Other Newton-Schulz settings move the filters elsewhere."""
    moved = []
    for steps, dtype in ((3, None), (5, None), (3, torch.bfloat16)):
        filters = _filters()
        _give_gradients(filters, step=0)
        groups = [{"params": filters, "kind": "muon", "lr": 0.1, "momentum": 0.6}]
        MuonSgd(groups, newton_schulz_steps=steps, dtype=dtype).step()
        assert filters[0].dtype == torch.float32
        moved.append(filters[0].detach())
    assert not torch.equal(moved[0], moved[1])
    assert not torch.equal(moved[0], moved[2])


def test_a_filter_of_zeros_stays_finite() -> None:
    """Rescaling does not divide by zero."""
    zero = nn.Parameter(torch.zeros(4, 2, 3, 3))
    zero.grad = _random(4, 2, 3, 3)
    _muon([zero]).step()
    assert torch.isfinite(zero).all()
    assert zero.any()


@pytest.mark.parametrize("momentum", [0.0, 0.85])
def test_the_sgd_part_is_that_of_torch(momentum: float) -> None:
    """Over several steps, gradients missing now and then, weights are torch's to the bit."""
    mine = [nn.Parameter(_random(5, 3)), nn.Parameter(_random(7, position=1))]
    theirs = copy.deepcopy(mine)
    group = {"kind": "sgd", "lr": 0.1, "momentum": momentum, "weight_decay": 0.02}
    optimizer = MuonSgd([{"params": mine, **group}])
    reference = torch.optim.SGD(theirs, lr=0.1, momentum=momentum, weight_decay=0.02, nesterov=momentum > 0)
    for step in range(6):
        _give_gradients(mine, step=step)
        _give_gradients(theirs, step=step)
        if step in (0, 3):
            mine[1].grad = theirs[1].grad = None
        optimizer.step()
        reference.step()
        for a, b in zip(mine, theirs, strict=True):
            assert torch.equal(a, b)


def test_a_parameter_without_gradient_is_left_alone() -> None:
    """Neither momentum nor decay nor rescaling touches it, once there is momentum too."""
    filters, bias = _filters(), nn.Parameter(torch.ones(3))
    optimizer = MuonSgd(
        [
            {"params": filters, "kind": "muon", "lr": 0.1, "momentum": 0.6},
            {"params": [bias], "kind": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
        ]
    )
    _give_gradients([*filters, bias], step=0)
    optimizer.step()
    _give_gradients([*filters, bias], step=1)
    filters[0].grad = bias.grad = None
    before = [filters[0].clone(), bias.clone(), filters[2].clone()]
    kept = optimizer.state[bias]["momentum_buffer"].clone()
    optimizer.step()
    assert torch.equal(filters[0], before[0])
    assert torch.equal(bias, before[1])
    assert torch.equal(optimizer.state[bias]["momentum_buffer"], kept)
    assert not torch.equal(filters[2], before[2])  # of the same shape as the one left alone


def test_step_waits_for_no_value() -> None:
    """On tensors that have no values at all, every operation of a step is possible."""
    filters = [nn.Parameter(torch.empty(shape, device="meta")) for shape in SHAPES]
    head = nn.Parameter(torch.empty(4, 3, device="meta"))
    for p in (*filters, head):
        p.grad = torch.empty_like(p)
    optimizer = MuonSgd(
        [
            {"params": filters, "kind": "muon", "lr": 0.1, "momentum": 0.6},
            {"params": [head], "kind": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
        ]
    )
    optimizer.step()
    optimizer.step()
    assert optimizer.state[filters[0]]["momentum_buffer"].is_meta


def test_a_closure_is_run_with_gradients_and_its_loss_returned() -> None:
    """`step` follows torch's protocol for closures; without one it returns nothing."""
    filters = _filters()
    optimizer = _muon(filters)

    def closure() -> float:
        loss = torch.stack([p.square().mean() for p in filters]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    assert optimizer.step(closure) > 0
    assert filters[0].grad is not None
    assert not optimizer.step()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda whole: pickle.loads(pickle.dumps(whole))])  # noqa: S301
def test_a_copy_steps_as_the_original(copied: Callable[[object], Any]) -> None:
    """Copied or pickled along with its filters it keeps its settings; a checkpoint still has none of them."""
    filters = _filters()
    optimizer = MuonSgd(
        [{"params": filters, "kind": "muon", "lr": 0.1, "momentum": 0.6}],
        newton_schulz_steps=5,
        dtype=torch.bfloat16,
    )
    _give_gradients(filters, step=0)
    optimizer.step()
    theirs, other = copied((filters, optimizer))
    for some, one in ((filters, optimizer), (theirs, other)):
        _give_gradients(some, step=1)
        one.step()
    assert all(torch.equal(mine, their) for mine, their in zip(filters, theirs, strict=True))
    assert (other.newton_schulz_steps, other.dtype) == (5, torch.bfloat16)
    assert other.state_dict().keys() == {"state", "param_groups"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": "adam"}, "kind"),
        ({"lr": -0.1}, "lr"),
        ({"lr": float("nan")}, "lr"),
        ({"momentum": 1.0}, "momentum"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"kind": "muon", "weight_decay": 0.1}, "weight_decay"),
        ({"kind": "muon", "params": [nn.Parameter(torch.ones(3))]}, "params"),
        ({"params": [nn.Parameter(torch.ones(3, 3, dtype=torch.bfloat16))]}, "fp32"),
    ],
)
def test_an_impossible_group_is_refused(change: dict[str, object], word: str) -> None:
    """A group that cannot be trained so is refused by name."""
    group = {"params": [nn.Parameter(torch.ones(3, 3))], "kind": "sgd", "lr": 0.1, "momentum": 0.9}
    MuonSgd([group])
    with pytest.raises(PlumblineError, match=word):
        MuonSgd([group | change])


def test_a_group_without_kind_is_refused() -> None:
    """Nothing is guessed from shapes."""
    with pytest.raises(PlumblineError, match="kind"):
        MuonSgd([{"params": _filters(), "lr": 0.1, "momentum": 0.6}])
