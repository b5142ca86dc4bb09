"""What `plumbline fit` does, from arguments to summary. Imports torch: only the command itself imports it."""

from __future__ import annotations

import logging
import shlex
import sys
import warnings
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from plumbline.cli.asked import FitArguments, changed_recipe
from plumbline.cli.console import LoggedProgress, log_warnings, make_progress
from plumbline.cli.datasets import load_named_or_path, load_of_run
from plumbline.cli.expectation import arithmetic_of, expectation
from plumbline.cli.processes import hand_down_folder, handed_down_folder, settle_processes
from plumbline.cli.summary import beside_python, print_summary
from plumbline.data import Dataset
from plumbline.data.load import DataUnavailable, load_dataset
from plumbline.errors import PlumblineError, StopRequested
from plumbline.models.speed_nets import SPEED_NETS
from plumbline.progress import SILENT, Progress
from plumbline.recipes import Recipe, at_image_size, load_recipe, suited_to, title
from plumbline.records import Record, RunFolder, create_run_folder
from plumbline.report import write_run_report
from plumbline.training.build import build_phase
from plumbline.training.compiled import check_compiler
from plumbline.training.device import Compute, choose_compute
from plumbline.training.launched import is_first_process
from plumbline.training.memory import check_memory, free_memory, memory_need
from plumbline.training.request import Request
from plumbline.training.run import Run

DEFAULT_SEED = 7
# Arithmetic grows with the square of the side. On a CPU large photographs are brought to this many pixels.
LARGEST_SIDE_ON_CPU = 96
# Below this many training images a batch of the speed recipes is too large a part of an epoch.
ENOUGH_FOR_SPEED = 20_000


def run_fit(arguments: FitArguments, *, before: Record | None) -> None:
    """Train as asked, or go on with the run that `before` tells of; print the summary."""
    progress: Progress = make_progress() if is_first_process() else SILENT
    _quieten()
    request = _request(arguments, before=before, progress=progress)
    if before is None and is_first_process():
        arithmetic = arithmetic_of(request, training_images=_check_possible(request))
        request = replace(request, arithmetic=arithmetic)
        if request.compute.device.type == "cpu":
            progress.say(expectation(arithmetic, compute=request.compute))
    folder = _folder(arguments, request=request, before=before)
    run_progress = LoggedProgress(progress, file=folder.log) if is_first_process() else SILENT
    if is_first_process():
        log_warnings(folder.log)
    else:
        warnings.simplefilter("ignore")  # the first process has the same ones
    run_progress.say(f"{title(request.recipe)} on {request.dataset.name}, seed {request.seed}: {folder.path}")
    if before is None:
        run = Run.start(request, folder=folder, progress=run_progress)
    else:
        run = Run.resume(request, record=before, folder=folder, progress=run_progress)
    if arguments.resume and not any(path.is_file() for path in folder.resumable):
        run_progress.say("There is no checkpoint to resume from yet: the run starts anew.")
    _execute(run, folder=folder, arguments=arguments, progress=run_progress)


def _execute(run: Run, *, folder: RunFolder, arguments: FitArguments, progress: Progress) -> None:
    try:
        record = run.execute()
    except StopRequested as stop:
        if not is_first_process():
            return  # where another process ends with an error, Lightning kills the first one
        by = "Ctrl-C" if str(stop) == "SIGINT" else stop
        progress.say(
            f"Stopped by {by}. Everything up to the last whole step is saved; go on with\n  "
            f"{beside_python('plumbline')} fit --out {shlex.quote(str(folder.path))} --resume"
            f"{_data_words(arguments)}"
        )
        raise
    if is_first_process():
        write_run_report(folder)
        print_summary(record, folder=folder)


def _request(arguments: FitArguments, *, before: Record | None, progress: Progress) -> Request:
    several = settle_processes(arguments.out, devices=arguments.devices, nodes=arguments.nodes, before=before)
    # A run goes on where and in the number format in which it began.
    device = arguments.device if before is None or arguments.device != "auto" else before.device.kind
    compute = choose_compute(device, devices=several.devices, nodes=several.nodes)
    dataset = _dataset(arguments, before=before, on_cpu=compute.device.type == "cpu", progress=progress)
    progress.say(
        f"Data {dataset.name}: {len(dataset.train):,} training and {len(dataset.test):,} test images "
        f"from {dataset.source}."
    )
    for note in dataset.notes:
        progress.say(f"{note[:1].upper()}{note[1:]}.")
    if before is None:
        recipe, why = _new_recipe(arguments, compute=compute, dataset=dataset)
        precision = recipe.precision
    else:
        recipe, why = before.recipe, "as the run that is resumed"
        precision = before.device.precision
    compute = choose_compute(device, devices=several.devices, nodes=several.nodes, precision=precision)
    if before is not None:
        compute = replace(compute, winograd=before.device.winograd)
    progress.say(f"Recipe {title(recipe)}: {why}. Device: {compute.name}, {compute.precision}.")
    seed = arguments.seed if before is None else before.seed
    return Request(
        recipe=recipe,
        dataset=dataset,
        seed=DEFAULT_SEED if seed is None else seed,
        compute=compute,
        command=shlex.join(["plumbline", *sys.argv[1:]]),
        leaves_test_alone=arguments.leaves_test_alone,
    )


def _new_recipe(arguments: FitArguments, *, compute: Compute, dataset: Dataset) -> tuple[Recipe, str]:
    own_pictures = bool(dataset.train_names)
    if arguments.recipe is not None:
        name, why = arguments.recipe, "as asked"
    elif own_pictures:
        # Muon rescales filters, which the weights of a network that was trained before need not survive.
        model = arguments.changes.get("model.name")
        name = "pictures" if model is None or model in SPEED_NETS else "pictures-any"
        why = "no recipe was named, and this one suits so many pictures of one's own"
    elif compute.device.type == "cuda":
        name, why = "resnet18", "the full recipe, since there is a GPU"
    elif len(dataset.train) >= ENOUGH_FOR_SPEED:
        name, why = "speed94", "no recipe was named, and this one needs the least arithmetic for its accuracy"
    else:
        name, why = "resnet18-quick", "no recipe was named, and this one suits few images without a GPU"
    recipe = load_recipe(name)
    if own_pictures and recipe.name in {"pictures", "pictures-any"}:
        held_out = 0 if dataset.held_out is None else len(dataset.held_out)
        recipe = suited_to(recipe, images=len(dataset.train) - held_out)
    size = arguments.image_size or (dataset.train.image_size if own_pictures else None)
    if size is not None:
        recipe = at_image_size(recipe, size)
    return changed_recipe(recipe, changes=arguments.changes), why


def _dataset(arguments: FitArguments, *, before: Record | None, on_cpu: bool, progress: Progress) -> Dataset:
    if before is not None:
        dataset = load_of_run(before, data=arguments.data, progress=progress)
    elif arguments.data is not None:
        dataset = load_named_or_path(
            arguments.data,
            progress=progress,
            image_size=arguments.image_size,
            on_bad_image="skip" if arguments.skips_bad_images else "error",
            largest_side=LARGEST_SIDE_ON_CPU if on_cpu else None,
        )
    else:
        dataset = _cifar10_or_digits(progress)
    if before is not None and dataset.fingerprint != before.dataset.fingerprint:
        raise PlumblineError(
            f"The run in {arguments.out} was made on {before.dataset.name} with fingerprint "
            f"{before.dataset.fingerprint[:16]}; the data now ({dataset.name}, {dataset.source}) has "
            f"{dataset.fingerprint[:16]}. Resume with the same data (--data)."
        )
    return dataset


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


def _check_possible(request: Request) -> int:
    """Build the first phase once and let it go: what cannot be built must not leave a folder behind.

    Gives the number of images that will be trained on.
    """
    recipe, compute = request.recipe, request.compute
    if recipe.compile:
        check_compiler(recipe.resolution.train, device=compute.device)
    built = build_phase(recipe, phase="fit", dataset=request.dataset, seed=request.seed, compute=compute)
    need = memory_need(built.classifier.model, image_size=max(recipe.resolution.train), compute=compute)
    check_memory(need, batch_size=recipe.batch_size // compute.count, free=free_memory(compute))
    return len(built.data.splits.train)


def _folder(arguments: FitArguments, *, request: Request, before: Record | None) -> RunFolder:
    handed_down = handed_down_folder(arguments.out)
    if handed_down is not None:
        return RunFolder(handed_down)
    if arguments.resume and arguments.out is not None and (before is not None or arguments.out.exists()):
        folder = RunFolder(arguments.out)  # nothing but an earlier start of this run is in it
    else:
        folder = create_run_folder(arguments.out if arguments.out is not None else _new_path(request))
    hand_down_folder(folder.path)
    return folder


def _new_path(request: Request) -> Path:
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    name = request.recipe.name or f"{title(request.recipe).split()[0]}-changed"
    path = Path("runs") / f"{stamp}-{name}-{request.dataset.name}-seed{request.seed}"
    tries = (path.with_name(f"{path.name}-{number}") for number in range(2, 1000))
    return path if not path.exists() else next(other for other in tries if not other.exists())


def _data_words(arguments: FitArguments) -> str:
    return f" --data {shlex.quote(arguments.data)}" if arguments.data is not None else ""


def _quieten() -> None:
    """Let Lightning say nothing that we say better, and torch.compile nothing of a CUDA that is not here."""
    for name in ("lightning.pytorch", "lightning.fabric", "torch.utils.cpp_extension"):
        logging.getLogger(name).setLevel(logging.ERROR)
