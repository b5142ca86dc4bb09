"""What a search may change: typed, or chosen by the recipe's kind; refused before anything is trained."""

from __future__ import annotations

import pytest

from plumbline.errors import PlumblineError
from plumbline.recipes import NAMED, apply_settings, load_recipe
from plumbline.trials.search_space import Choice, Space, Span, default_dimensions, read_space, start_values


@pytest.mark.parametrize("name", NAMED)
def test_every_recipe_has_a_space_around_its_own_values(name: str) -> None:
    """Each named recipe gets at least three dimensions; its values lie inside, and the ends are allowed."""
    recipe = load_recipe(name)
    space = read_space(recipe, settings={})
    assert len(space.dimensions) >= 3
    assert start_values(space) is not None
    rates = [one for one in space.dimensions if "rate" in one.field]
    assert all(isinstance(one, Span) and one.is_log for one in rates)


def test_what_is_zero_gets_a_span_too() -> None:
    """A weight decay of 0 cannot be multiplied; it is searched where decays usually lie, without a start."""
    recipe = apply_settings(load_recipe("swa-quick"), {"optimizer.weight_decay": 0.0})
    decay = next(one for one in default_dimensions(recipe) if one.field == "optimizer.weight_decay")
    assert decay.ends == (1e-5, 1e-2)
    assert start_values(read_space(recipe, settings={})) is None


def test_spans_choices_and_plain_values_are_told_apart() -> None:
    """Whole numbers stay whole, JSON lists are no choices, and a plain value is set at once."""
    typed = {
        "epochs": "2..4",
        "schedule.max_rate": "0.01..0.05",
        "augmentation.flip": "true,false",
        "resolution.train": "[16,20]",
        "batch_size": "64",
    }
    space = read_space(load_recipe("swa-quick"), settings=typed)
    epochs, rate, flip = space.dimensions
    assert epochs == Span("epochs", 2.0, 4.0, is_log=False, is_whole=True)
    assert isinstance(rate, Span)
    assert not rate.is_log
    assert flip == Choice("augmentation.flip", ("true", "false"))
    assert (space.recipe.resolution.train, space.recipe.batch_size) == ((16, 20), 64)
    assert start_values(space) is None  # 6 epochs are outside
    inside = read_space(load_recipe("swa-quick"), settings={"augmentation.flip": "false,true"})
    assert start_values(inside) == {"augmentation.flip": "true"}


def test_whole_ends_do_not_make_a_field_whole() -> None:
    """A rate typed as 1..10 takes numbers between them too, and the recipe's own value is not rounded."""
    recipe = apply_settings(load_recipe("swa-quick"), {"optimizer.weight_decay": 0.5})
    space = read_space(recipe, settings={"optimizer.weight_decay": "0..1"})
    assert space.dimensions == (Span("optimizer.weight_decay", 0.0, 1.0, is_log=False, is_whole=False),)
    assert start_values(space) == {"optimizer.weight_decay": 0.5}
    whole = Span("optimizer.weight_decay", 0.0, 1.0, is_log=False, is_whole=True)
    assert start_values(Space(space.asked, (whole,))) is None


def test_what_follows_from_pictures_has_no_start() -> None:
    """The epochs that one's own pictures get are not known before they are read; a rate is the recipe's."""
    epochs, rate = {"epochs": "10..60"}, {"optimizer.head_rate": "0.001..0.1"}
    pictures = load_recipe("pictures")
    assert start_values(read_space(pictures, settings=epochs)) == {"epochs": 20}
    assert start_values(read_space(pictures, settings=epochs, on_pictures=True)) is None
    assert start_values(read_space(pictures, settings=rate, on_pictures=True)) == {
        "optimizer.head_rate": 0.01
    }


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("schedule.max_rat", "0.1..0.2", "Did you mean 'schedule.max_rate'"),
        ("schedule.max_rate", "0.2..0.1", "the smaller first"),
        ("schedule.max_rate", "low..high", "expected two numbers"),
        ("schedule.max_rate", "0..0.1", "schedule.max_rate"),
        ("batch_size", "64,64", "values that differ"),
        ("batch_size", "64,many", "batch_size"),
        ("batch_size", "0.5..2.5", "batch_size"),
        ("optimizer.head_rate", "0.1..0.2", "optimizer.head_rate"),
    ],
)
def test_what_cannot_be_searched_is_refused(field: str, text: str, told: str) -> None:
    """Unknown fields, ends that do not fit the field, and what is neither span nor choice: with the field."""
    with pytest.raises(PlumblineError, match=told):
        read_space(load_recipe("swa-quick"), settings={field: text})
