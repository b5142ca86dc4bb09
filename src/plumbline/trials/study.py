"""Optuna's study on disk: opened, put in order after a kill, asked what mattered. Optuna is optional."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from plumbline.errors import PlumblineError
from plumbline.streams import stream_seed

if TYPE_CHECKING:
    import optuna

# Before so many trials are through nothing is pruned: a median of fewer says little.
_TRIALS_BEFORE_PRUNING = 4
_EPOCHS_BEFORE_PRUNING = 1

Outcome = Literal["finished", "pruned", "failed"]


@dataclass(frozen=True)
class TrialRow:
    """One trial: `values` by field, and what came of it on `count` validation images.

    `recipe` is what was trained, as its record has it, and `fingerprint` that of its images; None where
    training did not end.
    """

    number: int
    outcome: Outcome
    values: Mapping[str, Any]
    folder: Path
    epochs: int
    correct: int | None
    count: int | None
    trouble: str | None
    recipe: Mapping[str, Any] | None
    fingerprint: str | None

    @property
    def accuracy(self) -> float | None:
        """Give the share of validation images that were right, None where training did not end."""
        return self.correct / self.count if self.correct is not None and self.count else None


def open_study(path: Path, *, seed: int) -> optuna.Study:
    """Open the study in a SQLite file, or make it.

    Its sampler is seeded by `seed` and the trials that are there: one that goes on draws new points. Raises
    PlumblineError if Optuna is not installed or the file is no study.
    """
    package = need_optuna()
    import sqlalchemy

    package.logging.set_verbosity(package.logging.CRITICAL)
    url = sqlalchemy.URL.create("sqlite", database=str(path)).render_as_string()
    try:
        study: optuna.Study = package.create_study(
            storage=package.storages.RDBStorage(url),
            study_name="tune",
            direction="maximize",
            load_if_exists=True,
            pruner=package.pruners.MedianPruner(
                n_startup_trials=_TRIALS_BEFORE_PRUNING, n_warmup_steps=_EPOCHS_BEFORE_PRUNING
            ),
        )
    except (sqlalchemy.exc.SQLAlchemyError, RuntimeError) as error:
        raise PlumblineError(f"{path} is damaged or no study: {error}. Give another --out.") from error
    start = stream_seed(seed, "search", len(study.trials)) % 2**32
    study.sampler = package.samplers.TPESampler(seed=start, constant_liar=True)
    return study


def trial_rows(study: optuna.Study, *, out: Path) -> list[TrialRow]:
    """Give the trials that came to an end of their own; their folders are in `out`."""
    outcomes: dict[str, Outcome] = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
    trials = study.get_trials(deepcopy=False)
    kept = ("correct", "count", "trouble", "recipe", "fingerprint")
    return [
        TrialRow(
            number=trial.number,
            outcome=outcomes[trial.state.name],
            values=dict(trial.params),
            folder=out / folder_of(trial),
            epochs=len(trial.intermediate_values),
            **{name: trial.user_attrs.get(name) for name in kept},
        )
        for trial in trials
        if trial.state.name in outcomes and not is_interrupted(trial)
    ]


def put_back_interrupted(study: optuna.Study) -> None:
    """Mark the trials that a kill or a stop left under way as failed, and queue each again in its folder."""
    failed = need_optuna().trial.TrialState.FAIL
    last: dict[str, Any] = {}
    for trial in study.get_trials():
        if trial.state.name == "RUNNING":
            study.tell(trial.number, state=failed)
        last[folder_of(trial)] = trial.number
    for trial in study.get_trials():
        if is_interrupted(trial) and last[folder_of(trial)] == trial.number:
            study.enqueue_trial(trial.params, user_attrs={"folder": folder_of(trial)})


def folder_of(trial: optuna.Trial | optuna.trial.FrozenTrial) -> str:
    """Give the name of a trial's run folder: its own, or that of the one which it goes on with."""
    return str(trial.user_attrs.get("folder", f"trial{trial.number:03d}"))


def is_interrupted(trial: optuna.trial.FrozenTrial) -> bool:
    """Tell whether a trial came to no end of its own; one that does says so (`note_end`)."""
    return trial.state.name == "FAIL" and not trial.user_attrs.get("ended", False)


def note_end(trial: optuna.Trial) -> None:
    """Say that a trial ended by itself: trained, pruned or failed, and not stopped from outside."""
    trial.set_user_attr("ended", True)  # noqa: FBT003


def importances(study: optuna.Study, *, seed: int) -> dict[str, float]:
    """Give the share of the spread between finished trials that goes with each field (fANOVA)."""
    package = need_optuna()
    evaluator = package.importance.FanovaImportanceEvaluator(seed=stream_seed(seed, "search") % 2**32)
    found = package.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def need_optuna() -> Any:  # noqa: ANN401  (a package that may not be there)
    """Give the package, or raise PlumblineError with the command that installs it."""
    try:
        return importlib.import_module("optuna")
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise PlumblineError(
            "plumbline tune needs the package optuna, which is not installed: pip install 'plumbline[tune]'."
        ) from error
