"""Score a classifier on what was held out, and write each score down."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from plumbline.evaluation import VIEW_COUNT, predict, score
from plumbline.progress import Progress
from plumbline.records import PhaseName, ScorePart, SplitName, WeightsName
from plumbline.training.build import Built
from plumbline.training.classifier import ImageClassifier
from plumbline.training.device import Compute
from plumbline.training.interrupts import StopFlag
from plumbline.training.journal import Journal


@dataclass(frozen=True)
class Scoring:
    """Scores each split that has images into the journal, plainly and with the recipe's views."""

    journal: Journal
    compute: Compute
    stop: StopFlag
    progress: Progress

    def score(
        self, classifier: ImageClassifier, *, built: Built, phase: PhaseName, weights: WeightsName
    ) -> None:
        """Score one set of weights. Raises StopRequested between two scores."""
        splits: tuple[SplitName, ...] = (
            ("validation", "test") if len(built.data.splits.validation) else ("test",)
        )
        for split in splits:
            for views in dict.fromkeys((None, built.views)):
                self.stop.raise_if_set()
                began = perf_counter()
                result = score(
                    predict(
                        classifier,
                        batches=built.data.evaluation_batches(split, device=self.compute.device),
                        autocast=self.compute.autocast,
                        progress=self.progress,
                        views=views,
                    )
                )
                part = ScorePart(
                    phase=phase,
                    weights=weights,
                    split=split,
                    views=1 if views is None else VIEW_COUNT[views],
                    seconds=perf_counter() - began,
                    **vars(result),
                )
                self.journal.add_score(part)
                self.progress.say(in_words(part))


def in_words(part: ScorePart) -> str:
    """Give the line that says a score."""
    views = f", {part.views} views" if part.views > 1 else ""
    return (
        f"{part.split} after phase {part.phase}, {part.weights} weights{views}: {part.accuracy:.2%} "
        f"({part.correct:,} of {part.count:,}), loss {part.loss:.4f}"
    )
