"""Schedules, parameter groups, and optimizers as factories."""

from plumbline.optim.groups import parameter_groups
from plumbline.optim.linear import LinearDecay, linear_decay
from plumbline.optim.muon import MuonSgd, newton_schulz
from plumbline.optim.muon_linear import MuonSgdLinear
from plumbline.optim.schedule import OneCycle, OneCycleValue, one_cycle
from plumbline.optim.sgd import Optimization, OptimizerFactory, SgdConstant, SgdOneCycle

__all__ = [
    "LinearDecay",
    "MuonSgd",
    "MuonSgdLinear",
    "OneCycle",
    "OneCycleValue",
    "Optimization",
    "OptimizerFactory",
    "SgdConstant",
    "SgdOneCycle",
    "linear_decay",
    "newton_schulz",
    "one_cycle",
    "parameter_groups",
]
