"""Who started this process, and which of how many it is. Read from the environment; imports no torch.

Three ways are known: torchrun and SLURM's srun start every process of a run, and with neither of them
Lightning, in the first process, starts the others of its machine with the same command.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from plumbline.errors import PlumblineError


@dataclass(frozen=True)
class Launch:
    """One process among those that another program started: process `rank` of `devices * nodes`.

    `devices` counts the processes on each machine (`nodes` of them); `by` is the program's name.
    """

    by: str
    rank: int
    devices: int
    nodes: int


def find_launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Tell which process torchrun or srun made of us, or None where neither did.

    What counts as started by them is what Lightning takes for it: under srun an interactive job is not.
    Raises PlumblineError if a variable that they set is missing or is no number.

    >>> find_launch({"TORCHELASTIC_RUN_ID": "a", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"})
    Launch(by='torchrun', rank=3, devices=2, nodes=2)
    >>> find_launch({"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "fit"})
    Launch(by='srun', rank=0, devices=4, nodes=2)
    >>> find_launch({}) is None
    True
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        devices = _number(environment, "LOCAL_WORLD_SIZE", by="torchrun")
        nodes = _number(environment, "WORLD_SIZE", by="torchrun") // max(1, devices)
        return Launch("torchrun", _number(environment, "RANK", by="torchrun"), devices, nodes)
    if "SLURM_NTASKS" in environment and environment.get("SLURM_JOB_NAME") not in {"bash", "interactive"}:
        nodes = _number({"SLURM_NNODES": "1"} | dict(environment), "SLURM_NNODES", by="srun")
        devices = _number(environment, "SLURM_NTASKS", by="srun") // max(1, nodes)
        return Launch("srun", _number(environment, "SLURM_PROCID", by="srun"), devices, nodes)
    return None


def is_first_process() -> bool:
    """Tell whether this process is the one of several that writes."""
    launch = find_launch()
    # Lightning tells the processes that it starts by this variable alone.
    return (int(os.environ.get("LOCAL_RANK", "0")) if launch is None else launch.rank) == 0


def _number(environment: Mapping[str, str], name: str, *, by: str) -> int:
    value = environment.get(name, "")
    if not value.isdecimal():
        raise PlumblineError(
            f"This process seems to be started by {by}, which sets {name} to a number; got {value!r}. "
            f"Start it with {by}, or without any of its variables."
        )
    return int(value)
