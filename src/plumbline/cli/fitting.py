"""What `plumbline fit` does, from arguments to summary. Imports torch: only the command itself imports it."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from plumbline.cli.console import LoggedProgress, log_warnings, make_progress
from plumbline.cli.datasets import load_named_or_path
from plumbline.cli.summary import print_summary
from plumbline.data import Dataset
from plumbline.data.load import DataUnavailable, load_dataset
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT, Progress
from plumbline.recipes import Recipe, apply_settings, difference, load_recipe, title
from plumbline.records import Record, RunFolder, create_run_folder, read_record
from plumbline.training.device import Compute, choose_compute
from plumbline.training.interrupts import StopRequested
from plumbline.training.request import Request, is_first_process
from plumbline.training.run import Run

DEFAULT_SEED = 7
# Lightning starts the other processes of a run with the same command; they must find the same folder.
_FOLDER_VARIABLE = "PLUMBLINE_RUN_FOLDER"


@dataclass(frozen=True)
class FitArguments:
    """The command line of `plumbline fit`, as typed."""

    recipe: str | None
    changes: dict[str, object]
    data: str | None
    seed: int | None
    device: str
    devices: int
    out: Path | None
    resume: bool


def run_fit(arguments: FitArguments) -> None:
    """Do it, and print the summary."""
    progress: Progress = make_progress() if is_first_process() else SILENT
    if arguments.resume and arguments.out is None:
        raise PlumblineError("--resume needs the run folder: --out DIR --resume.")
    before = _record_to_resume(arguments.out) if arguments.resume and arguments.out is not None else None
    if before is not None and before.status == "finished":
        progress.say(f"The run in {arguments.out} is finished; there is nothing to resume.")
        print_summary(before, folder=RunFolder(Path(str(arguments.out))))
        return
    _quieten()
    request = _request(arguments, before=before, progress=progress)
    folder = _folder(arguments, request=request, before=before)
    run_progress = LoggedProgress(progress, file=folder.log) if is_first_process() else SILENT
    log_warnings(folder.log)
    run_progress.say(f"{title(request.recipe)} on {request.dataset.name}, seed {request.seed}: {folder.path}")
    if before is None:
        run = Run.start(request, folder=folder, progress=run_progress)
    else:
        run = Run.resume(request, record=before, folder=folder, progress=run_progress)
    if arguments.resume and not folder.checkpoint("last").is_file():
        run_progress.say("There is no checkpoint to resume from yet: the run starts anew.")
    try:
        record = run.execute()
    except StopRequested as stop:
        run_progress.say(
            f"Stopped by {stop}. Everything up to the last whole step is saved; go on with\n"
            f"  plumbline fit --out {shlex.quote(str(folder.path))} --resume{_data_words(arguments)}"
        )
        raise
    if is_first_process():
        print_summary(record, folder=folder)


def _request(arguments: FitArguments, *, before: Record | None, progress: Progress) -> Request:
    if before is None:
        compute = choose_compute(arguments.device, devices=arguments.devices)
        recipe, why = _new_recipe(arguments, compute=compute)
    else:
        recipe, why = _same_recipe(arguments, before=before), "as the run that is resumed"
    compute = choose_compute(arguments.device, devices=arguments.devices, precision=recipe.precision)
    progress.say(f"Recipe {title(recipe)}: {why}. Device: {compute.name}, {compute.precision}.")
    dataset = _dataset(arguments, before=before, progress=progress)
    progress.say(
        f"Data {dataset.name}: {len(dataset.train):,} training and {len(dataset.test):,} test images "
        f"from {dataset.source}."
    )
    seed = arguments.seed
    if before is not None:
        _check_same(arguments, before=before, dataset=dataset)
        seed = before.seed
    return Request(
        recipe=recipe,
        dataset=dataset,
        seed=DEFAULT_SEED if seed is None else seed,
        compute=compute,
        command=shlex.join(["plumbline", *sys.argv[1:]]),
    )


def _new_recipe(arguments: FitArguments, *, compute: Compute) -> tuple[Recipe, str]:
    if arguments.recipe is not None:
        name, why = arguments.recipe, "as asked"
    elif compute.device.type == "cuda":
        name, why = "resnet18", "the full recipe, since there is a GPU"
    else:
        name, why = "resnet18-quick", "no recipe was named, and this one takes minutes without a GPU"
    return apply_settings(load_recipe(name), arguments.changes), why


def _same_recipe(arguments: FitArguments, *, before: Record) -> Recipe:
    asked = load_recipe(arguments.recipe) if arguments.recipe is not None else before.recipe
    asked = apply_settings(asked, arguments.changes) if arguments.changes else asked
    differs = difference(before.recipe, asked)
    if differs:
        words = ", ".join(f"{path}={json.dumps(value)}" for path, value in differs.items())
        raise PlumblineError(
            f"The run in {arguments.out} was made with another recipe; different now: {words}. "
            "Resume without naming a recipe, or start a new run with another --out."
        )
    return before.recipe


def _check_same(arguments: FitArguments, *, before: Record, dataset: Dataset) -> None:
    if arguments.seed is not None and arguments.seed != before.seed:
        raise PlumblineError(
            f"The run in {arguments.out} has seed {before.seed}, --seed {arguments.seed} was asked for. "
            "Resume without --seed, or start a new run with another --out."
        )
    if dataset.fingerprint != before.dataset.fingerprint:
        raise PlumblineError(
            f"The run in {arguments.out} was made on {before.dataset.name} with fingerprint "
            f"{before.dataset.fingerprint[:16]}; the data now ({dataset.name}, {dataset.source}) has "
            f"{dataset.fingerprint[:16]}. Resume with the same data (--data)."
        )


def _dataset(arguments: FitArguments, *, before: Record | None, progress: Progress) -> Dataset:
    if arguments.data is not None:
        return load_named_or_path(arguments.data, progress=progress)
    if before is not None:
        return load_dataset(before.dataset.name, progress=progress)
    return _cifar10_or_digits(progress)


def _cifar10_or_digits(progress: Progress) -> Dataset:
    try:
        return load_dataset("cifar10", progress=progress)
    except DataUnavailable as error:
        tried = "; ".join(error.attempts)
        progress.say(f"CIFAR-10 cannot be had here. Tried: {tried}.")
        progress.say(
            "Going on with the built-in digits set instead (scikit-learn's 1,797 scans, as 32x32 RGB)."
        )
        return load_dataset("digits", progress=progress)


def _folder(arguments: FitArguments, *, request: Request, before: Record | None) -> RunFolder:
    handed_down = os.environ.get(_FOLDER_VARIABLE)
    if handed_down is not None and not is_first_process():
        return RunFolder(Path(handed_down))
    if before is not None and arguments.out is not None:
        folder = RunFolder(arguments.out)
    elif arguments.out is not None:
        folder = create_run_folder(arguments.out)
    else:
        folder = create_run_folder(_new_path(request))
    os.environ[_FOLDER_VARIABLE] = str(folder.path.resolve())
    return folder


def _new_path(request: Request) -> Path:
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    name = request.recipe.name or "custom"
    path = Path("runs") / f"{stamp}-{name}-{request.dataset.name}-seed{request.seed}"
    tries = (path.with_name(f"{path.name}-{number}") for number in range(2, 1000))
    return path if not path.exists() else next(other for other in tries if not other.exists())


def _record_to_resume(out: Path) -> Record | None:
    """Give the record in a folder, or None if a run was to be made there and wrote nothing yet."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    return read_record(out)


def _data_words(arguments: FitArguments) -> str:
    return f" --data {shlex.quote(arguments.data)}" if arguments.data is not None else ""


def _quieten() -> None:
    """Let Lightning say nothing that we say better."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
