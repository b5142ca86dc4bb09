"""Runs on the machines of a Ray cluster: Ray decides where each is made, we only say what it needs.

All machines must see the output folder under the same path, and have plumbline and its data.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from plumbline.errors import PlumblineError
from plumbline.progress import SILENT, Progress
from plumbline.records import Record, read_record
from plumbline.trials.children import stop_with_us
from plumbline.trials.fits import Fit, make_fit

ANSWER_SECONDS = 11.0
_SAVING_SECONDS = 120.0
_PASSED_ON = ("PLUMBLINE_DATA", "PLUMBLINE_CACHE", "PLUMBLINE_LEDGER")
# Ray tries an address that does not answer for minutes and then ends the process: another one asks.
_ASK = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"


@dataclass(frozen=True)
class Needs:
    """What one run takes of a machine."""

    cpus: int
    gpus: int


def make_on_ray(
    fits: Sequence[Fit], *, address: str, workers: int | None = None, progress: Progress = SILENT
) -> Iterator[tuple[Fit, Record]]:
    """Make the runs on the cluster at `address` (`local` starts one here), and give each as it ends.

    `workers` at once; without it one on each machine, or on each GPU. Raises PlumblineError if Ray is
    missing or cannot be joined, or a run fails; the others then save where they are.
    """
    ray = _import_ray()
    _join(ray, address=address)
    try:
        needs = needs_of_a_run(
            [node["Resources"] for node in ray.nodes() if node["Alive"]],
            workers=workers,
            device=fits[0].device,
        )
        progress.say(
            f"Ray has {len(ray.nodes())} machine(s); a run takes {needs.cpus} core(s), {needs.gpus} GPU(s)."
        )
        # Ray sets a SIGTERM handler of its own when it starts.
        with stop_with_us():
            yield from _spread(ray, fits=[_absolute(fit) for fit in fits], needs=needs)
    finally:
        ray.shutdown()


def needs_of_a_run(nodes: Sequence[Mapping[str, float]], *, workers: int | None, device: str) -> Needs:
    """Share a cluster's machines out to so many runs at once; a run lies on one machine.

    >>> nodes = [{"CPU": 8.0}, {"CPU": 8.0}]
    >>> needs_of_a_run(nodes, workers=None, device="auto"), needs_of_a_run(nodes, workers=8, device="cpu")
    (Needs(cpus=8, gpus=0), Needs(cpus=2, gpus=0))
    >>> needs_of_a_run([{"CPU": 16.0, "GPU": 4.0}], workers=None, device="auto")
    Needs(cpus=4, gpus=1)
    """
    gpus = sum(node.get("GPU", 0.0) for node in nodes)
    with_gpu = gpus >= 1 and device in {"auto", "cuda"}
    usable = [node for node in nodes if node.get("CPU") and (not with_gpu or node.get("GPU"))] or list(nodes)
    at_once = workers or (int(gpus) if with_gpu else len(usable))
    smallest = min(node.get("CPU", 1.0) for node in usable)
    each_machine = -(-at_once // len(usable))
    return Needs(cpus=max(1, int(smallest // each_machine)), gpus=int(with_gpu))


def _import_ray() -> Any:  # noqa: ANN401
    try:
        return import_module("ray")
    except ImportError as error:
        raise PlumblineError(
            "--ray needs Ray, which is not installed here: pip install 'ray>=2.60,<3'. Without it, "
            "--workers N runs several at once on this machine."
        ) from error


def check_ray(address: str) -> None:
    """Raise PlumblineError, within 15 seconds, if Ray is missing here or no cluster answers."""
    _import_ray()
    if address != "local" and not _answers(address):
        raise PlumblineError(
            f"--ray {address}: no Ray cluster answers there within {ANSWER_SECONDS:.0f} seconds. Expected "
            "such as 192.168.0.10:6379, the address that `ray start --head` printed on its first machine; "
            "`local` starts one here. Finished runs are kept."
        )


def _join(ray: Any, *, address: str) -> None:  # noqa: ANN401
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers of a cluster it starts
    started = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **started)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise PlumblineError(f"--ray {address}: Ray cannot be started or joined: {error}.") from error


def _answers(address: str) -> bool:
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", _ASK, address], timeout=ANSWER_SECONDS, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _spread(ray: Any, *, fits: Sequence[Fit], needs: Needs) -> Iterator[tuple[Fit, Record]]:  # noqa: ANN401
    remote = ray.remote(fit_on_a_machine).options(num_cpus=needs.cpus, num_gpus=needs.gpus, max_retries=0)
    tasks = {remote.remote(fit, _passed_on() | {"OMP_NUM_THREADS": str(needs.cpus)}): fit for fit in fits}
    try:
        while tasks:
            # A time limit, so that a signal is heard.
            ready, _ = ray.wait(list(tasks), num_returns=1, timeout=1.0)
            for task in ready:
                fit = tasks.pop(task)
                error = _outcome(ray, task=task)
                if error:
                    raise PlumblineError(f"On the Ray cluster, seed {fit.seed}: {error}")
                yield fit, read_record(fit.folder)
    finally:
        for task in tasks:
            ray.cancel(task)
        if tasks:
            ray.wait(list(tasks), num_returns=len(tasks), timeout=_SAVING_SECONDS)


def _outcome(ray: Any, *, task: Any) -> str:  # noqa: ANN401
    try:
        return str(ray.get(task))
    except ray.exceptions.RayError as lost:
        return (
            f"the run was lost ({str(lost).strip().splitlines()[-1]}). Give the same command again: finished "
            "runs are kept."
        )


def _passed_on() -> dict[str, str]:
    given = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
    return {
        name: str(Path(value).resolve()) if Path(value).exists() else value for name, value in given.items()
    }


def fit_on_a_machine(fit: Fit, environment: dict[str, str]) -> str:
    """Make a run where Ray put us; gives the text of the error that a person can mend, else nothing."""
    if not fit.folder.parent.is_dir():
        return f"the folder {fit.folder.parent} is not there; all machines must see it under the same path"
    try:
        make_fit(fit, quiet=True, environment=environment)
    except PlumblineError as error:
        return str(error)
    return ""


def _absolute(fit: Fit) -> Fit:
    recipe, data = Path(fit.recipe), Path(fit.data)
    return replace(
        fit,
        recipe=str(recipe.resolve()) if recipe.is_file() else fit.recipe,
        folder=fit.folder.resolve(),
        data=str(data.resolve()) if data.is_dir() else fit.data,
    )
