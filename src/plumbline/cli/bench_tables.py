"""What `plumbline bench` prints. Imports torch: only the commands themselves import it."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from plumbline.analysis import Mean, mean_of
from plumbline.benchmarks.conclude import PROTOCOL, Conclusion
from plumbline.benchmarks.overhead import WARM_UP as OVERHEAD_WARM_UP
from plumbline.benchmarks.step import ARMS, WARM_UP, ratios, summarise
from plumbline.cli.console import results_console
from plumbline.progress import in_words
from plumbline.recipes import title

if TYPE_CHECKING:
    from plumbline.benchmarks.overhead import Overhead, OverheadAsked
    from plumbline.benchmarks.step import Rounds, StepAsked
    from plumbline.benchmarks.trainings import Fits


def print_steps(rounds: Rounds, *, asked: StepAsked) -> None:
    """Print both arms, their floors and how many times faster the one is."""
    recipe, first = asked.recipe, rounds[0]["fast"]
    table = _table(
        f"A step of {title(recipe)}: batch {recipe.batch_size}, {recipe.resolution.train[-1]} pixels",
        columns=("arm", "precision", "images/s", "min", "max", "n", "floor", "of the floor"),
    )
    for arm in ARMS:
        s = summarise(rounds, arm=arm, batch=recipe.batch_size)
        rates = (f"{rate:,.1f}" for rate in (s.median, s.least, s.most))
        table.add_row(arm, rounds[0][arm].precision, *rates, str(s.n), f"{s.floor:,.1f}", f"{s.used:.0%}")
    each = ", ".join(f"{factor:.2f}" for factor in ratios(rounds))
    _print(
        table,
        f"fast / plain: {median(ratios(rounds)):.2f} (median; each round: {each})",
        f"On {first.device}, {first.threads} threads. Data: {first.data}.",
        f"Each arm in a process of its own, in turns; its first {WARM_UP} steps are left out. images/s is "
        "the median; floor is what the step's convolutions and matrix products would allow at the best rate "
        "of a plain matrix product in the same number format, measured in every process.",
        caveat(first.device, precision=first.precision),
    )


def caveat(device: str, *, precision: str) -> str:
    """Say of a CPU where the promised factor cannot be expected; nothing where it has AMX."""
    if "(" not in device or ("amx_bf16" in device and precision == "bf16"):
        return ""
    have = "computes bf16 without AMX" if precision == "bf16" else "has no bf16 arithmetic"
    return f"NOTE: this machine {have}. The promised factor (at least 4 for resnet18) is for a CPU with AMX."


def print_overhead(overhead: Overhead, *, asked: OverheadAsked) -> None:
    """Print both sides, every round, and the ratio."""
    recipe, compute = asked.recipe, asked.compute
    table = _table(
        f"fit beside a bare loop of the same step: {title(recipe)}, batch {recipe.batch_size}",
        columns=("round", "fit, ms a step", "bare, ms a step", "fit / bare", "weights differ by"),
    )
    for number, one in enumerate(overhead.rounds, start=1):
        times = (f"{1e3 * one.fit_seconds:,.2f}", f"{1e3 * one.bare_seconds:,.2f}", f"{one.ratio:.4f}")
        table.add_row(str(number), *times, f"{one.weights_differ_by:.1g}")
    more = 1e3 * (overhead.fit_seconds - overhead.bare_seconds)
    _print(
        table,
        f"Overhead of fit: {overhead.ratio - 1:+.2%} (median of {len(overhead.rounds)} rounds of "
        f"{asked.steps} steps), {more:+.2f} ms a step. The bare step uses "
        f"{overhead.floor_seconds / overhead.bare_seconds:.0%} of what matrix products alone would allow.",
        f"On {compute.name}, {compute.precision}. Clock: from the end of step {OVERHEAD_WARM_UP} to the end "
        f"of step {OVERHEAD_WARM_UP + asked.steps}; nothing is subtracted. No validation, save or averaging "
        "falls in between.",
    )


def print_fits(fits: Fits, *, out: Path) -> None:
    """Print accuracy, time and floor over all seeds, and the protocol."""
    first, all_of_it = fits.records[0], fits.conclusion
    table = _table(
        f"{first.title} on {first.dataset.name}: {len(fits.records)} seeds, "
        f"{first.dataset.counts.test:,} test images",
        columns=("", "accuracy", "sd", "n", "95 % interval of the mean", "seconds"),
    )
    table.add_row("one view", *_accuracy(all_of_it.plain), "")
    if all_of_it.with_views is not None:
        table.add_row(f"{all_of_it.views} views", *_accuracy(all_of_it.with_views), "")
    results = fits.reference_results
    table.add_row("timed, median", "", "", "", "", f"{all_of_it.timed_seconds:,.1f}")
    if results:
        accuracy, seconds = mean_of([one.accuracy for one in results]), median(one.seconds for one in results)
        table.add_row("reference, its own clock", *_accuracy(accuracy), f"{seconds:,.2f}")
    _print(table, *_fit_lines(all_of_it, fits=fits), PROTOCOL, f"Runs and summary.json: {out}")


def _fit_lines(it: Conclusion, *, fits: Fits) -> list[str]:
    first = fits.records[0].device
    cold = "not known" if it.cold_seconds is None else in_words(it.cold_seconds)
    times = (
        f"Timed: {it.timed_least:,.1f} to {it.timed_most:,.1f} s. Medians: set-up {it.setup_seconds:.1f} s, "
        f"training {it.training_seconds:.1f} s, scoring {it.scoring_seconds:.1f} s; "
        f"{f'compiling, not timed, {it.compile_seconds:.1f} s; ' if it.compile_seconds else ''}cold {cold}."
    )
    floor = (
        f"Floor: {it.flops / 1e15:.3g} PFLOP at {it.matrix_flops_per_second / 1e12:.2f} TFLOP/s are "
        f"{it.floor_seconds:,.1f} s: {it.used:.0%} used. On {first.name}, {first.threads} threads, "
        f"{first.precision}."
    )
    lines = [times, floor]
    results = fits.reference_results
    if results:
        ratio = it.timed_seconds / median(one.seconds for one in results)
        lines.append(f"plumbline / reference: {ratio:.2f} times its seconds; each is timed by its own clock.")
    elif fits.references:
        walls = median(run.wall_seconds for run in fits.references)
        lines.append(f"Reference: {in_words(walls)} a process; its output has no table that can be read.")
    if it.resumed:
        lines.append(f"NOTE: {it.resumed} of the runs were stopped and resumed; their times are sums.")
    return lines


def _accuracy(mean: Mean) -> tuple[str, str, str, str]:
    if mean.sd is None or mean.low is None or mean.high is None:
        return f"{mean.mean:.2%}", "", str(mean.n), ""
    interval = f"{100 * mean.low:.2f} to {100 * mean.high:.2f}"
    return f"{mean.mean:.2%}", f"{100 * mean.sd:.2f}", str(mean.n), interval


def _table(words: str, *, columns: tuple[str, ...]) -> Table:
    table = Table(title=words, box=box.SIMPLE_HEAD, title_justify="left")
    for number, heading in enumerate(columns):
        table.add_column(heading, justify="left" if number == 0 else "right")
    return table


def _print(table: Table, *lines: str) -> None:
    console = results_console(width=100)
    console.print(table)
    for line in filter(None, lines):
        console.print(line)
