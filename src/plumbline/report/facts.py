"""All numbers of a run that its report shows, and nothing of how they look."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.analysis import Interval, wilson_interval
from plumbline.analysis.imbalance import is_unequal
from plumbline.records import (
    PhaseName,
    Record,
    RunFolder,
    ScorePart,
    SplitName,
    WeightsName,
    data_options,
    read_record,
)
from plumbline.records.image_names import read_image_names
from plumbline.records.predictions import read_predictions
from plumbline.report.details import Details, details_of

Rows = list[tuple[str, str]]
_ORDER: tuple[tuple[PhaseName, WeightsName], ...] = (
    ("fit", "raw"),
    ("fit", "averaged"),
    ("average", "raw"),
    ("average", "averaged"),
)


@dataclass(frozen=True)
class Score:
    """A recorded score with Wilson's 95 % interval; `name` says of which weights."""

    name: str
    phase: PhaseName
    weights: WeightsName
    split: SplitName
    views: int
    accuracy: float
    correct: int
    count: int
    interval: Interval
    loss: float
    balanced_accuracy: float | None


@dataclass(frozen=True)
class Part:
    """A part of the time: where on the clock it began and how much it took, as shares of the whole."""

    name: str
    seconds: float
    start: float
    share: float


@dataclass(frozen=True)
class RunFacts:
    """What a report says of one run.

    `final` are the test scores of the weights that the run ends with, fewest views first. `details` come from
    the predictions of these weights, each image alone; where they are None, `no_details` says why.
    `disagreement` says it where these predictions do not give the recorded score; else it is empty.
    """

    record: Record
    scores: tuple[Score, ...]
    final: tuple[Score, ...]
    details: Details | None
    parts: tuple[Part, ...]
    again: str
    no_scores: str
    no_details: str
    disagreement: str

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the labels."""
        return self.record.dataset.classes

    @property
    def speed(self) -> Rows:
        """Rates and memory, in words."""
        record, rate, peak = self.record, self.record.timing.images_per_second, self.record.peak_memory_bytes
        waited = record.timing.waiting_share
        where = "of the device" if record.device.kind == "cuda" else "of the process"
        return [
            ("Training images a second", f"{rate:,.0f}" if rate else "not recorded"),
            *self._arithmetic,
            (f"Peak memory {where}", f"{peak / 2**20:,.0f} MiB" if peak else "not recorded"),
            (
                "Waiting for processor cores",
                "not recorded" if waited is None else f"{waited:.1%} of its threads' time",
            ),
            ("Resumed", _times(len(record.resumed))),
        ]

    @property
    def is_unequal(self) -> bool:
        """Whether classes are so unequal in size that balanced accuracy tells something else."""
        return is_unequal(self.record.scores)

    @property
    def utilisation(self) -> float | None:
        """The share of the device's matrix rate that training used; None where it is not known."""
        record = self.record
        seconds = (record.timing.training_seconds or 0.0) + (record.timing.averaging_seconds or 0.0)
        if record.arithmetic is None or not seconds or record.status != "finished":
            return None
        return record.arithmetic.training_flop / record.arithmetic.matrix_flop_per_second / seconds

    @property
    def _arithmetic(self) -> Rows:
        found = self.record.arithmetic
        if found is None:
            return [("Utilisation", "not recorded")]
        used = self.utilisation
        rate = f"{found.matrix_flop_per_second / 1e12:.3g} TFLOP/s"
        return [
            ("Arithmetic of training", f"{found.training_flop / 1e15:.3g} PFLOP"),
            ("Matrix products just before the run", rate),
            (
                "Utilisation",
                "not known before the end"
                if used is None
                else f"{used:.1%}: the arithmetic at that rate, over the seconds of training and validation",
            ),
        ]

    @property
    def data(self) -> Rows:
        """Which images, in words."""
        dataset = self.record.dataset
        counts = dataset.counts
        held_out = f"{counts.validation:,} for validation" if counts.validation else "none held out"
        return [
            ("Data set", dataset.name),
            ("Fingerprint", dataset.fingerprint),
            ("Read from", dataset.source),
            ("Images", f"{counts.train:,} for training, {held_out}, {counts.test:,} for test"),
        ]

    @property
    def machine(self) -> Rows:
        """What computed, and with which versions, in words."""
        record, device = self.record, self.record.device
        return [
            ("Recipe", f"{record.title}, digest {record.digest}"),
            ("Seed", str(record.seed)),
            ("Device", f"{device.name} ({device.kind}, {device.count} of it, {device.threads} threads)"),
            ("Number format", f"{device.precision}{', compiled' if record.recipe.compile else ''}"),
            ("Started and finished", f"{record.started}, {record.finished or 'not finished'}"),
            *record.versions.items(),
        ]


def run_facts(folder: RunFolder) -> RunFacts:
    """Gather what a run folder says of its run.

    Raises PlumblineError where the record or the predictions are damaged, or do not belong to each other.
    """
    record = read_record(folder.path)
    test = read_predictions(folder, split="test")
    validation = read_predictions(folder, split="validation")
    paths = read_image_names(folder, split="test")
    details = None if test is None else details_of(test, validation=validation, record=record, paths=paths)
    scores = tuple(_scores(record))
    on_test = [score for score in scores if score.split == "test"]
    last = (on_test[-1].phase, on_test[-1].weights) if on_test else None
    final = tuple(score for score in on_test if (score.phase, score.weights) == last)
    return RunFacts(
        record=record,
        scores=scores,
        final=final,
        details=details,
        parts=tuple(_parts(record)),
        again=repeat_command(record, folder=folder),
        no_scores=_no_scores(record),
        no_details=_no_details(record),
        disagreement=_disagreement(details, final=final),
    )


def repeat_command(record: Record, *, folder: RunFolder) -> str:
    """Give the command that repeats a run: its recipe file, its data, its seed, its kind of device."""
    words = [
        "plumbline",
        "fit",
        str(folder.recipe),
        *data_options(record.dataset),
        "--seed",
        str(record.seed),
    ]
    return shlex.join([*words, "--device", record.device.kind])


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count:,} times")


def _scores(record: Record) -> Iterator[Score]:
    def place(part: ScorePart) -> tuple[int, bool, int]:
        return _ORDER.index((part.phase, part.weights)), part.split == "test", part.views

    for part in sorted(record.scores, key=place):
        values = part.model_dump(include={"phase", "weights", "split", "views", "accuracy", "correct"})
        yield Score(
            name=weights_in_words(part, two_phases=any(one.phase == "average" for one in record.scores)),
            count=part.count,
            interval=wilson_interval(part.correct, count=part.count),
            loss=part.loss,
            balanced_accuracy=part.balanced_accuracy,
            **values,
        )


def _no_scores(record: Record) -> str:
    if record.leaves_test_alone:
        return "This run was asked to leave the test images alone (--no-test), so it has no score on them."
    return f"This run is {record.status} and has no score on the test images yet."


def _no_details(record: Record) -> str:
    if record.leaves_test_alone:
        return "What is said here comes from the test images, which this run was asked to leave alone."
    why = "which is not finished" if record.status != "finished" else "as runs of older versions did not"
    return f"The predictions on the test images were not kept with this run, {why}."


def _disagreement(details: Details | None, *, final: tuple[Score, ...]) -> str:
    alone = next((score for score in final if score.views == 1), None)
    if details is None or alone is None:
        return ""
    right = details.count - len(details.mistakes)
    if (right, details.count) == (alone.correct, alone.count):
        return ""
    return (
        f"The predictions kept with this run have {right:,} of {details.count:,} right, its record says "
        f"{alone.correct:,} of {alone.count:,}. What is said of single images comes from these predictions."
    )


def weights_in_words(part: ScorePart, *, two_phases: bool) -> str:
    """Say which weights a score is of."""
    if part.phase == "fit" and part.weights == "averaged":
        return "moving average of the weights"
    if not two_phases:
        return "raw weights"
    return f"{part.weights} weights after phase {'one' if part.phase == 'fit' else 'two'}"


def _parts(record: Record) -> Iterator[Part]:
    timing = record.timing
    named = {
        "Set-up": timing.setup_seconds,
        "Compiling": timing.compile_seconds,
        "Training": timing.training_seconds,
        "Averaging": timing.averaging_seconds,
        "Scoring": timing.scoring_seconds,
    }
    known = {name: seconds for name, seconds in named.items() if seconds}
    total = max(timing.total_seconds or 0.0, sum(known.values()))
    rest = total - sum(known.values())
    start = 0.0
    for name, seconds in (known | ({"Other": rest} if known and rest > 0.05 else {})).items():
        yield Part(name=name, seconds=seconds, start=start, share=seconds / total)
        start += seconds / total
