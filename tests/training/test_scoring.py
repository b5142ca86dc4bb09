"""What the final weights said of each image is kept with the run, and is what was scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plumbline.data import Dataset
from plumbline.data.images import Images
from plumbline.errors import StopRequested
from plumbline.recipes import NAMED, Recipe, apply_settings
from plumbline.records import RunFolder, SplitName, create_run_folder, read_record
from plumbline.records.image_names import read_image_names
from plumbline.records.ledger import looks_at
from plumbline.records.predictions import read_predictions
from plumbline.training.run import Run
from training.runs import StopsAt, ask


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """Give a recipe of two phases that trains in a second."""
    settings = {
        "epochs": 1,
        "averaging.epochs": 1,
        "batch_size": 32,
        "validation_fraction": 0.2,
        "resolution": {"train": [9], "test": 9},
        "tta": "flip",
    }
    return apply_settings(NAMED["swa-quick"](), settings)


@pytest.fixture(scope="module")
def finished(few_digits: Dataset, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Run it once."""
    folder = create_run_folder(tmp_path_factory.mktemp("runs") / "whole")
    Run.start(ask(recipe, few_digits), folder=folder).execute()
    return folder


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_predictions_kept_are_those_of_the_averaged_weights(
    finished: RunFolder, split: SplitName
) -> None:
    """Counted again they give the record's plain score of the last weights, to the image."""
    said = read_predictions(finished, split=split)
    assert said is not None
    (score,) = (
        s
        for s in read_record(finished.path).scores
        if (s.weights, s.split, s.views) == ("averaged", split, 1)
    )
    assert int((said.logits.argmax(1) == said.labels).sum()) == score.correct
    assert len(said.labels) == score.count


def test_each_prediction_can_be_found_in_the_data(finished: RunFolder, few_digits: Dataset) -> None:
    """Index and label belong together in the data set, and a kept picture is the image of its index."""
    splits: dict[SplitName, Images] = {"validation": few_digits.train, "test": few_digits.test}
    for split, images in splits.items():
        said = read_predictions(finished, split=split)
        assert said is not None
        assert np.array_equal(images.labels.numpy()[said.indices], said.labels)
        assert said.pictures
        for index, picture in said.pictures.items():
            assert np.array_equal(picture, images.images[index].permute(1, 2, 0).numpy())


def test_without_validation_images_there_are_none_of_them(
    few_digits: Dataset, recipe: Recipe, tmp_path: Path
) -> None:
    """Only what was held out is predicted."""
    folder = create_run_folder(tmp_path / "run")
    changed = apply_settings(recipe, {"validation_fraction": 0, "averaging": None})
    Run.start(ask(changed, few_digits), folder=folder).execute()
    assert read_predictions(folder, split="validation") is None
    said = read_predictions(folder, split="test")
    assert said is not None
    assert len(said.labels) == len(few_digits.test)


def test_a_run_can_leave_the_test_images_alone(few_digits: Dataset, recipe: Recipe, tmp_path: Path) -> None:
    """Tuning needs that: no score, no prediction, no look counted, after a resume either."""
    looks = looks_at(few_digits.fingerprint)
    request = replace(ask(recipe, few_digits), leaves_test_alone=True)
    folder = create_run_folder(tmp_path / "run")
    with pytest.raises(StopRequested):
        Run.start(request, folder=folder, progress=StopsAt(1)).execute()
    begun = read_record(folder.path)
    record = Run.resume(ask(recipe, few_digits), record=begun, folder=folder).execute()
    assert {score.split for score in record.scores} == {"validation"}
    assert read_predictions(folder, split="test") is None
    assert read_predictions(folder, split="validation") is not None
    assert looks_at(few_digits.fingerprint) == looks


def test_pictures_of_ones_own_keep_their_names(few_digits: Dataset, recipe: Recipe, tmp_path: Path) -> None:
    """The run folder says which file each image was."""
    names = {
        split: tuple(f"{split}/{n}.png" for n in range(len(getattr(few_digits, split))))
        for split in ("train", "test")
    }
    dataset = replace(few_digits, train_names=names["train"], test_names=names["test"])
    folder = create_run_folder(tmp_path / "run")
    Run.start(ask(recipe, dataset), folder=folder)
    assert read_image_names(folder, split="test") == dict(enumerate(names["test"]))
    assert read_image_names(folder, split="train") == dict(enumerate(names["train"]))
