"""A whole run on a few real digits: what it leaves behind, and that a seed says everything about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from plumbline.data import Dataset
from plumbline.errors import PlumblineError, StopRequested
from plumbline.evaluation import predict, score
from plumbline.recipes import NAMED, Recipe, apply_settings
from plumbline.records import RunFolder, create_run_folder, read_record
from plumbline.tensor_files import read_checkpoint
from plumbline.training.averaging import refresh_batch_norm
from plumbline.training.build import build_phase
from plumbline.training.classifier import ImageClassifier
from plumbline.training.device import Precision, choose_compute
from plumbline.training.run import Run
from plumbline.training.weights import load_classifier
from trainers import quiet_trainer
from training.runs import Listens, StopsAt, ask, figures_of, same_weights

STEPS_PER_EPOCH = 3


@pytest.fixture(scope="module")
def tiny() -> Recipe:
    """Give a recipe that trains in a second: a small network, two epochs and two of averaging."""
    settings = {
        "model.name": "speednet_xs",
        "batch_size": 32,
        "epochs": 2,
        "averaging.epochs": 2,
        "validation_fraction": 0.2,
    }
    return apply_settings(NAMED["resnet18-quick"](), settings)


@pytest.fixture(scope="module")
def finished(few_digits: Dataset, tiny: Recipe, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Run it once, without interruption."""
    folder = create_run_folder(tmp_path_factory.mktemp("runs") / "whole")
    Run.start(ask(tiny, few_digits), folder=folder).execute()
    return folder


def test_a_run_leaves_everything_that_explains_it(finished: RunFolder, tiny: Recipe) -> None:
    """Record, recipe, checkpoints, TensorBoard events and figures are there, and the record is complete."""
    record = read_record(finished.path)
    assert record.status == "finished"
    assert record.recipe == tiny
    assert [(s.phase, s.weights, s.split) for s in record.scores] == [
        ("fit", "raw", "validation"),
        ("fit", "raw", "test"),
        ("average", "raw", "validation"),
        ("average", "raw", "test"),
        ("average", "averaged", "validation"),
        ("average", "averaged", "test"),
    ]
    assert {s.count for s in record.scores if s.split == "test"} == {40}
    assert record.dataset.counts.model_dump() == {"train": 80, "validation": 20, "test": 40}
    assert [(e.phase, e.epoch) for e in record.epochs] == [
        ("fit", 0),
        ("fit", 1),
        ("average", 0),
        ("average", 1),
    ]
    assert all(phase.finished and phase.steps == 2 * STEPS_PER_EPOCH for phase in record.phases)
    assert record.timing.training_seconds is not None
    assert record.peak_memory_bytes is not None
    assert any(finished.events.iterdir())
    names = {path.stem for path in finished.checkpoint("last").parent.iterdir()}
    assert names == {"fit", "raw", "averaged", "last", "previous"}


def test_figures_of_both_phases_stand_on_one_step_axis(finished: RunFolder) -> None:
    """The second phase goes on where the first ended, and the rate of its steps is the constant one."""
    rows = [line.split(",") for line in finished.metrics.read_text().splitlines()[1:]]
    rates = {int(step): float(value) for step, name, value in rows if name == "train/rate"}
    assert sorted(rates) == list(range(1, 4 * STEPS_PER_EPOCH + 1))
    assert rates[2 * STEPS_PER_EPOCH] == pytest.approx(0.05 / 25 / 1e4)
    assert [rates[step] for step in range(2 * STEPS_PER_EPOCH + 1, 4 * STEPS_PER_EPOCH + 1)] == pytest.approx(
        [0.01] * 6
    )


@pytest.mark.parametrize(
    ("name", "phase", "weights"),
    [("fit", "fit", "raw"), ("raw", "average", "raw"), ("averaged", "average", "averaged")],
)
def test_saved_weights_score_what_the_record_says(
    finished: RunFolder, few_digits: Dataset, tiny: Recipe, name: str, phase: str, weights: str
) -> None:
    """Each file reloads alone, through plumbline and through Lightning, to the very score of the record."""
    record = read_record(finished.path)
    (expected,) = [s for s in record.scores if (s.phase, s.weights, s.split) == (phase, weights, "test")]
    built = build_phase(tiny, phase="fit", dataset=few_digits, seed=7, compute=choose_compute("cpu"))
    path = finished.checkpoint(name)
    for classifier in (load_classifier(path), ImageClassifier.load_from_checkpoint(path)):
        again = classifier.to(memory_format=torch.channels_last)
        batches = built.data.evaluation_batches("test")
        result = score(predict(again, batches=batches, autocast=choose_compute("cpu").autocast))
        assert (result.correct, result.count) == (expected.correct, expected.count)
        assert result.loss == pytest.approx(expected.loss, rel=1e-6)


def running_means(classifier: ImageClassifier) -> list[torch.Tensor]:
    """Give a copy of the running mean of every BatchNorm."""
    state = classifier.state_dict()
    return [value.clone() for name, value in state.items() if name.endswith("running_mean")]


def test_batchnorm_of_the_averaged_checkpoint_is_that_of_the_averaged_weights(
    finished: RunFolder, few_digits: Dataset, tiny: Recipe
) -> None:
    """Refreshing the reloaded average on the same batches changes nothing; the raw statistics are others."""
    built = build_phase(tiny, phase="average", dataset=few_digits, seed=7, compute=choose_compute("cpu"))
    classifier = load_classifier(finished.checkpoint("averaged")).to(memory_format=torch.channels_last)
    before = running_means(classifier)
    batches = built.data.train_batches()
    batches.set_epoch(2)
    refresh_batch_norm(classifier, batches=batches, autocast=choose_compute("cpu").autocast)
    after, raw = running_means(classifier), running_means(load_classifier(finished.checkpoint("raw")))
    assert all(map(torch.equal, after, before))
    assert not any(map(torch.equal, raw, before))


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    finished: RunFolder, few_digits: Dataset, tiny: Recipe, tmp_path: Path
) -> None:
    """All weights, raw and averaged, are equal to the bit for one seed, and differ for two."""
    again, other = create_run_folder(tmp_path / "again"), create_run_folder(tmp_path / "other")
    Run.start(ask(tiny, few_digits), folder=again).execute()
    Run.start(ask(tiny, few_digits, seed=8), folder=other).execute()
    for name in ("fit", "raw", "averaged"):
        assert same_weights(finished, again, name)
        assert not same_weights(finished, other, name)


@pytest.mark.parametrize(
    "step",
    [1, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 2, 2 * STEPS_PER_EPOCH, 3 * STEPS_PER_EPOCH - 1],
    ids=["first step", "end of epoch", "mid-epoch", "end of phase", "while averaging"],
)
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(
    finished: RunFolder, few_digits: Dataset, tiny: Recipe, tmp_path: Path, step: int
) -> None:
    """Ctrl-C at any step, then --resume: weights, averages, figures and scores are equal to the bit."""
    folder = create_run_folder(tmp_path / "stopped")
    with pytest.raises(StopRequested) as stopped:
        Run.start(ask(tiny, few_digits), folder=folder, progress=StopsAt(step)).execute()
    assert stopped.value.exit_code == 130
    record = read_record(folder.path)
    assert record.status == "interrupted"
    Run.resume(ask(tiny, few_digits), record=record, folder=folder).execute()
    for name in ("fit", "raw", "averaged"):
        assert same_weights(finished, folder, name)
    resumed = read_record(folder.path)
    assert len(resumed.resumed) == 1
    assert figures_of(resumed) == figures_of(read_record(finished.path))
    assert folder.metrics.read_text() == finished.metrics.read_text()


def test_an_average_of_steps_is_gone_on_with_within_an_epoch(
    few_digits: Dataset, tiny: Recipe, tmp_path: Path
) -> None:
    """Stopped in the second phase between two steps that are averaged, it ends with the same average."""
    recipe = apply_settings(tiny, {"epochs": 1, "averaging.epochs": 1, "averaging.every_steps": 1})
    whole, folder = create_run_folder(tmp_path / "whole"), create_run_folder(tmp_path / "stopped")
    Run.start(ask(recipe, few_digits), folder=whole).execute()
    with pytest.raises(StopRequested):
        Run.start(ask(recipe, few_digits), folder=folder, progress=StopsAt(STEPS_PER_EPOCH + 2)).execute()
    Run.resume(ask(recipe, few_digits), record=read_record(folder.path), folder=folder).execute()
    assert same_weights(whole, folder, "averaged")


def test_an_epoch_that_was_stopped_keeps_its_seconds(
    few_digits: Dataset, tiny: Recipe, tmp_path: Path
) -> None:
    """The time before the stop counts to the epoch that is finished after it."""
    folder = create_run_folder(tmp_path / "stopped")
    with pytest.raises(StopRequested):
        Run.start(ask(tiny, few_digits), folder=folder, progress=StopsAt(STEPS_PER_EPOCH - 1)).execute()
    before = read_checkpoint(folder.checkpoint("last"))["plumbline_epoch_seconds"]
    assert before > 0
    record = Run.resume(ask(tiny, few_digits), record=read_record(folder.path), folder=folder).execute()
    assert record.epochs[0].seconds > before


def test_a_run_goes_on_in_its_own_number_format_only(
    finished: RunFolder, few_digits: Dataset, tiny: Recipe
) -> None:
    """Another precision or kind of device is refused: the figures would be those of neither."""
    record, request = read_record(finished.path), ask(tiny, few_digits)
    other: Precision = "fp32" if request.compute.precision == "bf16" else "bf16"
    elsewhere = replace(request, compute=replace(request.compute, precision=other))
    with pytest.raises(PlumblineError, match="Go on with --device cpu"):
        Run.resume(elsewhere, record=record, folder=finished)


def test_a_run_that_goes_on_with_another_version_says_so(
    finished: RunFolder, few_digits: Dataset, tiny: Recipe
) -> None:
    """The record has both, in their order, so that the run is not taken for one of either."""
    record = read_record(finished.path)
    now = record.versions["torch"]
    older = record.model_copy(update={"versions": record.versions | {"torch": "2.0"}})
    watcher = Listens()
    run = Run.resume(ask(tiny, few_digits), record=older, folder=finished, progress=watcher)
    assert run.journal.record.versions == record.versions | {"torch": f"2.0, then {now}"}
    assert watcher.said == [f"The run goes on with torch {now}; it was begun with 2.0."]


def test_a_damaged_checkpoint_costs_some_steps_and_no_run(
    finished: RunFolder, few_digits: Dataset, tiny: Recipe, tmp_path: Path
) -> None:
    """With one bit of `last` flipped the run goes on from `previous`, says so, and ends on the same bits."""
    folder = create_run_folder(tmp_path / "damaged")
    with pytest.raises(StopRequested):
        Run.start(ask(tiny, few_digits), folder=folder, progress=StopsAt(STEPS_PER_EPOCH + 1)).execute()
    last, previous = folder.resumable
    assert previous.is_file()
    raw = bytearray(last.read_bytes())
    raw[len(raw) // 2] ^= 1
    last.write_bytes(raw)
    watcher = Listens(-1)
    Run.resume(
        ask(tiny, few_digits), record=read_record(folder.path), folder=folder, progress=watcher
    ).execute()
    assert any("is damaged" in text and "Going on from the one before it" in text for text in watcher.said)
    for name in ("fit", "raw", "averaged"):
        assert same_weights(finished, folder, name)
    assert figures_of(read_record(folder.path)) == figures_of(read_record(finished.path))
    assert folder.metrics.read_text() == finished.metrics.read_text()


def test_two_damaged_checkpoints_are_an_error(few_digits: Dataset, tiny: Recipe, tmp_path: Path) -> None:
    """A run whose checkpoints are all damaged does not start over silently."""
    folder = create_run_folder(tmp_path / "lost")
    with pytest.raises(StopRequested):
        Run.start(ask(tiny, few_digits), folder=folder, progress=StopsAt(STEPS_PER_EPOCH + 1)).execute()
    for path in folder.resumable:
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PlumblineError, match="No other is left"):
        Run.resume(ask(tiny, few_digits), record=read_record(folder.path), folder=folder).execute()


def test_an_added_evaluation_does_not_change_training(few_digits: Dataset, tiny: Recipe) -> None:
    """Weights after an epoch are the same bits with validation after every batch and without any."""
    weights = []
    for limit in (0, None):
        built = build_phase(tiny, phase="fit", dataset=few_digits, seed=7, compute=choose_compute("cpu"))
        trainer = quiet_trainer(
            max_epochs=1, limit_val_batches=limit, val_check_interval=1, num_sanity_val_steps=0
        )
        trainer.fit(built.classifier, datamodule=built.data)
        weights.append(built.classifier.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
