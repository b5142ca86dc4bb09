"""How many processes make a run, and which folder all of them write to. Imports no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from plumbline.errors import PlumblineError
from plumbline.records import Record
from plumbline.training.launched import Launch, find_launch, is_first_process

# Lightning starts the other processes of a run with the same command; they must find the same folder.
_FOLDER_VARIABLE = "PLUMBLINE_RUN_FOLDER"


@dataclass(frozen=True)
class Processes:
    """On how many machines (`nodes`) a run is made, with how many devices on each."""

    devices: int
    nodes: int

    @property
    def count(self) -> int:
        """How many there are in all."""
        return self.devices * self.nodes

    def __str__(self) -> str:
        return f"--devices {self.devices} --nodes {self.nodes}"


def settle_processes(
    out: Path | None, *, devices: int | None, nodes: int | None, before: Record | None
) -> Processes:
    """Give how many processes make a run: those that torchrun or srun started, else those asked for.

    `devices` and `nodes` are None where they were not given. A run that is resumed is made by as many as
    before, whatever starts them: the bits depend on it. Raises PlumblineError for another number, for several
    machines without torchrun or srun, and for several processes of theirs without a folder `out`.
    """
    launch = find_launch()
    if launch is not None:
        found = _started(launch, devices=devices, nodes=nodes)
        if found.count > 1 and out is None:
            raise PlumblineError(
                f"{launch.by} started {found.count} processes, and all of them have to know the run folder: "
                "give it with --out DIR, on a disk that all machines share."
            )
    elif nodes is not None and nodes > 1:
        raise PlumblineError(
            f"--nodes {nodes}: the processes of other machines are started by torchrun or SLURM's srun, and "
            "neither started this one. docs/scale.md has the commands."
        )
    else:
        known = before.device.count if before is not None else 1
        found = Processes(devices or known, 1)
    if before is not None and found.count != before.device.count:
        raise PlumblineError(
            f"The run in {out} was made by {before.device.count} processes, and now there would be "
            f"{found.count}: it would not go on to the same bits. Resume with {before.device.count} "
            "(--devices, or as many as torchrun or srun starts), or start a new run with another --out."
        )
    return found


def _started(launch: Launch, *, devices: int | None, nodes: int | None) -> Processes:
    started = Processes(launch.devices, launch.nodes)
    asked = Processes(devices or launch.devices, nodes or launch.nodes)
    if asked != started:
        raise PlumblineError(
            f"Asked for were {asked}, but {launch.by} started {started}. Leave the flags out, or let "
            f"{launch.by} start as many."
        )
    return started


def hand_down_folder(path: Path) -> None:
    """Let the processes that Lightning starts for this run find its folder."""
    os.environ[_FOLDER_VARIABLE] = str(path.resolve())


def handed_down_folder(out: Path | None) -> Path | None:
    """Give the folder of the run that this process was started for, or None in the first process.

    Lightning's processes get it from the first one; those of torchrun and srun were all given `out`.
    """
    if is_first_process():
        return None
    if find_launch() is not None:
        return out
    given = os.environ.get(_FOLDER_VARIABLE)
    return Path(given) if given else None
