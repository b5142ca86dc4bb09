"""Muon and SGD with rates that fall in a line, as a factory that a Lightning module can call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.optim.linear import LinearDecay
from plumbline.optim.muon import MuonSgd
from plumbline.optim.sgd import Optimization

_WHITENING_BIAS = "whitening.bias"
_CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


@dataclass(frozen=True)
class MuonSgdLinear:
    """Muon on filters, SGD on the rest, all rates falling in a line; rates are those of the first step.

    What is trained is grouped: the weights of convolutions are the filters, what else has 2 dimensions the
    head, the rest the biases (among them scales of maps, (C, 1, 1), and embeddings of places, (1, N, C)), all
    of them decayed but the filters. `decay` is the share of head and biases that the decay takes off in a
    step at the full rate, before momentum adds to it. The bias of a layer named `whitening` is a group of its
    own, trained for `whitening_bias_fraction` of the steps only, its rate falling to zero over them; whether
    it takes a gradient follows from the step alone, since an earlier training leaves it frozen. Without
    `freeze` it takes one to the end, at a rate of zero, as several processes and a compiled network need it.

    Rates are for the mean of the loss over a batch. `dtype` is what Newton-Schulz computes in, None being
    that of the filters.

    Source: airbench94_muon.py in github.com/KellerJordan/cifar10-airbench.
    """

    filter_rate: float = 0.24
    filter_momentum: float = 0.6
    newton_schulz_steps: int = 3
    head_rate: float = 0.02
    bias_rate: float = 100.0
    momentum: float = 0.85
    decay: float = 0.004
    whitening_bias_fraction: float = 0.375
    decay_fraction: float = 1.0
    final_fraction: float = 0.0
    dtype: torch.dtype | None = None
    freeze: bool = True

    def __call__(self, model: nn.Module, *, total_steps: int) -> Optimization:
        """Build the optimizer, whose first group is the filters, and a line over `total_steps`.

        Raises PlumblineError where nothing, or no filter, can be trained, and for a setting out of range.
        """
        optimizer = MuonSgd(
            self._groups(model), newton_schulz_steps=self.newton_schulz_steps, dtype=self.dtype
        )
        scheduler = LinearDecay(
            optimizer,
            total_steps=total_steps,
            decay_fraction=self.decay_fraction,
            final_fraction=self.final_fraction,
            freeze=self.freeze,
        )
        return Optimization(optimizer, scheduler)

    def _groups(self, model: nn.Module) -> list[dict[str, Any]]:
        named = [(f".{name}".endswith(f".{_WHITENING_BIAS}"), p) for name, p in model.named_parameters()]
        whitening = [p for whitens, p in named if whitens]
        others = [p for whitens, p in named if not whitens and p.requires_grad]
        convolved = {id(layer.weight) for layer in model.modules() if isinstance(layer, _CONVOLUTIONS)}
        filters = [p for p in others if id(p) in convolved]
        if not filters:
            found = "none" if others else "nothing to train"
            raise PlumblineError(
                f"model: expected filters to train with Muon, got {found} in {type(model).__name__}. Take a "
                "convolutional network and set requires_grad on its filters, or take SgdOneCycle."
            )
        muon = {"kind": "muon", "params": filters, "lr": self.filter_rate, "momentum": self.filter_momentum}
        head = self._sgd_group([p for p in others if p.ndim == 2], rate=self.head_rate)
        rest = [p for p in others if id(p) not in convolved and p.ndim != 2]
        biases = self._sgd_group(rest, rate=self.bias_rate)
        last = self._sgd_group(whitening, rate=self.bias_rate)
        last["ends_at_fraction"] = self.whitening_bias_fraction
        return [group for group in (muon, head, biases, last) if group["params"]]

    def _sgd_group(self, parameters: list[nn.Parameter], *, rate: float) -> dict[str, Any]:
        if not rate > 0:
            raise PlumblineError(f"head_rate, bias_rate: expected a rate above 0, got {rate}.")
        return {
            "kind": "sgd",
            "params": parameters,
            "lr": rate,
            "momentum": self.momentum,
            "weight_decay": self.decay / rate,
        }
