"""What a word on the command line means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plumbline.analysis.chosen import SELECTIONS
from plumbline.errors import PlumblineError
from plumbline.recipes import load_recipe
from plumbline.trials.arms import read_arms, refuse_missing_score
from trials.made import write_runs

if TYPE_CHECKING:
    from pathlib import Path


def test_a_recipe_with_changes_and_weights() -> None:
    """Changes follow the name, several of them behind commas, and the weights come last; --set is for all."""
    word = "resnet18@resolution.train=[16,24],schedule.max_rate=0.2:raw"
    changed, plain = read_arms([word, "resnet18"], settings={"epochs": "3"})
    assert changed.recipe is not None
    assert changed.recipe.resolution.train == (16, 24)
    assert (changed.recipe.schedule.max_rate, changed.recipe.epochs) == (0.2, 3)  # type: ignore[union-attr]
    assert changed.selection == SELECTIONS["raw"]
    assert changed.label == word
    assert changed.name == word.removesuffix(":raw")
    assert plain.recipe is not None
    assert (plain.recipe.epochs, plain.recipe.resolution.train) == (3, (32,))
    assert plain.selection == SELECTIONS["final"]


def test_two_scores_of_one_recipe_share_its_runs() -> None:
    """Their folder is the same, so that it is trained once; another recipe has another folder."""
    first, second, other = read_arms(["resnet18:raw", "resnet18", "resnet18@epochs=3"], settings={})
    assert first.folder_name == second.folder_name == f"resnet18-{load_recipe('resnet18').digest}"
    assert other.folder_name != first.folder_name
    assert other.folder_name.startswith("resnet18-")


def test_what_is_set_counts_on_pictures_even_where_it_changes_nothing(tmp_path: Path) -> None:
    """There 20 epochs are other than what follows from the pictures; elsewhere both are one recipe."""
    words = ["pictures", "pictures@epochs=20", "pictures@epochs=30"]
    arms = read_arms(words, settings={}, data=str(tmp_path))
    assert len({arm.folder_name for arm in arms}) == 3
    assert arms[0].folder_name == f"pictures-{load_recipe('pictures').digest}"
    with pytest.raises(PlumblineError, match="pictures@epochs=20 stands twice, or is the same"):
        read_arms(words, settings={}, data="digits")


def test_weights_for_arms_that_name_none() -> None:
    """--weights is what an arm has that says nothing of its own."""
    first, second = read_arms(["resnet18", "resnet18:averaged"], settings={}, weights="fit-raw")
    assert (first.selection, second.selection) == (SELECTIONS["fit-raw"], SELECTIONS["averaged"])


def test_folders_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saved runs are found by their folder, a recipe by its file; a label is no longer than it must be."""
    monkeypatch.chdir(tmp_path)
    for name in ("one/runs", "two/runs"):
        write_runs(tmp_path / name, averaged=(9400,))
    (tmp_path / "mine.json").write_text(load_recipe("speed94").model_dump_json())
    folder, recipe = read_arms([f"{tmp_path}/one/runs:raw", f"{tmp_path}/mine.json@epochs=2"], settings={})
    assert (folder.label, recipe.label) == ("runs:raw", "mine.json@epochs=2")
    assert folder.saved == tmp_path / "one" / "runs"
    assert recipe.recipe is not None
    assert recipe.recipe.epochs == 2
    labels = [arm.label for arm in read_arms(["one/runs", "two/runs"], settings={})]
    assert labels == ["one/runs", "two/runs"]
    with pytest.raises(PlumblineError, match="--set cannot change one/runs: its runs are saved"):
        read_arms(["one/runs", "resnet18"], settings={"epochs": 1})
    with pytest.raises(PlumblineError, match=r"two/\.\./one/runs stands twice"):
        read_arms(["one/runs", "two/../one/runs"], settings={})


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("resnet81", "resnet81 is no recipe and no folder here. Did you mean 'resnet18'"),
        ("runs/none", "runs/none is no recipe and no folder here"),
        ("resnet18:rwa", "'rwa' names no weights. Did you mean 'raw'"),
        ("resnet18@epoch=3", "Did you mean 'epochs'"),
        ("resnet18@", "'' changes nothing. Expected NAME@path"),
        ("resnet18@epochs", "'epochs' changes nothing"),
        ("resnet18@epochs=", "'epochs=' changes nothing"),
        ("none.json", "none.json cannot be read"),
        ("speed94", "speed94 stands twice"),
        ("speed94@epochs=11", "speed94@epochs=11 stands twice, or is the same"),
    ],
)
def test_what_means_nothing_is_refused(word: str, told: str) -> None:
    """With the nearest right word where there is one."""
    with pytest.raises(PlumblineError, match=told):
        read_arms(["speed94", word], settings={})


@pytest.mark.parametrize(
    ("word", "split", "told"),
    [
        ("speed94:averaged", "test", "speed94 will have no such weights, since its averaging is none"),
        ("resnet18:fit-averaged", "test", "since its averaging is swa"),
        ("speed94", "validation", "speed94 holds no image out"),
    ],
)
def test_a_score_that_no_run_will_have_is_refused_before_training(word: str, split: str, told: str) -> None:
    """What the recipe itself excludes is known before hours are spent."""
    with pytest.raises(PlumblineError, match=told):
        refuse_missing_score(read_arms([word], settings={})[0], split=split)  # type: ignore[arg-type]
    refuse_missing_score(read_arms(["resnet18:averaged"], settings={})[0], split="validation")
