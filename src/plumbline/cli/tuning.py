"""What `plumbline tune` says before it searches, and of what it found."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from plumbline.analysis.intervals import wilson_interval
from plumbline.cli.console import results_console
from plumbline.recipes import load_recipe, title
from plumbline.trials.declared import declared_data, is_own_data
from plumbline.trials.search_space import describe, read_space, start_values
from plumbline.trials.study import TrialRow
from plumbline.trials.tuning import TuneAsked, Tuned


def asked_for(recipe: str, *, settings: Mapping[str, str], out: Path | None, **rest: Any) -> TuneAsked:  # noqa: ANN401
    """Give what the command line asks for; without --out a folder that the same command finds again."""
    data = rest["data"]
    space = read_space(load_recipe(recipe), settings=settings, on_pictures=is_own_data(data))
    key = [space.asked.digest, describe(space.dimensions), declared_data(data), rest["seed"]]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:8]
    return TuneAsked(space=space, out=out or Path("runs") / f"tune-{name}", **rest)


def announce(asked: TuneAsked) -> list[str]:
    """Give what a person should know before the first trial."""
    head = f"Tuning {title(asked.space.recipe)} on {asked.data}: {asked.trials} trials, seed {asked.seed}."
    lines = [head, f"Folder {asked.out}. Searched:", *(f"  {one}" for one in asked.space.dimensions)]
    if start_values(asked.space) is not None:
        lines.append("The first trial is the recipe as it is.")
    if asked.space.recipe.validation_fraction == 0:
        share = asked.trained.recipe.validation_fraction
        lines.append(
            f"The recipe trains on all images. {share:.0%} of them are held out "
            "for the search only; best.json trains on all of them again."
        )
    return lines


def print_tuned(tuned: Tuned, *, asked: TuneAsked, recipe: str) -> None:
    """Print the table of trials, and what may be concluded."""
    console = results_console(width=140)
    console.print(_table(tuned))
    for line in _sentences(tuned, asked=asked, recipe=recipe):
        console.print(line, soft_wrap=not sys.stdout.isatty())


def _table(tuned: Tuned) -> Table:
    fields = list(dict.fromkeys(name for row in tuned.rows for name in row.values))
    table = Table(title="Trials, best first", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("trial", "validation", "epochs", *fields):
        table.add_column(name, justify="right", overflow="fold")
    for row in sorted(tuned.rows, key=lambda one: (-(one.accuracy or 0.0), one.number)):
        result = row.outcome if row.accuracy is None else f"{row.accuracy:.2%}"
        values = (_value(row, name) for name in fields)
        table.add_row(str(row.number), result, str(row.epochs), *values)
    return table


def _value(row: TrialRow, name: str) -> str:
    value = row.values.get(name, "")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _sentences(tuned: Tuned, *, asked: TuneAsked, recipe: str) -> list[str]:
    best, start = tuned.best, tuned.start
    interval = wilson_interval(best.correct or 0, count=best.count or 1)
    against = ""
    if start is not None and start.number == best.number:
        against = ", which is the recipe as it is"
    elif start is not None:
        against = f"; the recipe as it is: {start.accuracy:.2%}"
    found = f"Best: trial {best.number} with {best.accuracy:.2%} of {best.count:,} validation images"
    lines = [f"{found}, {interval.low:.2%} to {interval.high:.2%} for other images{against}."]
    if tuned.importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in tuned.importance.items())
        lines.append(f"Share of the spread between finished trials (fANOVA, rough): {shares}.")
    lines += [f"Trial {row.number} failed: {row.trouble}" for row in tuned.rows if row.trouble is not None]
    base = recipe if load_recipe(recipe).digest == asked.space.asked.digest else str(tuned.start_file)
    if start is None or start.number != best.number:
        words = ["plumbline", "compare", base, str(tuned.best_file), "--seeds", "10", "--data", asked.data]
        luck = (
            f"The best of {len(tuned.rows)} on the validation images is optimistic: luck is part of its lead."
        )
        next_step = "No test image was looked at. Whether it is better is for new seeds to say:"
        lines += [f"{luck} {next_step}", f"  {shlex.join(words)}"]
    lines.append(f"Best recipe, trials and study: {tuned.best_file}")
    return lines
