"""Make every run that a comparison needs and that is not there yet, and conclude from all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from plumbline.analysis.chosen import Selection, choose_score
from plumbline.analysis.comparison import ArmRuns, Comparison, compare_arms, write_comparison
from plumbline.analysis.poolable import check_data
from plumbline.errors import PlumblineError, StopRequested
from plumbline.progress import SILENT, Progress, Task
from plumbline.records import Record, SplitName
from plumbline.trials.arms import AskedArm, refuse_missing_score
from plumbline.trials.children import stop_with_us
from plumbline.trials.declared import AskedRecipe, check_declared, declare, declared_data
from plumbline.trials.fits import Fit, finished_record, make_fits, threads_each
from plumbline.trials.ray_cluster import check_ray, make_on_ray
from plumbline.trials.saved import read_runs
from plumbline.trials.seeds import name_seeds

DEFAULT_SEEDS = tuple(range(1, 11))

Runs = dict[int, tuple[Path, Record]]


@dataclass(frozen=True)
class CompareAsked:
    """What to compare; `data` and `device` are what `plumbline fit` takes.

    Without `seeds` those of the saved runs are taken, and 1 to 10 where there are none.
    """

    arms: tuple[AskedArm, ...]
    seeds: tuple[int, ...] | None = None
    out: Path | None = None
    data: str = "cifar10"
    device: str = "auto"
    split: SplitName = "test"
    views: int | None = None
    workers: int | None = None
    ray: str | None = None
    command: str = ""

    @property
    def recipes(self) -> dict[str, AskedRecipe]:
        """Give the recipes to train by the name of the folder of their runs: one of two arms trains once."""
        return {arm.folder_name: arm.asked for arm in self.arms if arm.asked is not None}


@dataclass(frozen=True)
class Compared:
    """What was concluded, and the folder in which it stands."""

    comparison: Comparison
    out: Path


def run_comparison(asked: CompareAsked, *, progress: Progress = SILENT) -> Compared:
    """Train what is missing, compare, and write `comparison.json`.

    Raises PlumblineError for what cannot be compared, before anything is trained where that can be known, and
    if a run fails; StopRequested after SIGTERM. Finished runs are kept in each case.
    """
    saved, seeds = _saved_runs(asked)
    asked = replace(asked, seeds=seeds)
    for arm in asked.arms:
        refuse_missing_score(arm, split=asked.split)
    wanted = _declaration(asked)
    out = asked.out or _default_folder(asked, wanted=wanted)
    check_declared(out, wanted=wanted)
    # What is finished already must go together before more is trained.
    known = {name: _finished(out / name, seeds=seeds) for name in asked.recipes}
    _check_so_far(asked, saved=saved, trained=known)
    if asked.ray is not None and any(len(runs) < len(seeds) for runs in known.values()):
        check_ray(asked.ray)
    declare(out, wanted=wanted)
    trained = _train(asked, out=out, known=known, saved=saved, progress=progress) if asked.recipes else {}
    arms = [_arm_runs(arm, runs=_runs_of(arm, saved=saved, trained=trained), out=out) for arm in asked.arms]
    comparison = compare_arms(arms, split=asked.split, views=asked.views)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    comparison = replace(comparison, command=asked.command, date=date)
    write_comparison(comparison, path=out / "comparison.json")
    return Compared(comparison, out)


def _saved_runs(asked: CompareAsked) -> tuple[dict[str, Runs], tuple[int, ...]]:
    """Read the saved arms, and settle which seeds count."""
    saved = {
        arm.typed: read_runs(arm.saved, seeds=asked.seeds) for arm in asked.arms if arm.saved is not None
    }
    if asked.seeds is not None:
        return saved, asked.seeds
    if not saved:
        return saved, DEFAULT_SEEDS
    everywhere = set.intersection(*(set(runs) for runs in saved.values()))
    if not everywhere:
        words = "; ".join(f"{name}: {', '.join(map(str, sorted(runs)))}" for name, runs in saved.items())
        raise PlumblineError(
            f"The saved runs have no seed in common ({words}): there are no pairs to compare."
        )
    seeds = tuple(sorted(everywhere))
    return {name: {seed: runs[seed] for seed in seeds} for name, runs in saved.items()}, seeds


def _declaration(asked: CompareAsked) -> dict[str, Any]:
    arms = [
        {"arm": arm.label} | ({"digest": arm.asked.digest} if arm.asked is not None else {})
        for arm in asked.arms
    ]
    seeds, data = list(asked.seeds or ()), declared_data(asked.data)
    return {"arms": arms, "seeds": seeds, "data": data, "split": asked.split}


def _default_folder(asked: CompareAsked, *, wanted: Mapping[str, Any]) -> Path:
    """Give a folder that the same question always gets, so that the same command goes on in it."""
    paths = [str(arm.saved.resolve()) for arm in asked.arms if arm.saved is not None]
    key = hashlib.sha256(json.dumps([wanted, paths], sort_keys=True).encode()).hexdigest()[:8]
    return Path("runs") / f"compare-{key}"


def _finished(folder: Path, *, seeds: tuple[int, ...]) -> Runs:
    found = ((seed, folder / f"seed{seed}") for seed in seeds)
    return {seed: (path, record) for seed, path in found if (record := finished_record(path)) is not None}


def _check_so_far(asked: CompareAsked, *, saved: Mapping[str, Runs], trained: Mapping[str, Runs]) -> None:
    runs = [(arm, _runs_of(arm, saved=saved, trained=trained)) for arm in asked.arms]
    some = [_arm_runs(arm, runs=found, out=Path()) for arm, found in runs if found]
    for arm in some:
        compare_arms([arm], split=asked.split, views=asked.views)
    check_data({arm.label: next(iter(arm.records.values())) for arm in some})
    if len(some) > 1 and all(set(arm.records) & set(some[0].records) for arm in some):
        compare_arms(some, split=asked.split, views=asked.views)


def _train(
    asked: CompareAsked,
    *,
    out: Path,
    known: Mapping[str, Runs],
    saved: Mapping[str, Runs],
    progress: Progress,
) -> dict[str, Runs]:
    seeds, recipes = asked.seeds or (), asked.recipes
    fits = [
        _fit(asked, recipe=recipe, name=name, seed=seed, out=out)
        for seed in seeds
        for name, recipe in recipes.items()
        if seed not in known[name]
    ]
    found = {name: dict(runs) for name, runs in known.items()}
    names = {arm.folder_name: arm.name for arm in reversed(asked.arms) if arm.asked is not None}
    done = sum(map(len, found.values()))
    told = _Told(total=len(seeds) * len(recipes), done=done, split=asked.split, progress=progress)
    have = f"; {told.done} of them are there already" if told.done else ""
    progress.say(
        f"Declared: {', '.join(names[name] for name in recipes)}, seeds {name_seeds(seeds)}{have}. In {out}."
    )
    try:
        with (
            stop_with_us(),
            told.bar(alone=asked.ray is None and (asked.workers or 1) == 1) as bar,
            closing(_made(fits, asked=asked, progress=progress)) as made,
        ):
            for fit, record in made:
                name = fit.folder.parent.name
                found[name][fit.seed] = (fit.folder, record)
                told.one_more(names[name], record=record)
                # Pictures that were changed meanwhile are told now, and not when all runs are made.
                check_data(_by_name({**saved, **found}, names=names))
                bar.advance()
    except (KeyboardInterrupt, StopRequested):
        progress.say(
            f"Stopped; {told.done} of {told.total} runs are finished, and the others saved where they are. "
            "The same command goes on."
        )
        raise
    return found


def _by_name(runs: Mapping[str, Runs], *, names: Mapping[str, str]) -> dict[str, Record]:
    return {
        f"{names.get(name, name)}, seed {seed}": record
        for name, of_arm in runs.items()
        for seed, (_, record) in of_arm.items()
    }


def _made(fits: list[Fit], *, asked: CompareAsked, progress: Progress) -> Generator[tuple[Fit, Record]]:
    if asked.ray is not None and fits:
        yield from make_on_ray(fits, address=asked.ray, workers=asked.workers, progress=progress)
    else:
        workers = asked.workers or 1
        yield from make_fits(fits, workers=workers, environment=threads_each(workers), progress=progress)


def _fit(asked: CompareAsked, *, recipe: AskedRecipe, name: str, seed: int, out: Path) -> Fit:
    return Fit(
        recipe=recipe.word(folder=out / name),
        changes=recipe.changes,
        seed=seed,
        folder=out / name / f"seed{seed}",
        data=asked.data,
        device=asked.device,
        # Who compares on validation images is choosing, and the test images are for what was chosen.
        flags=("--no-test",) if asked.split == "validation" else (),
    )


class _Told:
    """Says after each run how far the whole is."""

    def __init__(self, *, total: int, done: int, split: SplitName, progress: Progress) -> None:
        self.total, self.done, self._before = total, done, done
        self._split, self._progress, self._began = split, progress, monotonic()

    def bar(self, *, alone: bool) -> AbstractContextManager[Task]:
        """Give a bar over all runs, unless a run that is made alone shows its own."""
        watched = SILENT if alone else self._progress
        return watched.task("training", total=self.total, unit="runs", done=self.done)

    def one_more(self, name: str, *, record: Record) -> None:
        self.done += 1
        score = choose_score(record, selection=Selection(), split=self._split)
        each = (monotonic() - self._began) / (self.done - self._before) / 60
        left = f"; about {each * (self.total - self.done):.0f} min left" if self.done < self.total else ""
        self._progress.say(
            f"{self.done} of {self.total}: {name}, seed {record.seed}: {score.accuracy:.2%}{left}"
        )


def _runs_of(arm: AskedArm, *, saved: Mapping[str, Runs], trained: Mapping[str, Runs]) -> Runs:
    return saved[arm.typed] if arm.saved is not None else trained[arm.folder_name]


def _arm_runs(arm: AskedArm, *, runs: Runs, out: Path) -> ArmRuns:
    folders = {seed: path for seed, (path, _) in sorted(runs.items())}
    return ArmRuns(
        label=arm.label,
        records={seed: record for seed, (_, record) in sorted(runs.items())},
        folders={
            seed: str(path.relative_to(out) if path.is_relative_to(out) else path)
            for seed, path in folders.items()
        },
        selection=arm.selection,
    )
