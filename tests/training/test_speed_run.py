"""A run of the speed family: one phase, nothing held out, a moving average, several views."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from plumbline.data import Dataset
from plumbline.errors import StopRequested
from plumbline.recipes import NAMED, Recipe, apply_settings
from plumbline.records import RunFolder, create_run_folder, read_record
from plumbline.tensor_files import read_checkpoint
from plumbline.training.run import Run
from training.runs import StopsAt, ask, figures_of, same_weights

STEPS_PER_EPOCH = 4


@pytest.fixture(scope="module")
def speed() -> Recipe:
    """Give speed94 on small images with a moving average from the middle on."""
    ema = {"kind": "ema", "half_life_steps": 2.0, "every_steps": 1, "start_fraction": 0.5}
    sizes = {"train": [9, 12], "test": 12}
    return apply_settings(
        NAMED["speed94"](), {"batch_size": 25, "epochs": 2, "resolution": sizes, "averaging": ema}
    )


@pytest.fixture(scope="module")
def finished(few_digits: Dataset, speed: Recipe, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Run it once, without interruption."""
    folder = create_run_folder(tmp_path_factory.mktemp("runs") / "whole")
    Run.start(ask(speed, few_digits), folder=folder).execute()
    return folder


def test_every_score_is_there_with_and_without_views(finished: RunFolder) -> None:
    """Test images alone are scored, raw and averaged, plainly and with six views, and each took its time."""
    record = read_record(finished.path)
    assert [(s.phase, s.weights, s.split, s.views) for s in record.scores] == [
        ("fit", "raw", "test", 1),
        ("fit", "raw", "test", 6),
        ("fit", "averaged", "test", 1),
        ("fit", "averaged", "test", 6),
    ]
    assert record.dataset.counts.model_dump() == {"train": 100, "validation": 0, "test": 40}
    assert all(epoch.validation_loss is None for epoch in record.epochs)
    assert all(score.seconds is not None and score.seconds > 0 for score in record.scores)
    assert {path.stem for path in finished.checkpoint("last").parent.iterdir()} == {
        *("raw", "averaged", "last", "previous")
    }


def test_the_whitening_bias_rests_after_its_part_of_the_steps(
    few_digits: Dataset, speed: Recipe, tmp_path: Path
) -> None:
    """Trained for no step it keeps its first value; trained for all, it does not."""
    biases = []
    for fraction in (0.0, 1.0):
        folder = create_run_folder(tmp_path / str(fraction))
        recipe = apply_settings(speed, {"optimizer.whitening_bias_fraction": fraction, "averaging": None})
        Run.start(ask(recipe, few_digits), folder=folder).execute()
        biases.append(read_checkpoint(folder.checkpoint("raw"))["state_dict"]["model.whitening.bias"])
    assert not torch.equal(*biases)


@pytest.mark.parametrize(
    "step", [1, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 2], ids=["first step", "end of epoch", "while averaging"]
)
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(
    finished: RunFolder, few_digits: Dataset, speed: Recipe, tmp_path: Path, step: int
) -> None:
    """Muon's momentum, the moving average, sizes, flips and scores are equal to the bit."""
    folder = create_run_folder(tmp_path / "stopped")
    with pytest.raises(StopRequested):
        Run.start(ask(speed, few_digits), folder=folder, progress=StopsAt(step)).execute()
    record = read_record(folder.path)
    Run.resume(ask(speed, few_digits), record=record, folder=folder).execute()
    for name in ("raw", "averaged"):
        assert same_weights(finished, folder, name)
    assert figures_of(read_record(folder.path)) == figures_of(read_record(finished.path))
    assert folder.metrics.read_text() == finished.metrics.read_text()
