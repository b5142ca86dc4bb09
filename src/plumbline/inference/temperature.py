"""How sure a run's network may be: the temperature that its held-out images give."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.analysis import fit_temperature
from plumbline.records import Record, RunFolder, WeightsName
from plumbline.records.predictions import read_predictions


@dataclass(frozen=True)
class RunTemperature:
    """The divisor of the logits, whether images that were held out gave it, and that in words."""

    value: float
    is_calibrated: bool
    words: str


def run_temperature(record: Record, *, folder: RunFolder, weights: WeightsName) -> RunTemperature:
    """Fit the temperature to what a run said of its validation images; 1 where that says nothing.

    The test images are never looked at. Raises PlumblineError if the predictions are damaged or not finite.
    """
    held_out = [score for score in record.scores if score.split == "validation"]
    if not held_out:
        return _none("the run held no images out")
    said = read_predictions(folder, split="validation")
    if said is None:
        return _none("the run kept no predictions of its validation images")
    # The file holds what the final weights said; the averaged ones are final where there are any.
    final = "averaged" if folder.checkpoint("averaged").is_file() else "raw"
    if weights != final:
        return _none(f"the validation predictions are those of the {final} weights")
    found = fit_temperature(said.logits, labels=said.labels)
    if found.bounded:
        return _none(found.why_bounded(len(said.labels)))
    return RunTemperature(
        found.value,
        is_calibrated=True,
        words=f"calibrated: temperature {found.value:.3f} from {len(said.labels):,} validation images",
    )


def _none(why: str) -> RunTemperature:
    return RunTemperature(1.0, is_calibrated=False, words=f"not calibrated: {why}")
