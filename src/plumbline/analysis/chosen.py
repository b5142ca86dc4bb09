"""Which of a run's scores is meant: of which weights, on which images, with how many views of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from plumbline.errors import PlumblineError
from plumbline.records import PhaseName, Record, ScorePart, SplitName, WeightsName


@dataclass(frozen=True)
class Selection:
    """Which weights; what is None is left to the run: its last phase, averaged weights if it has any."""

    phase: PhaseName | None = None
    weights: WeightsName | None = None


_PHASES: tuple[PhaseName, ...] = get_args(PhaseName)
_WEIGHTS: tuple[WeightsName, ...] = get_args(WeightsName)
# What can be typed: `raw` and `averaged` are those of the last phase that has them.
SELECTIONS: dict[str, Selection] = {
    "final": Selection(),
    **{weights: Selection(weights=weights) for weights in _WEIGHTS},
    **{
        f"{phase}-{weights}": Selection(phase=phase, weights=weights)
        for phase in _PHASES
        for weights in _WEIGHTS
    },
}


def choose_score(
    record: Record, *, selection: Selection, split: SplitName = "test", views: int | None = None
) -> ScorePart:
    """Give the score that is meant; without `views` the one to quote: with several views, if there is one.

    Raises PlumblineError if the run has no such score, saying which it has.
    """
    found = [
        score
        for score in record.scores
        if score.split == split
        and selection.weights in (None, score.weights)
        and selection.phase in (None, score.phase)
    ]
    last = max(found, key=lambda one: (one.phase == "average", one.weights == "averaged"), default=None)
    of_last = [one for one in found if last and (one.phase, one.weights) == (last.phase, last.weights)]
    wanted = max((one.views for one in of_last), default=None) if views is None else views
    chosen = next((one for one in of_last if one.views == wanted), None)
    if chosen is None:
        have = ", ".join(dict.fromkeys(_in_words(score) for score in record.scores)) or "none"
        asked = [selection.phase and f"phase {selection.phase}", selection.weights and f"{selection.weights}"]
        weights = " ".join(filter(None, asked)) or "final"
        count = "" if views is None else f", {views} views"
        raise PlumblineError(
            f"{record.title}, seed {record.seed}, has no score of its {weights} weights on {split}{count}. "
            f"It has: {have}."
        )
    return chosen


def epochs_of(record: Record, *, score: ScorePart) -> int:
    """Give the epochs that the weights of a score were trained for."""
    trained = record.phases if score.phase == "average" else record.phases[:1]
    return sum(phase.epochs for phase in trained)


def _in_words(score: ScorePart) -> str:
    return f"{score.phase}-{score.weights} on {score.split} ({score.views} view{'s' * (score.views > 1)})"
