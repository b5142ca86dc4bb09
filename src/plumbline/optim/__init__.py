"""Schedules, parameter groups, and optimizers as factories."""

from plumbline.optim.groups import parameter_groups
from plumbline.optim.schedule import OneCycle, OneCycleValue, one_cycle
from plumbline.optim.sgd import Optimization, OptimizerFactory, SgdConstant, SgdOneCycle

__all__ = [
    "OneCycle",
    "OneCycleValue",
    "Optimization",
    "OptimizerFactory",
    "SgdConstant",
    "SgdOneCycle",
    "one_cycle",
    "parameter_groups",
]
