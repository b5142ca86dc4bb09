"""Score a classifier on what was held out, and write each score down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch

from plumbline.data.duplicate_cache import known_duplicated
from plumbline.data.duplicates import clean_test_indices
from plumbline.evaluation import VIEW_COUNT, Predictions, Score, predict, score
from plumbline.progress import Progress
from plumbline.records import PhaseName, ScorePart, SplitName, WeightsName
from plumbline.records.ledger import count_look
from plumbline.records.predictions import SplitPredictions, confident_mistakes, write_predictions
from plumbline.training.build import Built
from plumbline.training.classifier import ImageClassifier
from plumbline.training.device import Compute
from plumbline.training.interrupts import StopFlag
from plumbline.training.journal import Journal

_PICTURES = 24  # of the most confident mistakes


@dataclass(frozen=True)
class Scoring:
    """Scores each split that has images into the journal, plainly and with the recipe's views."""

    journal: Journal
    compute: Compute
    stop: StopFlag
    progress: Progress

    def score(
        self,
        classifier: ImageClassifier,
        *,
        built: Built,
        phase: PhaseName,
        weights: WeightsName,
        are_final: bool,
    ) -> None:
        """Score one set of weights; what the final ones say of each image is kept for the report.

        Raises StopRequested between two scores.
        """
        splits: list[SplitName] = ["validation"] if len(built.data.splits.validation) else []
        if not self.journal.record.leaves_test_alone:
            splits.append("test")
        # Known once for all scores, and no part of the time that one takes.
        duplicated = known_duplicated(built.data.dataset.fingerprint)
        for split in splits:
            for views in dict.fromkeys((None, built.views)):
                self.stop.raise_if_set()
                began = perf_counter()
                predictions = predict(
                    classifier,
                    batches=built.data.evaluation_batches(split, device=self.compute.device),
                    autocast=self.compute.autocast,
                    progress=self.progress,
                    views=views,
                )
                result, seconds = score(predictions), perf_counter() - began
                clean = _clean_score(predictions, duplicated) if split == "test" and duplicated else None
                part = ScorePart(
                    phase=phase,
                    weights=weights,
                    split=split,
                    views=1 if views is None else VIEW_COUNT[views],
                    seconds=seconds,
                    clean_correct=None if clean is None else clean.correct,
                    clean_count=None if clean is None else clean.count,
                    **vars(result),
                )
                self.journal.add_score(part)
                self.progress.say(in_words(part))
                if self.journal.writes:
                    self._count_look(part)
                    if are_final and views is None:
                        self._keep(predictions, built=built, split=split)

    def _count_look(self, part: ScorePart) -> None:
        record = self.journal.record
        trouble = part.split == "test" and count_look(
            record.dataset.fingerprint,
            dataset=record.dataset.name,
            run=str(self.journal.folder.path.resolve()),
            digest=record.digest,
            views=part.views,
            weights=part.weights,
        )
        if trouble:
            self.progress.say(trouble)

    def _keep(self, predictions: Predictions, *, built: Built, split: SplitName) -> None:
        dataset, held_out = built.data.dataset, built.data.splits.validation
        images = dataset.test if split == "test" else dataset.train
        indices = np.arange(len(predictions)) if split == "test" else held_out.numpy()
        said = SplitPredictions(predictions.logits.numpy(), predictions.labels.numpy(), indices)
        shown = indices[confident_mistakes(said)[:_PICTURES]].tolist()
        pixels = images.take(torch.tensor(shown, dtype=torch.int64)).permute(0, 2, 3, 1).cpu().numpy()
        pictures = dict(zip(shown, pixels, strict=True))
        write_predictions(self.journal.folder, split=split, predictions=said, pictures=pictures)


def _clean_score(predictions: Predictions, duplicated: Sequence[int]) -> Score:
    kept = clean_test_indices(duplicated, test_count=len(predictions))
    return score(Predictions(predictions.logits[kept], predictions.labels[kept]))


def in_words(part: ScorePart) -> str:
    """Give the line that says a score."""
    views = f", {part.views} views" if part.views > 1 else ""
    return (
        f"{part.split} after phase {part.phase}, {part.weights} weights{views}: {part.accuracy:.2%} "
        f"({part.correct:,} of {part.count:,}), loss {part.loss:.4f}"
    )
