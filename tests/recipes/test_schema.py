"""Recipes are frozen, strict, and every field of one changes something that is built."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from plumbline.errors import PlumblineError
from plumbline.recipes import (
    NAMED,
    Recipe,
    apply_settings,
    at_image_size,
    claim,
    load_recipe,
    parse_recipe,
    title,
)
from plumbline.recipes.load import MAX_BYTES


def test_a_recipe_cannot_be_changed_in_place() -> None:
    """A recipe is what it was made as, for ever."""
    recipe = NAMED["resnet18"]()
    with pytest.raises(ValidationError, match="frozen"):
        recipe.epochs = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMED)
def test_a_named_recipe_carries_its_name_and_a_claim(name: str) -> None:
    """Each named recipe knows its name, states accuracy and command, and survives a round trip as JSON."""
    recipe = NAMED[name]()
    assert recipe.name == name
    assert "Accuracy:" in claim(name)
    assert f"plumbline fit {name}" in claim(name)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_the_digest_knows_content_and_not_the_name() -> None:
    """Two recipes have one digest if and only if they ask for the same."""
    recipe = NAMED["resnet18"]()
    assert recipe.model_copy(update={"name": None}).digest == recipe.digest
    assert apply_settings(recipe, {"epochs": 51}).digest != recipe.digest


def test_a_changed_recipe_loses_its_name_and_says_what_changed() -> None:
    """A figure of a changed recipe can never pass as one of the named recipe."""
    changed = apply_settings(NAMED["resnet18"](), {"epochs": 10, "averaging.epochs": 2})
    assert changed.name is None
    assert title(changed) == "resnet18 with epochs=10, averaging.epochs=2"


def test_a_recipe_that_is_changed_back_has_its_name_again() -> None:
    """Nothing is called changed that asks for exactly what a named recipe asks for."""
    recipe = NAMED["swa-quick"]()
    larger = at_image_size(recipe, 32)
    assert larger.name is None
    assert larger.resolution.train == (32,)
    assert larger.augmentation.crop_padding == 3
    assert at_image_size(larger, 20) == recipe


def test_a_setting_to_the_same_value_changes_nothing() -> None:
    """Saying what is so already keeps the name."""
    assert apply_settings(NAMED["resnet18"](), {"epochs": "50"}).name == "resnet18"


def test_a_file_cannot_claim_a_name_whose_content_it_has_not() -> None:
    """A recipe file that says `resnet18` with other content is read without the name."""
    content = json.loads(NAMED["resnet18"]().model_dump_json()) | {"epochs": 3}
    assert parse_recipe(content, where="in a file").name is None


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("epoch", "3", "Did you mean 'epochs'"),
        ("schedule.maxrate", "3", "Did you mean 'schedule.max_rate'"),
        ("schedule.max_rate", "fast", "schedule.max_rate"),
        ("schedule.max_rate", "NaN", "schedule.max_rate"),
        ("epochs", "0", "epochs"),
        ("epochs", "-1", "epochs"),
        ("epochs", "1.5", "epochs"),
        ("epochs", "true", "epochs"),
        ("augmentation", "3", "augmentation"),
        ("resolution.train", "[]", "resolution.train"),
        ("name", "mine", "Unknown recipe field 'name'"),
        ("", "1", "Unknown recipe field"),
        ("epochs.more", "1", "Unknown recipe field"),
    ],
)
def test_a_wrong_setting_is_told_with_its_key(path: str, value: str, told: str) -> None:
    """An unknown key names the nearest right one, a wrong value names its key."""
    with pytest.raises(PlumblineError, match=told.replace(".", r"\.").replace("(", r"\(")):
        apply_settings(NAMED["resnet18"](), {path: value})


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("optimizer.filter_rate", "-1", "optimizer.filter_rate: input should be greater than 0, got -1."),
        ("optimizer.fliter_rate", "1", "Did you mean 'optimizer.filter_rate'?"),
        ("averaging.epochs", "2", "this recipe has no averaging"),
        ("averaging", '{"kind":"swa"}', "averaging swa goes with the optimizer sgd"),
        ("averaging", '{"kind":"ema","half_life":3}', "Did you mean 'averaging.half_life_steps'?"),
        ("optimizer", '{"kind":"sgd"}', "sgd goes with the schedule one_cycle"),
        ("augmentation.flip", "perhaps", "valid boolean or input should be 'alternating', got \"perhaps\""),
        ("resolution.train", "[4]", "resolution.train.0: input should be greater"),
    ],
)
def test_a_wrong_setting_of_the_speed_family_is_told_as_it_is_written(
    path: str, value: str, told: str
) -> None:
    """Alternatives within a recipe do not show in the path, and what does not go together is said."""
    with pytest.raises(PlumblineError, match=re.escape(told)):
        apply_settings(NAMED["speed94"](), {path: value})


def test_a_part_added_later_changes_no_digest() -> None:
    """What is null is no part of the digest, so that recipes of earlier records keep theirs."""
    recipe = Recipe()
    content = recipe.model_dump(mode="json")
    assert content["tta"] is None
    del content["tta"]
    assert parse_recipe(content, where="of an earlier version").digest == recipe.digest
    assert recipe.digest == "6e5204208a6a73fa"


def test_averaging_can_be_turned_off_by_a_setting() -> None:
    """`--set averaging=none` leaves the second phase out."""
    assert apply_settings(NAMED["resnet18"](), {"averaging": "none"}).averaging is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "expected a JSON object"),
        ('{"epochs": 1, "epochs": 2}', "stands twice"),
        ('{"epoch": 1}', "Did you mean 'epochs'"),
        ('{"batch_size": "many"}', "batch_size"),
        ("[" * 100_000, "is not JSON"),
        (" " * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_with_its_path(tmp_path: Path, text: str, told: str) -> None:
    """Whatever is in the file, the error names the file or the key, and nothing else is raised."""
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlumblineError, match=told):
        load_recipe(str(path))


def test_an_unknown_recipe_names_the_nearest() -> None:
    """A typing error is answered with what was probably meant."""
    with pytest.raises(PlumblineError, match="Did you mean 'resnet18'"):
        load_recipe("resnet81")
