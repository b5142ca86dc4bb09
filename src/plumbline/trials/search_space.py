"""What a search may change in a recipe: read from the command line, or chosen by the recipe's kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plumbline.errors import PlumblineError
from plumbline.recipes import Recipe, apply_settings
from plumbline.trials.declared import AskedRecipe

# What `plumbline fit` lets follow from pictures of one's own, whatever the recipe says.
_FOLLOWS_PICTURES = {
    *("epochs", "averaging.epochs", "batch_size"),
    *("resolution.train", "resolution.test", "augmentation.crop_padding"),
}
# From this quotient of the ends on, a span is searched on a logarithmic scale.
_LOG_FROM = 10.0


@dataclass(frozen=True)
class Span:
    """A field that takes any number from `low` to `high`; `is_log`: on a logarithmic scale."""

    field: str
    low: float
    high: float
    is_log: bool
    is_whole: bool

    @property
    def ends(self) -> tuple[float, float]:
        """Give the values that have to be right for all others to be."""
        return (int(self.low), int(self.high)) if self.is_whole else (self.low, self.high)

    def __str__(self) -> str:
        low, high = self.ends
        return f"{self.field} from {low:g} to {high:g}{', log scale' if self.is_log else ''}"


@dataclass(frozen=True)
class Choice:
    """A field that takes one of some values, each as it was typed."""

    field: str
    values: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """Give the values that have to be right."""
        return self.values

    def __str__(self) -> str:
        return f"{self.field} one of {', '.join(self.values)}"


Dimension = Span | Choice


@dataclass(frozen=True)
class Space:
    """What is searched, and the recipe that it starts from, as it was asked for."""

    asked: AskedRecipe
    dimensions: tuple[Dimension, ...]

    @property
    def recipe(self) -> Recipe:
        """Give the recipe that it starts from."""
        return self.asked.recipe


def read_space(recipe: Recipe, *, settings: Mapping[str, str], on_pictures: bool = False) -> Space:
    """Give the space of `field=low..high` and `field=a,b,c`; any other value is set in the recipe at once.

    A span is one of whole numbers where both ends and the recipe's own value are whole. Without a span or a
    choice it is `default_dimensions` of the recipe. `on_pictures` says that they are pictures of one's own.

    Raises PlumblineError for a field that the recipe does not have, and where an end of a span or a value of
    a choice does not fit it.

    >>> from plumbline.recipes import load_recipe
    >>> settings = {"schedule.max_rate": "0.01..0.4", "batch_size": "64,128", "epochs": "2"}
    >>> print(*read_space(load_recipe("swa-quick"), settings=settings).dimensions, sep="; ")
    schedule.max_rate from 0.01 to 0.4, log scale; batch_size one of 64, 128
    """
    fixed = {field: text for field, text in settings.items() if not _is_searched(text)}
    asked = AskedRecipe(recipe, fixed, on_pictures=on_pictures)
    given = [
        _read(field, text, value=value_in(asked.recipe, field))
        for field, text in settings.items()
        if field not in fixed
    ]
    dimensions = given or default_dimensions(asked.recipe)
    for one in dimensions:
        for value in one.ends:
            apply_settings(asked.recipe, {one.field: value})
    return Space(asked, tuple(dimensions))


def default_dimensions(recipe: Recipe) -> list[Dimension]:
    """Give what is worth searching for the recipe's optimizer: its rates, weight decay, label smoothing."""
    found: list[Dimension] = []
    if recipe.optimizer.kind == "sgd":
        found += [
            _around(recipe, "schedule.max_rate", factor=5.0),
            _around(recipe, "optimizer.weight_decay", factor=10.0, where_zero=(1e-5, 1e-2)),
        ]
        if recipe.averaging is not None and recipe.averaging.kind == "swa":
            found.append(_around(recipe, "averaging.rate", factor=5.0))
    else:
        found += [
            _around(recipe, f"optimizer.{name}", factor=4.0)
            for name in ("filter_rate", "head_rate", "bias_rate")
        ]
        found.append(_around(recipe, "optimizer.decay", factor=5.0, where_zero=(1e-4, 1e-1)))
    high = max(0.2, recipe.label_smoothing)
    return [*found, Span("label_smoothing", 0.0, high, is_log=False, is_whole=False)]


def value_in(recipe: Recipe, field: str) -> Any:  # noqa: ANN401
    """Give the value of a dotted field, None where a part on the way is not there.

    >>> value_in(Recipe(), "schedule.max_rate")
    0.1
    """
    value: Any = recipe.model_dump(mode="json")
    for key in field.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def start_values(space: Space) -> dict[str, Any] | None:
    """Give the recipe's own values as a point of the space, or None where one of them is none of it.

    So it is where one would follow from pictures of one's own: it is not known before they are read.
    """
    found: dict[str, Any] = {}
    for one in space.dimensions:
        value = value_in(space.recipe, one.field)
        if space.asked.on_pictures and one.field in _FOLLOWS_PICTURES:
            return None
        if isinstance(one, Span):
            number = isinstance(value, int if one.is_whole else int | float)
            if not number or not one.low <= value <= one.high:
                return None
        else:
            alike = [
                text
                for text in one.values
                if value_in(apply_settings(space.recipe, {one.field: text}), one.field) == value
            ]
            if not alike:
                return None
            value = alike[0]
        found[one.field] = value
    return found


def describe(dimensions: Sequence[Dimension]) -> str:
    """Give the space in one line."""
    return "; ".join(map(str, dimensions))


def _is_searched(text: str) -> bool:
    return not text.startswith(("[", "{")) and (".." in text or "," in text)


def _read(field: str, text: str, *, value: Any) -> Dimension:  # noqa: ANN401
    low, dots, high = text.partition("..")
    if not dots:
        values = tuple(word.strip() for word in text.split(","))
        if "" in values or len(set(values)) < len(values):
            raise PlumblineError(f"--set {field}={text}: expected values that differ, such as {field}=a,b,c.")
        return Choice(field, values)
    ends = _number(low), _number(high)
    if ends[0] is None or ends[1] is None or not ends[0] < ends[1]:
        raise PlumblineError(
            f"--set {field}={text}: expected two numbers, the smaller first, such as {field}=0.01..0.4."
        )
    is_whole = all(isinstance(number, int) for number in (*ends, value))
    is_log = ends[0] > 0 and ends[1] / ends[0] >= _LOG_FROM
    return Span(field, float(ends[0]), float(ends[1]), is_log=is_log, is_whole=is_whole)


def _number(text: str) -> float | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _around(
    recipe: Recipe, field: str, *, factor: float, where_zero: tuple[float, float] = (1e-4, 1e-1)
) -> Span:
    value = float(value_in(recipe, field))
    low, high = (value / factor, value * factor) if value > 0 else where_zero
    return Span(field, float(f"{low:.3g}"), float(f"{high:.3g}"), is_log=True, is_whole=False)
