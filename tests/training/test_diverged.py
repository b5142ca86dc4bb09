"""A training that diverges ends at once, says what to do, and its last finite checkpoint stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from plumbline.data import Dataset
from plumbline.errors import PlumblineError
from plumbline.recipes import NAMED, Recipe, apply_settings
from plumbline.records import RunFolder, create_run_folder, read_record
from plumbline.tensor_files import read_checkpoint
from plumbline.training import callbacks, chronicle, classifier
from plumbline.training.checkpoints import not_finite
from plumbline.training.classifier import ImageClassifier
from plumbline.training.run import Run
from training.runs import Listens, ask


@pytest.fixture(scope="module")
def diverging() -> Recipe:
    """Give a recipe whose first step is finite and whose later ones are not."""
    settings = {
        "model.name": "speednet_xs",
        "batch_size": 20,
        "epochs": 3,
        "resolution": {"train": [12], "test": 12},
        "schedule.max_rate": 1e30,
    }
    return apply_settings(NAMED["resnet18-quick"](), settings)


def finite_checkpoint(folder: RunFolder) -> bool:
    """Tell whether there is one to go on from, with finite weights."""
    state = read_checkpoint(folder.checkpoint("last"))["state_dict"]
    return not not_finite(state)


def test_a_loss_that_is_no_number_stops_the_run(
    diverging: Recipe, few_digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the logging interval, with the step, the rate and what to try; no score is made of it."""
    monkeypatch.setattr(callbacks, "SAVE_EVERY_SECONDS", 0.0)
    folder = create_run_folder(tmp_path / "run")
    with pytest.raises(PlumblineError) as told:
        Run.start(ask(diverging, few_digits), folder=folder).execute()
    text = str(told.value)
    assert "finite numbers" in text or "training loss is nan" in text
    assert "rate is" in text or "(rate " in text
    assert "begin another with a smaller rate" in text
    record = read_record(folder.path)
    assert (record.status, record.scores, record.epochs) == ("failed", (), ())
    assert not folder.checkpoint("last").is_file() or finite_checkpoint(folder)


def test_the_step_and_the_rate_are_told_where_the_loss_is_seen_first(
    diverging: Recipe, few_digits: Dataset, tmp_path: Path
) -> None:
    """Nothing was saved in between: the loss at the next logged step tells."""
    folder = create_run_folder(tmp_path / "run")
    with pytest.raises(PlumblineError, match=r"training loss is (nan|inf) at step [1-4] \(rate \d"):
        Run.start(ask(diverging, few_digits), folder=folder).execute()


def test_weights_that_are_not_finite_never_take_the_place_of_finite_ones(
    few_digits: Dataset, diverging: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weight turns into no number without the loss telling: the save refuses it, and the old one stays."""
    calm = apply_settings(diverging, {"schedule.max_rate": 0.05})
    folder = create_run_folder(tmp_path / "run")
    monkeypatch.setattr(callbacks, "SAVE_EVERY_SECONDS", 0.0)

    def spoil(self: ImageClassifier, *_: object) -> None:
        if self.global_step == 3:
            with torch.no_grad():
                next(self.parameters()).fill_(float("nan"))

    monkeypatch.setattr(ImageClassifier, "on_train_batch_end", spoil, raising=False)
    for module in (classifier, chronicle):
        monkeypatch.setattr(module, "LOOK_EVERY_SECONDS", 60.0)
    with pytest.raises(
        PlumblineError, match=r"After step 4 the weights are no longer finite .*first in model"
    ):
        Run.start(ask(calm, few_digits), folder=folder, progress=Listens(-1)).execute()
    assert finite_checkpoint(folder)
    assert read_checkpoint(folder.checkpoint("last"))["global_step"] == 3
    assert not folder.checkpoint("fit").is_file()
