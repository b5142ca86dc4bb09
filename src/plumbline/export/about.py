"""What an exported file says of itself: enough to use it, to rebuild it, and to find its run again."""

from __future__ import annotations

import json

from plumbline.engine import installed
from plumbline.errors import PlumblineError
from plumbline.inference import TrainedModel
from plumbline.inference.standing import standing


def describe(trained: TrainedModel) -> dict[str, str]:
    """Give the metadata of an export: strings, as every format can hold them; lists and objects as JSON."""
    record = trained.record
    score = standing(record, weights=trained.weights)
    return {
        "made_by": f"plumbline {installed('plumbline')}",
        "model": trained.name,
        "classes": json.dumps(trained.classes, ensure_ascii=False),
        "stored_size": str(trained.stored_size),
        "image_size": str(trained.image_size),
        "mean": json.dumps(trained.mean),
        "std": json.dumps(trained.std),
        "temperature": repr(trained.temperature),
        "calibration": trained.calibration,
        "preprocessing": preprocessing(trained),
        "record": json.dumps(
            {
                "title": record.title,
                "digest": record.digest,
                "seed": record.seed,
                "weights": trained.weights,
                "versions": record.versions,
                "dataset": record.dataset.name,
                "fingerprint": record.dataset.fingerprint,
                "accuracy": None if score is None else score.words,
                "test_looks": record.test_looks,
            },
            ensure_ascii=False,
        ),
    }


def preprocessing(trained: TrainedModel) -> str:
    """Say what the file does between the pixels and the probabilities."""
    side, seen = trained.stored_size, trained.image_size
    resized = f"resized to {seen} x {seen} (bilinear, antialiased), " if seen != side else ""
    return (
        f"Takes RGB pictures as uint8 (N, 3, {side}, {side}). Inside: {resized}scaled to 0..1, the mean "
        "subtracted and divided by the standard deviation channel by channel, the network, its logits "
        "divided by the temperature, softmax."
    )


def missing_package(error: ImportError) -> PlumblineError:
    """Say which optional package is not here, and how to get it."""
    name = (error.name or str(error)).partition(".")[0]
    return PlumblineError(f"This export needs the package {name}: pip install 'plumbline[export]'.")
