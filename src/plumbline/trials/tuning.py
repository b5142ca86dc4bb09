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
from typing import TYPE_CHECKING, Any

from plumbline.analysis.chosen import Selection, choose_score
from plumbline.errors import PlumblineError, StopRequested
from plumbline.progress import SILENT, Progress
from plumbline.recipes import Recipe, apply_settings, parse_recipe
from plumbline.records import Record, ScorePart, read_record, write_text
from plumbline.trials.declared import AskedRecipe, check_declared, declare, declared_data
from plumbline.trials.fits import Fit, make_fit, threads_each
from plumbline.trials.search_space import Choice, Space, describe, start_values, value_in
from plumbline.trials.study import (
    TrialRow,
    folder_of,
    importances,
    need_optuna,
    note_end,
    open_study,
    put_back_interrupted,
    trial_rows,
)

if TYPE_CHECKING:
    import optuna

TUNING_VALIDATION_FRACTION = 0.1
_ENOUGH_FOR_IMPORTANCE = 10


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
    def trained(self) -> AskedRecipe:
        """Give the recipe that is trained: one that holds no image out does so for the search."""
        asked = self.space.asked
        if asked.recipe.validation_fraction > 0:
            return asked
        return asked.but({"validation_fraction": TUNING_VALIDATION_FRACTION})


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
        "recipe": asked.space.asked.digest,
        "space": describe(asked.space.dimensions),
        "data": declared_data(asked.data),
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
        done = len(trial_rows(self.study, out=self.asked.out))
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
        trained = self.asked.trained
        fit = Fit(
            recipe=trained.word(folder=self.asked.out),
            changes=trained.but(values).changes,
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
            if not any(row.outcome != "failed" for row in trial_rows(self.study, out=self.asked.out)):
                raise  # nothing has worked so far, so what is wrong is wrong for all
            trial.set_user_attr("trouble", str(error))
            note_end(trial)
            raise _TrialFailed from error
        self._check_data(name, record=record)
        note_end(trial)
        score = validation_score(record)
        trial.set_user_attr("correct", score.correct)
        trial.set_user_attr("count", score.count)
        trial.set_user_attr("recipe", record.recipe.model_dump(mode="json"))
        trial.set_user_attr("fingerprint", record.dataset.fingerprint)
        return score.accuracy

    def _check_data(self, name: str, *, record: Record) -> None:
        """Refuse a trial on other images than those before: its accuracy ranks with none of theirs."""
        for row in trial_rows(self.study, out=self.asked.out):
            if row.fingerprint not in (None, record.dataset.fingerprint):
                raise PlumblineError(
                    f"The data in {self.asked.data} are no longer those of {row.folder.name}: {name} was "
                    f"trained on images with fingerprint {record.dataset.fingerprint[:16]}, and that one on "
                    f"{row.fingerprint[:16]}. Put them back, or search anew with another --out."
                )

    def check_stop(self) -> None:
        """Raise what stopped the search in another thread, or a signal that came."""
        if self._stopped is not None:
            raise self._stopped

    def _report(self, number: int) -> None:
        rows = trial_rows(self.study, out=self.asked.out)
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


def _conclude(asked: TuneAsked, *, study: optuna.Study) -> Tuned:
    rows = trial_rows(study, out=asked.out)
    finished = [row for row in rows if row.outcome == "finished"]
    if not finished:
        raise PlumblineError(
            f"None of {len(rows)} trials in {asked.out} was trained to its end: no best one."
        )
    best = max(finished, key=lambda row: (row.accuracy or 0.0, -row.number))
    files = asked.out / "best.json", asked.out / "start.json"
    before = {one.field: value_in(asked.space.recipe, one.field) for one in asked.space.dimensions}
    for file, values in zip(files, (best.values, before), strict=True):
        recipe = _as_trained(asked, values=values, best=best)
        write_text(file, recipe.model_dump_json(indent=2) + "\n")
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


def _as_trained(asked: TuneAsked, *, values: Mapping[str, Any], best: TrialRow) -> Recipe:
    """Give the recipe with these values, and all else as the best trial had it: pictures have their part."""
    # What was held out for the search alone is not part of it.
    recipe = apply_settings(asked.space.recipe, values)
    if best.recipe is None:  # a trial of an earlier version, on a data set with a name
        return recipe
    trained = parse_recipe(best.recipe, where=f"of {best.folder}")
    return apply_settings(trained, {**values, "validation_fraction": recipe.validation_fraction})


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
