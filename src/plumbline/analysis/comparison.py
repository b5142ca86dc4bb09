"""From finished runs to what may be said of their difference. All of it follows from the records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from plumbline.analysis.chosen import Selection, choose_score, epochs_of
from plumbline.analysis.intervals import Interval, wilson_interval
from plumbline.analysis.means import Mean, mean_of
from plumbline.analysis.paired import Judgement, PairedComparison, compare_pairs, judge
from plumbline.analysis.poolable import check_pair, check_pool
from plumbline.errors import PlumblineError
from plumbline.records import PhaseName, Record, ScorePart, SplitName, WeightsName, write_text

MARGIN = 0.001
LEVEL = 0.95


@dataclass(frozen=True)
class ArmRuns:
    """The finished runs of one arm, by seed, each with the folder it is in."""

    label: str
    records: Mapping[int, Record]
    folders: Mapping[int, str]
    selection: Selection


@dataclass(frozen=True)
class RunScore:
    """The score of one run that counts here."""

    seed: int
    folder: str
    accuracy: float
    correct: int
    count: int


@dataclass(frozen=True)
class Arm:
    """One arm: what it is, the score of each of its runs, and their mean.

    `mean` speaks of other seeds on these test images. `images` is the interval that as many images as one
    seed sees leave to that mean. It speaks of other images for these seeds where all seeds see the same ones
    (`Comparison.shares_images`), so that more seeds do not make it narrower.
    """

    label: str
    title: str
    digest: str
    phase: PhaseName
    weights: WeightsName
    views: int
    epochs: int
    device: str
    precision: str
    versions: dict[str, str]
    runs: tuple[RunScore, ...]
    mean: Mean
    images: Interval


@dataclass(frozen=True)
class Pair:
    """An arm against the first one, over the seeds that both have; differences are second minus first.

    `judgement` is corrected for all pairs of the comparison, and None where there is one seed only.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    paired: PairedComparison
    judgement: Judgement | None


@dataclass(frozen=True)
class Comparison:
    """What several arms show together; fractions, not percent. It stands in `comparison.json`.

    `own_images` is true where every seed is scored on images of its own; None: it was not recorded.
    """

    split: SplitName
    dataset: str
    fingerprint: str
    images: int
    margin: float
    level: float
    arms: tuple[Arm, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()
    command: str = ""
    date: str = ""
    own_images: bool | None = None
    schema_version: Literal[1] = 1

    @property
    def shares_images(self) -> bool:
        """Whether all seeds are scored on the same images: validation images are drawn by the seed."""
        return self.split == "test" or self.own_images is False


def compare_arms(
    arms: Sequence[ArmRuns],
    *,
    split: SplitName = "test",
    views: int | None = None,
    margin: float = MARGIN,
    level: float = LEVEL,
) -> Comparison:
    """Put finished runs together: each arm against the first, over equal seeds.

    Without `views`, each arm's score is the one to quote: with several views where its recipe has them.
    Raises PlumblineError where runs must not be pooled, arms not be paired, or a score is missing.
    """
    notes = [note for arm in arms for note in check_pool(arm.records, label=arm.label)]
    first, chosen = arms[0], [_scores(arm, split=split, views=views) for arm in arms]
    results = [_arm(arm, scores=scores, level=level) for arm, scores in zip(arms, chosen, strict=True)]
    for arm, result in zip(arms[1:], results[1:], strict=True):
        labels = (first.label, arm.label)
        notes += check_pair(_any(first), _any(arm), labels=labels)
        notes += _unequal(results[0], result)
    pairs = [
        _pair(first, arm, one=chosen[0], other=other, level=level, comparisons=len(arms) - 1)
        for arm, other in zip(arms[1:], chosen[1:], strict=True)
    ]
    judged = judge([pair.paired for pair in pairs], margin=margin, level=level)
    dataset = _any(first).dataset
    return Comparison(
        split=split,
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        images=results[0].runs[0].count,
        margin=margin,
        level=level,
        arms=tuple(results),
        pairs=tuple(
            replace(pair, judgement=judgement if len(pair.seeds) > 1 else None)
            for pair, judgement in zip(pairs, judged, strict=True)
        ),
        notes=tuple(dict.fromkeys(notes)),
        # Only pictures of one's own have validation images that are the same for every seed, and a size.
        own_images=split == "validation" and dataset.image_size is None,
    )


def write_comparison(comparison: Comparison, *, path: Path) -> None:
    """Write `comparison.json`, whole or not at all."""
    text = TypeAdapter(Comparison).dump_json(comparison, indent=1).decode()
    write_text(path, text + "\n")


def read_comparison(path: Path) -> Comparison:
    """Read `comparison.json`, or the one in a folder. Raises PlumblineError if it is missing or damaged."""
    file = path / "comparison.json" if path.is_dir() else path
    try:
        return TypeAdapter(Comparison).validate_json(file.read_bytes())
    except OSError as error:
        raise PlumblineError(
            f"{file} cannot be read ({error.strerror}): expected what `plumbline compare` writes at its end."
        ) from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the whole"
        raise PlumblineError(f"{file} is damaged: {place}: {problem['msg']}.") from error


def _scores(arm: ArmRuns, *, split: SplitName, views: int | None) -> dict[int, ScorePart]:
    return {
        seed: choose_score(record, selection=arm.selection, split=split, views=views)
        for seed, record in sorted(arm.records.items())
    }


def _arm(arm: ArmRuns, *, scores: Mapping[int, ScorePart], level: float) -> Arm:
    record, score = _any(arm), next(iter(scores.values()))
    mean = mean_of([one.accuracy for one in scores.values()], level=level)
    runs = (
        RunScore(seed, arm.folders[seed], one.accuracy, one.correct, one.count)
        for seed, one in scores.items()
    )
    return Arm(
        label=arm.label,
        title=record.title,
        digest=record.recipe.digest,
        phase=score.phase,
        weights=score.weights,
        views=score.views,
        epochs=epochs_of(record, score=score),
        device=record.device.name,
        precision=record.device.precision,
        versions=record.versions,
        runs=tuple(runs),
        mean=mean,
        images=wilson_interval(round(mean.mean * score.count), count=score.count, level=level),
    )


def _pair(
    first: ArmRuns,
    second: ArmRuns,
    *,
    one: Mapping[int, ScorePart],
    other: Mapping[int, ScorePart],
    level: float,
    comparisons: int,
) -> Pair:
    seeds = tuple(seed for seed in one if seed in other)
    if not seeds:
        raise PlumblineError(
            f"{first.label} and {second.label} have no seed in common: {sorted(one)} and {sorted(other)}. "
            "Differences are taken over pairs of equal seeds."
        )
    before, after = ([scores[seed].accuracy for seed in seeds] for scores in (one, other))
    paired = compare_pairs(before, second=after, level=level, comparisons=comparisons)
    return Pair(first.label, second.label, seeds, paired, None)


def _unequal(first: Arm, second: Arm) -> list[str]:
    notes = []
    if first.epochs != second.epochs:
        notes.append(
            f"Epochs differ: {first.label} {first.epochs}, {second.label} {second.epochs}. More training is "
            "part of the difference."
        )
    if first.views != second.views:
        notes.append(
            f"Views of each image differ: {first.label} {first.views}, {second.label} {second.views}. "
            "--views one compares the images alone."
        )
    counts = [min(run.count for run in arm.runs) for arm in (first, second)]
    if counts[0] != counts[1]:
        notes.append(
            f"Images differ: {first.label} is scored on {counts[0]:,}, {second.label} on {counts[1]:,}. "
            "Which these are, and how many are left to train on, is part of the difference."
        )
    return notes


def _any(arm: ArmRuns) -> Record:
    return next(iter(arm.records.values()))
