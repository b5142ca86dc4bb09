"""Search a recipe's values on the validation images alone: each trial a `plumbline fit` of its own.

Optuna chooses the values, prunes and keeps the study (SQLite); the test images are left alone throughout.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from plumbline.analysis.chosen import Selection, choose_score
from plumbline.errors import PlumblineError, StopRequested
from plumbline.progress import SILENT, Progress
from plumbline.recipes import Recipe, apply_settings
from plumbline.records import Record, ScorePart, read_record, write_text
from plumbline.trials.declared import check_declared, declare
from plumbline.trials.fits import Fit, make_fit, threads_each
from plumbline.trials.search_space import Choice, Space, describe, start_values
from plumbline.trials.study import (
    folder_of,
    importances,
    is_interrupted,
    need_optuna,
    note_end,
    open_study,
    put_back_interrupted,
)

if TYPE_CHECKING:
    import optuna

TUNING_VALIDATION_FRACTION = 0.1
_ENOUGH_FOR_IMPORTANCE = 10

Outcome = Literal["finished", "pruned", "failed"]


@dataclass(frozen=True)
class TuneAsked:
    """What to search; `data` and `device` are what `plumbline fit` takes, `seed` is that of every trial."""

    space: Space
    trials: int
    data: str
    out: Path
    seed: int = 7
    device: str = "auto"
    workers: int = 1

    @property
    def recipe(self) -> Recipe:
        """Give the recipe that is trained: one that holds no image out does so for the search."""
        recipe = self.space.recipe
        if recipe.validation_fraction > 0:
            return recipe
        return apply_settings(recipe, {"validation_fraction": TUNING_VALIDATION_FRACTION})


@dataclass(frozen=True)
class TrialRow:
    """One trial: `values` by field, and what came of it on `count` validation images."""

    number: int
    outcome: Outcome
    values: Mapping[str, Any]
    folder: Path
    epochs: int
    correct: int | None
    count: int | None
    trouble: str | None

    @property
    def accuracy(self) -> float | None:
        """Give the share of validation images that were right, None where training did not end."""
        return self.correct / self.count if self.correct is not None and self.count else None


@dataclass(frozen=True)
class Tuned:
    """What a search found; `start` is the trial of the recipe's own values, if it ended."""

    out: Path
    best_file: Path
    start_file: Path
    best: TrialRow
    start: TrialRow | None
    rows: tuple[TrialRow, ...]
    importance: Mapping[str, float]


def tune(asked: TuneAsked, *, progress: Progress = SILENT) -> Tuned:
    """Make the trials that are not there yet, and write the best recipe to `best.json`.

    Finished trials of an earlier start are kept; those that were under way go on. Raises PlumblineError where
    `out` holds another search or another process is at it, where no trial can be trained, and without Optuna;
    StopRequested after Ctrl-C and SIGTERM, when the trials under way have saved.
    """
    from filelock import FileLock, Timeout

    wanted = {
        "recipe": asked.space.recipe.digest,
        "space": describe(asked.space.dimensions),
        "data": Path(asked.data).name,
        "seed": asked.seed,
    }
    need_optuna()
    check_declared(asked.out, wanted=wanted)
    declare(asked.out, wanted=wanted)
    try:
        with FileLock(asked.out / ".lock", timeout=0):
            search = _Search(asked, progress=progress)
            search.run()
    except Timeout as error:
        raise PlumblineError(
            f"Another process is tuning in {asked.out}; wait for it, or give --out."
        ) from error
    return _conclude(asked, study=search.study)


class _Search:
    """The study, and what happens in each of its trials; each worker is a thread.

    The trials are asked for one at a time: two threads that ask at once may be given the same queued trial,
    since SQLite locks no row between the read and the write (optuna 5.0.0, seen).
    """

    def __init__(self, asked: TuneAsked, *, progress: Progress) -> None:
        """Open the study, with the recipe's own values as its first trial."""
        self.asked, self.progress = asked, progress
        self._stopped: Exception | None = None
        self._asking = Lock()
        self.study = open_study(self.asked.out / "study.sqlite", seed=self.asked.seed)
        put_back_interrupted(self.study)
        start = start_values(self.asked.space)
        if not self.study.trials and start is not None:
            self.study.enqueue_trial(start)

    def run(self) -> None:
        """Make trials until there are as many as asked for."""
        done = len(_rows(self.study, out=self.asked.out))
        if done:
            self.progress.say(f"{done} of {self.asked.trials} trials are there already.")
        if done >= self.asked.trials:
            return
        with self._stops(), ThreadPoolExecutor(self.asked.workers) as workers:
            made = [workers.submit(self._make_trial) for _ in range(self.asked.trials - done)]
            for one in made:
                one.result()
        self.check_stop()

    def _make_trial(self) -> None:
        """Make the next trial and tell the study what came of it; one that was stopped counts as failed."""
        self.check_stop()
        package = need_optuna()
        with self._asking:
            trial = self.study.ask()
            values = {one.field: _suggest(trial, one) for one in self.asked.space.dimensions}
        state, accuracy = package.trial.TrialState.FAIL, None
        try:
            accuracy = self._train(trial, values=values)
            state = package.trial.TrialState.COMPLETE
        except package.TrialPruned:
            state = package.trial.TrialState.PRUNED
        except _TrialFailed:
            pass
        except Exception as error:
            self._stopped = self._stopped or error  # ends the trials of the other threads too
            raise
        finally:
            self.study.tell(trial, accuracy, state=state)
        self._report(trial.number)

    def _train(self, trial: optuna.Trial, *, values: Mapping[str, Any]) -> float:
        """Train a trial and give its accuracy on the validation images."""
        name = folder_of(trial)
        trial.set_user_attr("folder", name)
        recipe = apply_settings(self.asked.recipe, values)
        file = self.asked.out / f"{name}.json"
        write_text(file, recipe.model_dump_json(indent=2) + "\n")
        fit = Fit(
            recipe=str(file),
            seed=self.asked.seed,
            folder=self.asked.out / name,
            data=self.asked.data,
            device=self.asked.device,
            flags=("--no-test",),
        )
        watch = _Watch(trial, folder=fit.folder, search=self)
        try:
            environment = threads_each(self.asked.workers)
            record = make_fit(fit, quiet=True, environment=environment, watch=watch)
        except PlumblineError as error:
            if not any(row.outcome != "failed" for row in _rows(self.study, out=self.asked.out)):
                raise  # nothing has worked so far, so what is wrong is wrong for all
            trial.set_user_attr("trouble", str(error))
            note_end(trial)
            raise _TrialFailed from error
        note_end(trial)
        score = validation_score(record)
        trial.set_user_attr("correct", score.correct)
        trial.set_user_attr("count", score.count)
        return score.accuracy

    def check_stop(self) -> None:
        """Raise what stopped the search in another thread, or a signal that came."""
        if self._stopped is not None:
            raise self._stopped

    def _report(self, number: int) -> None:
        rows = _rows(self.study, out=self.asked.out)
        row = next((one for one in rows if one.number == number), None)
        if row is not None:
            self.progress.say(f"{len(rows)} of {self.asked.trials}: {in_words(row)}")

    @contextmanager
    def _stops(self) -> Iterator[None]:
        """Inside, Ctrl-C and SIGTERM end the trials under way, in whatever thread they are."""

        def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            self._stopped = StopRequested(number)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _TrialFailed(Exception):  # noqa: N818
    """A trial did not end; others did, so the search goes on."""


@dataclass
class _Watch:
    """Looks at a trial's record while it is trained, and prunes it."""

    trial: optuna.Trial
    folder: Path
    search: _Search
    _seen: int = 0
    _changed: int = 0

    def __call__(self) -> None:
        """Tell Optuna of new epochs; raise to end the trial."""
        import optuna

        self.search.check_stop()
        for accuracy in self._new_epochs():
            self.trial.report(accuracy, self._seen)
            self._seen += 1
            if self.trial.should_prune():
                note_end(self.trial)
                raise optuna.TrialPruned

    def _new_epochs(self) -> list[float]:
        file = self.folder / "record.json"
        try:
            changed = file.stat().st_mtime_ns
            if changed == self._changed:
                return []
            record = read_record(self.folder)
        except (OSError, PlumblineError):  # not there yet
            return []
        self._changed = changed
        found = [epoch.validation_accuracy for epoch in record.epochs[self._seen :]]
        return [accuracy for accuracy in found if accuracy is not None]


def _suggest(trial: optuna.Trial, one: Any) -> Any:  # noqa: ANN401
    if isinstance(one, Choice):
        return trial.suggest_categorical(one.field, one.values)
    if one.is_whole:
        return trial.suggest_int(one.field, int(one.low), int(one.high), log=one.is_log)
    return trial.suggest_float(one.field, one.low, one.high, log=one.is_log)


def validation_score(record: Record) -> ScorePart:
    """Give the validation score of the weights that a run ends with."""
    return choose_score(record, selection=Selection(), split="validation")


def _rows(study: optuna.Study, *, out: Path) -> list[TrialRow]:
    outcomes: dict[str, Outcome] = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
    trials = study.get_trials(deepcopy=False)
    return [
        TrialRow(
            number=trial.number,
            outcome=outcomes[trial.state.name],
            values=dict(trial.params),
            folder=out / folder_of(trial),
            epochs=len(trial.intermediate_values),
            correct=trial.user_attrs.get("correct"),
            count=trial.user_attrs.get("count"),
            trouble=trial.user_attrs.get("trouble"),
        )
        for trial in trials
        if trial.state.name in outcomes and not is_interrupted(trial)
    ]


def _conclude(asked: TuneAsked, *, study: optuna.Study) -> Tuned:
    rows = _rows(study, out=asked.out)
    finished = [row for row in rows if row.outcome == "finished"]
    if not finished:
        raise PlumblineError(
            f"None of {len(rows)} trials in {asked.out} was trained to its end: no best one."
        )
    best = max(finished, key=lambda row: (row.accuracy or 0.0, -row.number))
    # Onto the recipe as it was asked for: what was held out for the search alone is not part of it.
    recipe = apply_settings(asked.space.recipe, best.values)
    files = asked.out / "best.json", asked.out / "start.json"
    for file, content in zip(files, (recipe, asked.space.recipe), strict=True):
        write_text(file, content.model_dump_json(indent=2) + "\n")
    own = start_values(asked.space)
    enough = len(finished) >= _ENOUGH_FOR_IMPORTANCE and len(asked.space.dimensions) > 1
    return Tuned(
        out=asked.out,
        best_file=files[0],
        start_file=files[1],
        best=best,
        start=next((row for row in finished if row.values == own), None),
        rows=tuple(rows),
        importance=importances(study, seed=asked.seed) if enough else {},
    )


def in_words(row: TrialRow) -> str:
    """Give a trial in one line."""
    values = ", ".join(f"{name}={_short(value)}" for name, value in row.values.items())
    if row.accuracy is not None:
        return f"trial {row.number}: {row.accuracy:.2%} ({values})"
    if row.outcome == "pruned":
        return f"trial {row.number}: pruned after {row.epochs} epochs ({values})"
    return f"trial {row.number}: failed ({values}): {row.trouble}"


def _short(value: Any) -> str:  # noqa: ANN401
    return f"{value:.4g}" if isinstance(value, float) else str(value)
