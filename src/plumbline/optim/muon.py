"""Muon: momentum whose step on a filter is made orthogonal, beside SGD for what is no filter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.sgd import sgd

from plumbline.errors import PlumblineError

_SMALLEST_NORM = 1e-12


def newton_schulz(
    matrices: Tensor,
    *,
    steps: int = 3,
    coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Bring the singular values of each matrix near to 1, and leave its singular vectors as they are.

    Each matrix is scaled to Frobenius norm 1; then every step takes a singular value s to
    a·s + b·s³ + c·s⁵. The default coefficients raise small values fast and do not settle: after 3 steps
    all values from 0.02 up lie between 0.68 and 1.21. With (15/8, -10/8, 3/8) they settle on 1, slowly.

    Args:
        matrices: (..., R, C), floating point.
        steps: how often the polynomial is applied, at least 1.
        coefficients: a, b and c.
        dtype: what to compute in; None is the dtype of the matrices. bfloat16 is enough for Muon.

    Returns:
        (..., R, C) in the dtype of `matrices`. A matrix of zeros stays one, and so does nearly one whose
        norm is below 1e-12.

    Raises:
        PlumblineError: fewer than two dimensions, or no step.

    Source: Jordan et al., "Muon", kellerjordan.github.io/posts/muon; the coefficients are those of
    airbench94_muon.py in github.com/KellerJordan/cifar10-airbench.

    >>> rotation = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    >>> settled = newton_schulz(5 * rotation, steps=8, coefficients=(15 / 8, -10 / 8, 3 / 8))
    >>> torch.allclose(settled, rotation)
    True

    """
    if matrices.ndim < 2:
        raise PlumblineError(
            f"matrices: expected shape (..., R, C), got {tuple(matrices.shape)}. "
            "Reshape a filter to (out, in * height * width)."
        )
    if steps < 1:
        raise PlumblineError(f"steps: expected at least 1 Newton-Schulz step, got {steps}. Try 3.")
    a, b, c = coefficients
    # In half precision the squares behind a norm would overflow or vanish.
    wide = matrices.to(torch.promote_types(matrices.dtype, torch.float32))
    norms = torch.linalg.vector_norm(wide, dim=(-2, -1), keepdim=True).clamp_min(_SMALLEST_NORM)
    x = (wide / norms).to(dtype or matrices.dtype)
    x = x.flatten(0, -3) if x.ndim > 2 else x.unsqueeze(0)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    x = x.mT if tall else x
    result: Tensor = x.reshape(matrices.shape).to(matrices.dtype)
    return result


class MuonSgd(Optimizer):
    """Muon on groups of `kind` "muon", SGD with Nesterov momentum on groups of `kind` "sgd".

    Every group gives `params`, `kind`, `lr` and `momentum`; an SGD group may give `weight_decay`, which is
    added to the gradient as in `torch.optim.SGD`, whose results it has. In a Muon group a filter (out, ...)
    is first rescaled to Frobenius norm sqrt(out); then its Nesterov momentum, reshaped to a matrix
    (out, rest) and put through `newton_schulz`, is subtracted `lr` times. Filters of one shape go through it
    together. A parameter without a gradient is left alone: no momentum, no decay, no rescaling.

    Parameters must be fp32 or wider, and so is the state: updates are lost in half-precision weights. No
    step waits for a value from the device.

    Raises:
        PlumblineError: a group that lacks a setting, or has one out of its range; a half-precision parameter.

    Source: Jordan et al., "Muon", kellerjordan.github.io/posts/muon; the rescaling is that of
    airbench94_muon.py in github.com/KellerJordan/cifar10-airbench.

    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        newton_schulz_steps: int = 3,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Take the groups, and how `newton_schulz` is run: its steps and what it computes in."""
        self.newton_schulz_steps = newton_schulz_steps
        self.dtype = dtype
        super().__init__(groups, {"weight_decay": 0.0})

    def __getstate__(self) -> dict[str, Any]:
        # torch's own names what it knows of; copies and pickles are made of this, checkpoints are not.
        state: dict[str, Any] = super().__getstate__()
        return {**state, "newton_schulz_steps": self.newton_schulz_steps, "dtype": self.dtype}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; one that lacks a setting or cannot be trained so is refused."""
        super().add_param_group(param_group)
        _check_group(self.param_groups[-1])

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step; `closure`, if given, computes loss and gradients first, and its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters and group["kind"] == "muon":
                self._step_muon(parameters, rate=group["lr"], momentum=group["momentum"])
            elif parameters:
                self._step_sgd(parameters, group=group)
        return loss

    def _step_muon(self, filters: list[Tensor], *, rate: float, momentum: float) -> None:
        gradients = [p.grad for p in filters if p.grad is not None]
        for p in filters:
            if "momentum_buffer" not in self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum_buffer"] for p in filters]
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients)
        # torch's only names for one call over many tensors begin with an underscore.
        directions = torch._foreach_add(gradients, buffers, alpha=momentum)  # noqa: SLF001
        norms = torch._foreach_norm(filters)  # noqa: SLF001
        scales = [len(p) ** 0.5 / n.clamp_min(_SMALLEST_NORM) for p, n in zip(filters, norms, strict=True)]
        torch._foreach_mul_(filters, scales)
        torch._foreach_add_(filters, self._orthogonal(directions), alpha=-rate)

    def _orthogonal(self, directions: Iterable[Tensor]) -> list[Tensor]:
        """Put directions through `newton_schulz`, those of one shape together; the order is kept."""
        alike = defaultdict(list)
        for position, direction in enumerate(directions):
            alike[direction.shape].append((position, direction))
        found = {}
        for shape, members in alike.items():
            matrices = torch.stack([direction for _, direction in members]).flatten(2)
            updates = newton_schulz(matrices, steps=self.newton_schulz_steps, dtype=self.dtype)
            for (position, _), update in zip(members, updates, strict=True):
                found[position] = update.view(shape)
        return [found[position] for position in range(len(found))]

    def _step_sgd(self, parameters: list[Tensor], *, group: dict[str, Any]) -> None:
        buffers: list[Tensor | None] = [self.state[p].get("momentum_buffer") for p in parameters]
        sgd(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            buffers,
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=0.0,
            nesterov=True,
            maximize=False,
        )
        for p, buffer in zip(parameters, buffers, strict=True):
            if buffer is not None:  # at a momentum of 0 there is none
                self.state[p]["momentum_buffer"] = buffer


def _check_group(group: dict[str, Any]) -> None:
    for name in ("kind", "lr", "momentum"):
        if name not in group:
            raise PlumblineError(f"{name}: expected it in every parameter group, got {sorted(group)}.")
    muon = group["kind"] == "muon"
    if not muon and group["kind"] != "sgd":
        raise PlumblineError(f'kind: expected "muon" or "sgd", got {group["kind"]!r}.')
    for name, upper in (("lr", float("inf")), ("momentum", 1.0), ("weight_decay", float("inf"))):
        if not 0 <= group[name] < upper:
            raise PlumblineError(f"{name}: expected at least 0 and below {upper}, got {group[name]}.")
    if muon and group["weight_decay"] > 0:
        raise PlumblineError(
            f"weight_decay: expected 0 for filters under Muon, got {group['weight_decay']}. Leave it out: "
            "they are rescaled in every step."
        )
    for parameter in group["params"]:
        if muon and parameter.ndim < 2:
            raise PlumblineError(
                f"params: expected filters with 2 dimensions or more under Muon, got shape "
                f'{tuple(parameter.shape)}. Put it into a group of kind "sgd".'
            )
        if parameter.dtype not in (torch.float32, torch.float64):
            raise PlumblineError(
                f"params: expected fp32 weights, got {parameter.dtype}. Train them in mixed precision, such "
                'as Trainer(precision="bf16-mixed").'
            )
