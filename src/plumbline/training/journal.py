"""The run's record as it grows: held by one object, written to disk at every change."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Literal

import torch

from plumbline.engine import installed
from plumbline.records import (
    EpochPart,
    PhaseName,
    PhasePart,
    Record,
    RunFolder,
    ScorePart,
    SplitName,
    TimingPart,
    WeightsName,
    write_record,
)
from plumbline.training.cores import core_seconds

Span = Literal["setup_seconds", "compile_seconds", "training_seconds", "averaging_seconds", "scoring_seconds"]
_PACKAGES = ("plumbline", "torch", "torchvision", "lightning", "numpy")


class Journal:
    """Keeps the record. Only the first process of several writes it."""

    def __init__(self, record: Record, *, folder: RunFolder, writes: bool = True) -> None:
        self.record = record
        self.folder = folder
        self.writes = writes
        self._clock = perf_counter()
        self._cores = core_seconds()
        self._span: Span | None = None

    def write(self, **changes: Any) -> None:  # noqa: ANN401
        """Change fields of the record, and write it with the time and memory used so far."""
        changes |= {"timing": self._timing_now(), "peak_memory_bytes": peak_memory_bytes()}
        self.record = self.record.model_copy(update=changes)
        if self.writes:
            write_record(self.record, folder=self.folder)

    def write_if_possible(self, **changes: Any) -> None:  # noqa: ANN401
        """Write while another error is on its way, which a full disk must not hide."""
        with suppress(OSError):
            self.write(**changes)

    @contextmanager
    def timed(self, span: Span) -> Iterator[None]:
        """Count the seconds spent inside to one of the timings, at every write, so that a kill loses few."""
        self.write()
        self._span = span
        try:
            yield
            self.write()
        except BaseException:
            self.write_if_possible()
            raise
        finally:
            self._span = None

    def _timing_now(self) -> TimingPart:
        timing, clock = self.record.timing, perf_counter()
        passed, self._clock = clock - self._clock, clock
        seconds = {"total_seconds": (timing.total_seconds or 0.0) + passed}
        if self._span is not None:
            seconds[self._span] = (getattr(timing, self._span) or 0.0) + passed
        seconds |= self._cores_now()
        return timing.model_copy(update=seconds | {"images_per_second": self._images_per_second()})

    def _cores_now(self) -> dict[str, float]:
        before, self._cores = self._cores, core_seconds()
        trains = self._span in {"training_seconds", "averaging_seconds"}
        if before is None or self._cores is None or not trains:
            return {}
        timing, passed = self.record.timing, self._cores.since(before)
        return {
            "core_seconds": (timing.core_seconds or 0.0) + passed.used,
            "waiting_seconds": (timing.waiting_seconds or 0.0) + passed.waited,
        }

    def _images_per_second(self) -> float | None:
        epochs = self.record.epochs
        if not epochs:
            return None
        return len(epochs) * self.record.dataset.counts.train / sum(epoch.seconds for epoch in epochs)

    def phase(self, name: PhaseName) -> PhasePart | None:
        """Give what is known of a phase."""
        return next((phase for phase in self.record.phases if phase.name == name), None)

    def put_phase(self, phase: PhasePart) -> None:
        """Add a phase or replace what was known of it."""
        others = tuple(known for known in self.record.phases if known.name != phase.name)
        self.write(phases=(*others, phase))

    def add_epoch(self, epoch: EpochPart) -> None:
        """Add one epoch's figures; an epoch that is trained again after a resume replaces the lost one."""
        kept = [
            known for known in self.record.epochs if (known.phase, known.epoch) != (epoch.phase, epoch.epoch)
        ]
        self.write(epochs=(*kept, epoch))

    def add_score(self, score: ScorePart) -> None:
        """Add a score, or replace the one of the same weights, images and number of views."""
        kept = [known for known in self.record.scores if _what(known) != _what(score)]
        self.write(scores=(*kept, score))


def _what(score: ScorePart) -> tuple[PhaseName, WeightsName, SplitName, int]:
    return score.phase, score.weights, score.split, score.views


def now() -> str:
    """Give the time of day as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Give what the figures may depend on."""
    return {name: installed(name) for name in _PACKAGES} | {
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def peak_memory_bytes() -> int:
    """Give the most memory this process has used: on the CUDA device if there is one in use, else in RAM."""
    if torch.cuda.is_available() and torch.cuda.memory_allocated():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
