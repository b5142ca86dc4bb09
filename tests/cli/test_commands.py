"""The commands that show and check: test, recipes, models, data."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from plumbline.cli.datasets import load_of_run
from plumbline.recipes import NAMED, Ema, Recipe
from plumbline.recipes.schema import Model, Resolution
from plumbline.records import RunFolder, read_record, write_record

if TYPE_CHECKING:
    from cli.runner import FinishedRun, Plumbline
    from plumbline.data import Dataset


@pytest.mark.parametrize("typed", [[], ["--weights", "raw"], ["--weights", "averaged"]], ids=" ".join)
def test_weights_are_tested_again(plumbline: Plumbline, finished: FinishedRun, typed: list[str]) -> None:
    """The score is computed anew from the checkpoint and is the record's; without a word, the averaged."""
    done = plumbline("test", str(finished.folder.path), *typed, "--device", "cpu")
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert first.startswith(f"{typed[-1] if typed else 'averaged'} weights on digits: ")
    assert "of 360; 95 % interval" in first
    assert second.endswith("the same.")


def test_other_data_are_normalised_as_those_of_the_run(
    plumbline: Plumbline, finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another mean and deviation of the data change no score: the network sees what it was trained on."""

    def with_other_statistics(*given: Any, **named: Any) -> Dataset:  # noqa: ANN401
        return replace(load_of_run(*given, **named), mean=(0.6, 0.6, 0.6), std=(0.2, 0.2, 0.2))

    monkeypatch.setattr("plumbline.cli.testing.load_of_run", with_other_statistics)
    done = plumbline("test", str(finished.folder.path), "--device", "cpu")
    assert done.out.endswith("the same.\n")


def test_data_that_could_not_be_trained_on_can_be_tested_on(
    plumbline: Plumbline, finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other data need test images, and not enough training images for a batch."""

    def with_few_training_images(*given: Any, **named: Any) -> Dataset:  # noqa: ANN401
        dataset = load_of_run(*given, **named)
        return replace(dataset, train=dataset.train.select(torch.arange(8)))

    monkeypatch.setattr("plumbline.cli.testing.load_of_run", with_few_training_images)
    done = plumbline("test", str(finished.folder.path), "--device", "cpu")
    assert done.code == 0, done.err
    assert "of 360; 95 % interval" in done.out


def test_views_are_tested_beside_the_images(plumbline: Plumbline, finished: FinishedRun) -> None:
    """A recipe with test-time augmentation gets both scores, each compared with the one of its views."""
    shutil.copytree(finished.folder.path, "run")
    folder = RunFolder(Path("run"))
    record = read_record(folder.path)
    recipe = record.recipe.model_copy(update={"tta": "flip_shift"})
    write_record(record.model_copy(update={"recipe": recipe}), folder=folder)
    plain, compared, several = plumbline("test", "run", "--device", "cpu").out.splitlines()
    assert plain.startswith("averaged weights on digits: ")
    assert compared.endswith("the same.")
    found = re.match(r"averaged weights on digits, 6 views: \S+ \((\d+) of 360; ", several)
    assert found is not None, several
    known = next(part for part in record.scores if (part.weights, part.split) == ("averaged", "test"))
    one_more = known.model_copy(update={"views": 6, "correct": int(found[1]) + 1})
    changed = {"recipe": recipe, "scores": (one_more, *record.scores)}
    write_record(record.model_copy(update=changed), folder=folder)
    again = plumbline("test", "run", "--device", "cpu").out.splitlines()
    assert again[:3] == [plain, compared, several]
    assert again[3].endswith(": -1 images.")


def test_a_moving_average_is_tested(plumbline: Plumbline) -> None:
    """A run of one phase, without held-out images: either of its weights, without and with views."""
    recipe = Recipe(
        model=Model(name="shufflenet_v2_x0_5"),
        validation_fraction=0.0,
        resolution=Resolution(train=(16,), test=16),
        batch_size=128,
        epochs=1,
        averaging=Ema(start_fraction=0.5),
        tta="flip",
    )
    Path("recipe.json").write_text(recipe.model_dump_json(), encoding="utf-8")
    made = plumbline("fit", "recipe.json", "--data", "digits", "--device", "cpu", "--out", "run")
    assert made.code == 0, made.err
    assert "after phase one, averaged, 2 views" in made.out
    assert "validation loss" not in made.err
    for weights in ("averaged", "raw"):
        done = plumbline("test", "run", "--weights", weights, "--device", "cpu")
        assert done.code == 0, done.err
        plain, compared, several, compared_too = done.out.splitlines()
        assert plain.startswith(f"{weights} weights on digits: ")
        assert several.startswith(f"{weights} weights on digits, 2 views: ")
        assert compared.endswith("the same.")
        assert compared_too.endswith("the same.")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["run", "--weights", "avreaged"], "Did you mean 'averaged'?"),
        (["run", "--data", "nowhere"], "neither a data set nor a folder"),
        (["none"], "none is not a run folder"),
        (["."], "is not a run folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_tested_is_refused(
    plumbline: Plumbline, finished: FinishedRun, typed: list[str], words: str
) -> None:
    """Unknown weights, unknown data, and a folder that is no run: one paragraph, exit code 2."""
    shutil.copytree(finished.folder.path, "run")
    done = plumbline("test", *typed)
    assert done.code == 2
    assert words in done.err


def test_a_damaged_checkpoint_is_named(plumbline: Plumbline, finished: FinishedRun) -> None:
    """One flipped byte in the weights is found, and no score is printed."""
    shutil.copytree(finished.folder.path, "run")
    path = Path("run/checkpoints/averaged.ckpt")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    done = plumbline("test", "run")
    assert done.code == 2
    assert "averaged.ckpt is damaged" in done.err
    assert done.out == ""


def test_a_run_without_weights_says_how_to_go_on(plumbline: Plumbline, finished: FinishedRun) -> None:
    """A run that was stopped before it had weights names the command that finishes it."""
    shutil.copytree(finished.folder.path, "run", ignore=shutil.ignore_patterns("raw.ckpt", "averaged.ckpt"))
    done = plumbline("test", "run")
    assert done.code == 2
    assert "--out run --resume" in done.err


def test_recipes_are_listed_with_their_claims(plumbline: Plumbline) -> None:
    """Every named recipe has a line, and can be shown in full: claim, digest and all fields as JSON."""
    listed = plumbline("recipes").out
    for name, make in NAMED.items():
        assert f"\n{name} " in f"\n{listed}"
        shown = plumbline("recipes", name).out
        assert f"Command: plumbline fit {name}" in shown
        assert f"digest {make().digest}" in shown
        assert json.loads(shown[shown.index("{") :]) == make().model_dump(mode="json")


def test_models_are_listed_and_explained(plumbline: Plumbline) -> None:
    """One name a line on stdout; one in full is printed with each change and its reason."""
    names = plumbline("models").out.split()
    assert "resnet18" in names
    assert len(names) == len(set(names)) > 30
    shown = plumbline("models", "resnet18").out
    for words in ("ResNet(", "parameters", "Changed for small images:", "maxpool", "before", "after", "why"):
        assert words in shown
    wrong = plumbline("models", "resnet81")
    assert wrong.code == 2
    assert "resnet18" in wrong.err


def test_digits_are_described(plumbline: Plumbline) -> None:
    """`data info`, `verify` and `fetch` work for the built-in set, without files."""
    shown = plumbline("data", "info", "digits").out
    for words in ("1,437", "360", "mean of the training images", "fingerprint"):
        assert words in shown
    assert "digits is whole" in plumbline("data", "verify", "digits").out
    assert "built in" in plumbline("data", "fetch", "digits").out


def test_an_unknown_data_set_gets_the_nearest(plumbline: Plumbline) -> None:
    """`data info` of a mistyped name says which was meant."""
    done = plumbline("data", "info", "cifar-10")
    assert done.code == 2
    assert "Did you mean 'cifar10'?" in done.err
