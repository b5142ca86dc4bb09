"""A run loaded to be used says what it said when it was scored, and how sure it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from inference.handmade import HELD_OUT, digits, handmade_run, network
from plumbline.errors import PlumblineError
from plumbline.inference import load_trained, probabilities, to_batch
from plumbline.inference.standing import standing
from plumbline.records import RunFolder
from plumbline.tensor_files import read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path


def test_probabilities_are_the_logits_of_the_run_divided_by_its_temperature(tmp_path: Path) -> None:
    """The same resizing, normalisation and weights as in scoring, then softmax of logits / temperature."""
    trained = load_trained(handmade_run(tmp_path / "run"), device="cpu")
    images = digits().train.take(slice(-HELD_OUT, None))
    expected = torch.softmax(network()[1][-HELD_OUT:] / trained.temperature, dim=1)
    assert trained.is_calibrated
    assert (trained.stored_size, trained.image_size) == (32, 20)
    assert (probabilities(trained, images=images) - expected).abs().max() < 1e-6


def test_a_temperature_makes_held_out_images_likelier(tmp_path: Path) -> None:
    """The cross-entropy of the validation images is smaller with the temperature than without."""
    trained = load_trained(handmade_run(tmp_path / "run"), device="cpu")
    logits, labels = network()[1][-HELD_OUT:], digits().train.labels[-HELD_OUT:]
    loss = torch.nn.functional.cross_entropy
    assert trained.temperature != 1
    assert loss(logits / trained.temperature, labels) < loss(logits, labels)


@pytest.mark.parametrize(("held_out", "weights"), [(False, "averaged"), (True, "raw")])
def test_what_was_not_calibrated_says_so(tmp_path: Path, *, held_out: bool, weights: str) -> None:
    """Where nothing was held out, or predictions are of other weights, logits are as they are, and told."""
    run = handmade_run(tmp_path / "run", held_out=held_out, raw_too=True)
    trained = load_trained(run, weights=weights, device="cpu")
    assert (trained.temperature, trained.is_calibrated) == (1.0, False)
    assert trained.calibration.startswith("not calibrated: ")


def test_weights_that_are_not_there_are_refused_by_name(tmp_path: Path) -> None:
    """The run has averaged weights only; another word is answered with the nearest."""
    run = handmade_run(tmp_path / "run")
    with pytest.raises(PlumblineError, match=r"no raw weights\. It has: averaged"):
        load_trained(run, weights="raw")
    with pytest.raises(PlumblineError, match="Did you mean 'averaged'"):
        load_trained(run, weights="avaraged")


def test_weights_of_other_classes_are_refused(tmp_path: Path) -> None:
    """A checkpoint copied from another run is told apart by its classes, with both files named."""
    path = RunFolder(handmade_run(tmp_path / "run")).checkpoint("averaged")
    content = read_checkpoint(path)
    content["plumbline"]["classes"] = list("abcdefghij")
    write_checkpoint(content, path=path)
    with pytest.raises(PlumblineError, match=r"averaged\.ckpt holds weights for other classes"):
        load_trained(tmp_path / "run")


def test_a_file_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """A checkpoint without a model's name and classes is not guessed at."""
    path = RunFolder(handmade_run(tmp_path / "run")).checkpoint("averaged")
    write_checkpoint({"state_dict": {}}, path=path)
    with pytest.raises(PlumblineError, match="holds no weights of a plumbline run"):
        load_trained(tmp_path / "run")


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    """The error says which size the run was trained on."""
    trained = load_trained(handmade_run(tmp_path / "run"), device="cpu")
    with pytest.raises(PlumblineError, match=r"expected uint8 \(N, 3, 32, 32\)"):
        probabilities(trained, images=to_batch([np.zeros((20, 20, 3), np.uint8)]))


def test_the_standing_is_the_score_of_the_same_weights(tmp_path: Path) -> None:
    """Averaged weights have a test score with its interval; raw ones have none here."""
    record = load_trained(handmade_run(tmp_path / "run"), device="cpu").record
    found = standing(record, weights="averaged")
    assert found is not None
    assert (found.correct, found.count) == (300, 360)
    assert found.low < found.accuracy < found.high
    assert standing(record, weights="raw") is None
