"""What `plumbline fit` was asked to do, and what can be refused of it at once. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from plumbline.cli.processes import handed_down_folder, settle_processes
from plumbline.errors import PlumblineError
from plumbline.recipes import Recipe, Swa, apply_settings, difference, load_recipe, title
from plumbline.records import Record, read_record

# What a run may have written before its record: seen where it is killed in its first second.
_BEFORE_THE_RECORD = {"checkpoints", "log.txt"}


@dataclass(frozen=True)
class FitArguments:
    """The command line of `plumbline fit`, as typed."""

    recipe: str | None
    changes: dict[str, object]
    data: str | None
    image_size: int | None
    skips_bad_images: bool
    leaves_test_alone: bool
    seed: int | None
    device: str
    devices: int | None
    nodes: int | None
    out: Path | None
    resume: bool


def record_to_resume(arguments: FitArguments) -> Record | None:
    """Give the record of the run to go on with, or None where a new run is to be made.

    Raises PlumblineError, before anything slow is done, where the recipe is unknown or not valid, where it or
    the seed or the number of processes are not those of the run to go on with, and where there is no room for
    a new run.
    """
    if arguments.resume and arguments.out is None:
        raise PlumblineError("--resume needs the run folder: --out DIR --resume.")
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise PlumblineError(f"--out {arguments.out} is a file; expected a folder.")
    before = _find_record(arguments.out) if arguments.resume and arguments.out is not None else None
    if before is None:
        changed_recipe(load_recipe(arguments.recipe or "resnet18"), changes=arguments.changes)
        if arguments.out is not None and handed_down_folder(arguments.out) is None:
            _check_room(arguments.out, resume=arguments.resume)
    else:
        _check_same(arguments, before=before)
    settle_processes(arguments.out, devices=arguments.devices, nodes=arguments.nodes, before=before)
    return before


def changed_recipe(recipe: Recipe, *, changes: dict[str, object]) -> Recipe:
    """Give the recipe with what --set, --epochs and the like change; PlumblineError where one cannot be."""
    if "averaging.epochs" in changes and "averaging" not in changes and not isinstance(recipe.averaging, Swa):
        raise PlumblineError(
            f"The recipe {title(recipe)} has no second phase, so there are no epochs of averaging to choose. "
            "Leave --average-epochs out, or name a recipe that has one, such as resnet18 or swa-quick."
        )
    return apply_settings(recipe, changes)


def _find_record(out: Path) -> Record | None:
    return None if not out.exists() or _holds_no_run_yet(out) else read_record(out)


def _holds_no_run_yet(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".record.json-")}
    checkpoints = folder / "checkpoints"
    return names <= _BEFORE_THE_RECORD and not (checkpoints.is_dir() and any(checkpoints.iterdir()))


def _check_room(out: Path, *, resume: bool) -> None:
    if out.is_dir() and any(out.iterdir()) and not (resume and _holds_no_run_yet(out)):
        raise PlumblineError(
            f"The output folder {out} exists and is not empty; nothing was overwritten. "
            f"Give another folder with --out, or go on with the run in it with --out {out} --resume."
        )


def _check_same(arguments: FitArguments, *, before: Record) -> None:
    asked = load_recipe(arguments.recipe) if arguments.recipe is not None else before.recipe
    differs = difference(before.recipe, apply_settings(asked, arguments.changes))
    if differs:
        words = ", ".join(f"{path}={json.dumps(value)}" for path, value in differs.items())
        raise PlumblineError(
            f"The run in {arguments.out} was made with another recipe; different now: {words}. "
            "Resume without naming a recipe, or start a new run with another --out."
        )
    if arguments.seed is not None and arguments.seed != before.seed:
        raise PlumblineError(
            f"The run in {arguments.out} has seed {before.seed}, --seed {arguments.seed} was asked for. "
            "Resume without --seed, or start a new run with another --out."
        )
