"""Change a recipe by dotted paths, tell what differs, and find the nearest right name for a wrong one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from plumbline.errors import PlumblineError, nearest_of, printable
from plumbline.recipes.named import NAMED
from plumbline.recipes.schema import Ema, LinearDecay, MuonSgd, Recipe, Swa

Leaves = dict[str, Any]


def apply_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Give the recipe with each dotted path set to its value; one that really changed loses its name.

    Values are what JSON can say; text is taken as JSON where it is JSON, and `none` means null.
    Raises PlumblineError for an unknown path (naming the nearest right one) or a value that does not fit.

    >>> from plumbline.recipes.named import resnet18
    >>> changed = apply_settings(resnet18(), {"schedule.max_rate": "0.2", "averaging": "none"})
    >>> changed.schedule.max_rate, changed.averaging, changed.name
    (0.2, None, None)
    """
    content = recipe.model_dump(mode="json")
    for path, value in settings.items():
        _set(content, path, _parse(value))
    typed = " ".join(f"{path}={value}" for path, value in settings.items())
    changed = parse_recipe(content, where=f"after --set {printable(typed)}")
    if changed.digest == recipe.digest:
        return recipe
    # What is changed into a named recipe, back into one for instance, is that recipe.
    same = next((name for name, make in NAMED.items() if make().digest == changed.digest), None)
    return changed.model_copy(update={"name": same})


def at_image_size(recipe: Recipe, size: int) -> Recipe:
    """Give the recipe for images of another size: every size and the crop's padding grow in proportion.

    >>> from plumbline.recipes.named import speed94
    >>> at_image_size(speed94(), 64).resolution
    Resolution(train=(48, 56, 64), test=64)
    """
    factor = size / recipe.resolution.test
    return apply_settings(
        recipe,
        {
            "resolution.train": [max(8, round(side * factor)) for side in recipe.resolution.train],
            "resolution.test": size,
            "augmentation.crop_padding": min(64, round(recipe.augmentation.crop_padding * factor)),
        },
    )


def suited_to(recipe: Recipe, *, images: int) -> Recipe:
    """Give a recipe of one's own pictures for a number of training images.

    Fewer images are seen more often, 10 to 60 epochs in proportion to 1 / sqrt(images), of which a second
    phase gets a fifth; from 2,000 images on batches are larger, since there are steps enough.

    >>> from plumbline.recipes.named import pictures, pictures_any
    >>> few, many = (suited_to(pictures(), images=count) for count in (400, 10_000))
    >>> (few.epochs, few.batch_size), (many.epochs, many.batch_size)
    ((38, 16), (10, 64))
    >>> two_phases = suited_to(pictures_any(), images=400)
    >>> two_phases.epochs, two_phases.averaging.epochs
    (30, 8)
    """
    epochs = min(60, max(10, round(750 / images**0.5)))
    batch = 16 if images < 2_000 else 64 if images < 20_000 else 128
    second = round(epochs / 5) if isinstance(recipe.averaging, Swa) else 0
    return apply_settings(
        recipe,
        {
            "epochs": epochs - second,
            **({"averaging.epochs": second} if second else {}),
            "batch_size": min(batch, max(2, images // 4)),
        },
    )


def parse_recipe(content: Mapping[str, Any], *, where: str) -> Recipe:
    """Validate plain JSON content; `where` names its origin in the error.

    A name is believed only if the content is what that named recipe says today.
    """
    try:
        recipe = Recipe.model_validate_json(json.dumps(content))
    except (RecursionError, ValueError) as error:
        if not isinstance(error, ValidationError):
            raise PlumblineError(f"The recipe {where} is nested too deep.") from error
        raise PlumblineError(
            f"The recipe {where} is not valid: {_explain(error, content=content)}"
        ) from error
    if recipe.name is not None and (recipe.name not in NAMED or NAMED[recipe.name]().digest != recipe.digest):
        return recipe.model_copy(update={"name": None})
    return recipe


def title(recipe: Recipe) -> str:
    """Give the name, or the nearest named recipe with what was changed.

    >>> from plumbline.recipes.named import resnet18
    >>> title(apply_settings(resnet18(), {"epochs": 10}))
    'resnet18 with epochs=10'
    """
    if recipe.name is not None:
        return recipe.name
    found = {name: difference(make(), recipe) for name, make in NAMED.items()}
    nearest = min(found, key=lambda name: len(found[name]))
    changes = ", ".join(f"{path}={json.dumps(value)}" for path, value in found[nearest].items())
    return f"{nearest} with {changes}"


def difference(recipe: Recipe, other: Recipe) -> Leaves:
    """Give the dotted paths whose value in `other` is not the one in `recipe`, with the value in `other`."""
    before, after = _leaves(recipe.model_dump(mode="json")), _leaves(other.model_dump(mode="json"))
    changed = {
        path: value for path, value in after.items() if path != "name" and before.get(path, "") != value
    }
    gone = {path.split(".")[0]: None for path in before if path not in after and path.split(".")[0] in after}
    return gone | changed


def _parse(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, str):
        return value
    if value.lower() == "none":
        return None
    try:
        return json.loads(value.lower() if value.lower() in {"true", "false"} else value)
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or nested too deep
        return value


def _set(content: dict[str, Any], path: str, value: Any) -> None:  # noqa: ANN401
    *parents, last = path.split(".")
    typed = printable(f"--set {path}={value}")
    section: Any = content
    for depth, key in enumerate([*parents, last]):
        if section is None:
            absent = ".".join(parents[:depth])
            raise PlumblineError(
                f"{typed}: this recipe has no {absent}, so it has no '{printable(path)}' either. Name a "
                f"recipe that has it, or give the whole of it as JSON: --set '{absent}={{…}}'."
            )
        if not isinstance(section, dict) or key not in section or (key == "name" and depth == 0):
            known = sorted(set(_leaves(content)) | set(content) - {"name"})
            raise PlumblineError(
                f"Unknown recipe field '{printable(path)}' in {typed}.{nearest_of(path, known)} "
                f"Fields: {', '.join(path for path in known if path != 'name')}."
            )
        if depth < len(parents):
            section = section[key]
    section[last] = value


def _leaves(content: Mapping[str, Any], prefix: str = "") -> Leaves:
    found: Leaves = {}
    for key, value in content.items():
        if isinstance(value, dict):
            found |= _leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _explain(error: ValidationError, *, content: Mapping[str, Any]) -> str:
    whole: list[str] = []
    wrong: dict[str, tuple[list[str], Any]] = {}
    for problem in error.errors():
        path = _written_path(problem["loc"], content=content) or "the whole"
        if problem["type"] == "extra_forbidden":
            hint = nearest_of(path, _known_fields())
            whole.append(f"'{path}' is not a field of a recipe.{hint}")
        elif problem["type"] == "value_error":
            whole.append(f"{problem['ctx']['error']}.")
        else:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            # A field of several types has a message for each of them.
            wrong.setdefault(path, ([], problem["input"]))[0].append(message)
    told = [
        f"{path}: {' or '.join(messages)}, got {json.dumps(value, default=str)[:80]}."
        for path, (messages, value) in wrong.items()
    ]
    return " ".join([*whole, *told])


def _written_path(place: tuple[int | str, ...], *, content: Mapping[str, Any]) -> str:
    """Give a place of pydantic's as it is written in the content: without the names of alternatives."""
    section: Any = content
    kept = []
    for part in place:
        in_mapping = isinstance(section, Mapping) and part in section
        if in_mapping or (isinstance(section, list) and isinstance(part, int)):
            section = section[part]
        elif part is not place[-1] or not isinstance(section, Mapping):
            continue
        kept.append(str(part))
    return ".".join(kept)


def _known_fields() -> set[str]:
    other = Recipe(optimizer=MuonSgd(), schedule=LinearDecay(), averaging=Ema())
    return set(_leaves(Recipe().model_dump())) | set(_leaves(other.model_dump()))
