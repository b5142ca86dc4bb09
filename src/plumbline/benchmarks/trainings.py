"""Whole trainings of seeds declared beforehand, each a `plumbline fit` in a process of its own.

Where a reference program is given, its runs stand in between (A B A B …). A run that is finished is not made
again: the same command goes on where it was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from plumbline.analysis import mean_of
from plumbline.analysis.poolable import check_pool
from plumbline.benchmarks.conclude import PROTOCOL, Conclusion, conclude, quoted_score, timed_seconds
from plumbline.benchmarks.kept import keep, make_record
from plumbline.benchmarks.matrix import matrix_rate
from plumbline.benchmarks.reference import (
    ReferenceRun,
    Result,
    check_reference,
    fingerprint,
    time_reference,
)
from plumbline.errors import StopRequested
from plumbline.progress import SILENT, Progress
from plumbline.recipes import Recipe, apply_settings, load_recipe, title
from plumbline.records import Record, write_text
from plumbline.training.device import choose_compute
from plumbline.trials.children import stop_with_us
from plumbline.trials.declared import check_declared, declare, declared_data, read_declared
from plumbline.trials.fits import Fit, finished_record, make_fit
from plumbline.trials.seeds import refuse_twice


@dataclass(frozen=True)
class FitsAsked:
    """What to measure; `recipe`, `data`, `device` and `compiled` are what `plumbline fit` takes.

    Each run of the reference is ended after `reference_results` of its trainings, if that is given.
    """

    recipe: str
    seeds: tuple[int, ...]
    out: Path
    data: str = "cifar10"
    device: str = "auto"
    compiled: bool = False
    reference: Path | None = None
    reference_results: int | None = None
    matrix_side: int | None = None

    def read_recipe(self) -> Recipe:
        """Give the recipe that all runs have."""
        return apply_settings(load_recipe(self.recipe), {"compile": True} if self.compiled else {})


@dataclass(frozen=True)
class Fits:
    """Every run that was made, and what they show together."""

    records: tuple[Record, ...]
    references: tuple[ReferenceRun, ...]
    conclusion: Conclusion

    @property
    def reference_results(self) -> tuple[Result, ...]:
        """All trainings of the reference program."""
        return tuple(result for run in self.references for result in run.results)


def check_fits(asked: FitsAsked) -> None:
    """Refuse at once what cannot be measured, and what was declared otherwise before."""
    refuse_twice(asked.seeds)
    if asked.reference is not None:
        check_reference(asked.reference)
    check_declared(asked.out, wanted=_declaration(asked))


def measure_fits(asked: FitsAsked, *, progress: Progress = SILENT) -> Fits:
    """Make every run that is not there yet, and write `summary.json` beside them.

    Raises PlumblineError if a run fails or those that are there cannot be pooled, and StopRequested after
    SIGTERM, with everything saved and a summary of what has finished.
    """
    check_fits(asked)
    recipe = asked.read_recipe()
    compute = choose_compute(asked.device, precision=recipe.precision)
    declare(asked.out, wanted=_declaration(asked))
    progress.say(f"Declared: {title(recipe)}, seeds {', '.join(map(str, asked.seeds))}.")
    records, references, rates = [], [], []
    try:
        with stop_with_us():
            for number, seed in enumerate(asked.seeds, start=1):
                dtype = compute.autocast or torch.float32
                rates.append(matrix_rate(dtype, device=compute.device, side=asked.matrix_side))
                records.append(_fit(asked, seed=seed))
                progress.say(f"{number} of {len(asked.seeds)}: {_words(records[-1])}")
                if asked.reference is not None:
                    references.append(_reference(asked, path=asked.reference, number=number))
                    progress.say(f"{number} of {len(asked.seeds)}: {_reference_words(references[-1])}")
    except (KeyboardInterrupt, StopRequested):
        progress.say("Stopped, and saved. The same command goes on where it was.")
        if records:
            _conclude(asked, records=records, references=references, rates=rates, progress=progress)
        raise
    return _conclude(asked, records=records, references=references, rates=rates, progress=progress)


def _conclude(
    asked: FitsAsked,
    *,
    records: Sequence[Record],
    references: Sequence[ReferenceRun],
    rates: Sequence[float],
    progress: Progress,
) -> Fits:
    for note in check_pool({record.seed: record for record in records}, label=str(asked.out)):
        progress.say(note)
    walls = _walls(asked)
    cold = [seconds for record in records if (seconds := walls.get(f"seed{record.seed}"))]
    conclusion = conclude(records, cold=cold, matrix_flops_per_second=max(rates))
    fits = Fits(tuple(records), tuple(references), conclusion)
    keep(_summary(fits, asked=asked, rates=rates), out=asked.out / "summary.json")
    return fits


def _fit(asked: FitsAsked, *, seed: int) -> Record:
    folder = asked.out / f"seed{seed}"
    known = finished_record(folder)
    if known is not None:
        return known
    fit = Fit(
        recipe=asked.recipe,
        seed=seed,
        folder=folder,
        data=asked.data,
        device=asked.device,
        flags=("--compile",) if asked.compiled else (),
    )
    began = perf_counter()
    try:
        return make_fit(fit)
    finally:
        _add_wall(asked, name=folder.name, seconds=perf_counter() - began)


def _reference(asked: FitsAsked, *, path: Path, number: int) -> ReferenceRun:
    kept = asked.out / f"reference{number}.json"
    if kept.is_file():
        content = json.loads(kept.read_text(encoding="utf-8"))
        results = tuple(Result(**result) for result in content.pop("results"))
        return ReferenceRun(**content, results=results)
    log = asked.out / f"reference{number}.txt"
    run = time_reference(path, log=log, results=asked.reference_results)
    write_text(kept, json.dumps(asdict(run), indent=1) + "\n")
    return run


def _declaration(asked: FitsAsked) -> dict[str, Any]:
    recipe, path = asked.read_recipe(), asked.reference
    return {
        "recipe": title(recipe),
        "digest": recipe.digest,
        "seeds": list(asked.seeds),
        "data": declared_data(asked.data),
        "reference": None if path is None else f"{path.name} {fingerprint(path)}",
        "reference_results": asked.reference_results,
    }


def _walls(asked: FitsAsked) -> dict[str, float]:
    path = asked.out / "processes.json"
    walls: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return walls


def _add_wall(asked: FitsAsked, *, name: str, seconds: float) -> None:
    walls = _walls(asked)
    keep(walls | {name: walls.get(name, 0.0) + seconds}, out=asked.out / "processes.json")


def _summary(fits: Fits, *, asked: FitsAsked, rates: Sequence[float]) -> dict[str, Any]:
    first, results = fits.records[0], fits.reference_results
    runs = [
        {
            "seed": one.seed,
            "accuracy": quoted_score(one).accuracy,
            "views": quoted_score(one).views,
            "timed_seconds": timed_seconds(one),
            "cold_seconds": _walls(asked).get(f"seed{one.seed}"),
            "resumed": len(one.resumed),
        }
        for one in fits.records
    ]
    content: dict[str, Any] = {
        "protocol": PROTOCOL,
        "declared": read_declared(asked.out),
        "dataset": {"name": first.dataset.name, "fingerprint": first.dataset.fingerprint},
        "compute": first.device.model_dump(),
        "conclusion": asdict(fits.conclusion),
        "matrix_rates": list(rates),
        "runs": runs,
    }
    if fits.references:
        content["reference"] = {
            "accuracy": asdict(mean_of([one.accuracy for one in results])) if results else None,
            "seconds": median(one.seconds for one in results) if results else None,
            "runs": [asdict(run) for run in fits.references],
        }
    return make_record(content, device=first.device.name)


def _words(record: Record) -> str:
    score = quoted_score(record)
    views = f" with {score.views} views" if score.views > 1 else ""
    return f"seed {record.seed}: {score.accuracy:.2%}{views}, {timed_seconds(record):.1f} s"


def _reference_words(run: ReferenceRun) -> str:
    if not run.results:
        return f"reference: {run.wall_seconds:.1f} s in all; its output has no table that can be read"
    accuracy = mean_of([result.accuracy for result in run.results])
    seconds = median(result.seconds for result in run.results)
    return (
        f"reference: {accuracy.mean:.2%}, {seconds:.2f} s by its own clock "
        f"({accuracy.n} trainings; {run.wall_seconds:.1f} s in all)"
    )
