"""What a word on the command line of `plumbline compare` means: a recipe, with changes, or saved runs.

    WHAT[@path=value,path=value][:WEIGHTS]

WHAT is a recipe's name, a recipe.json, or a folder of saved runs. No character of it means anything to a
shell; a value that is a list or an object needs quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from plumbline.analysis.chosen import SELECTIONS, Selection
from plumbline.errors import PlumblineError, nearest_of
from plumbline.recipes import NAMED, Recipe, load_recipe, title
from plumbline.records import SplitName
from plumbline.trials.declared import AskedRecipe, is_own_data

_WEIGHTS = re.compile(r"(.+):([A-Za-z][A-Za-z-]*)")
_NEXT_CHANGE = re.compile(r",(?=[a-z_][a-z_0-9.]*=)")


@dataclass(frozen=True)
class AskedArm:
    """One arm as it was asked for: a recipe to train, or a folder of saved runs, and which weights count.

    `name` is the label without the weights: what is trained.
    """

    label: str
    name: str
    typed: str
    selection: Selection
    asked: AskedRecipe | None = None
    saved: Path | None = None

    @property
    def recipe(self) -> Recipe | None:
        """Give the recipe with its changes, None for saved runs."""
        return None if self.asked is None else self.asked.recipe

    @property
    def folder_name(self) -> str:
        """Give the name of the folder of its runs: the nearest recipe's name and the digest."""
        assert self.asked is not None, "saved runs lie where they are"  # noqa: S101
        return f"{title(self.asked.recipe).split()[0]}-{self.asked.digest}"


def read_arms(
    words: Sequence[str], *, settings: Mapping[str, object], weights: str = "final", data: str = "cifar10"
) -> tuple[AskedArm, ...]:
    """Give the arms that are meant; `settings` change every recipe, `weights` is for arms that name none.

    `data` is what they are trained on: on pictures of one's own what is set counts by itself.

    Raises PlumblineError for a word that is nothing, and for an arm that stands twice.
    """
    _selection(weights, typed=f"--weights {weights}")
    own = is_own_data(data)
    arms = [_read_arm(word, settings=settings, weights=weights, on_pictures=own) for word in words]
    if len({arm.label for arm in arms}) < len(arms):  # folders of the same name: tell them by their paths
        arms = [replace(arm, label=arm.typed) for arm in arms]
    for number, arm in enumerate(arms):
        if any(_same(arm, other) for other in arms[:number]):
            raise PlumblineError(
                f"{arm.typed} stands twice, or is the same as another arm: there would be nothing to "
                "compare. Change one of them, such as NAME@epochs=10, or compare other "
                "weights, such as NAME:raw."
            )
    return tuple(arms)


def refuse_missing_score(arm: AskedArm, *, split: SplitName) -> None:
    """Raise PlumblineError if no run of the arm's recipe will have the score that is meant."""
    recipe, wanted = arm.recipe, arm.selection
    if recipe is None:
        return
    kind = None if recipe.averaging is None else recipe.averaging.kind
    lacks_phase = wanted.phase == "average" and kind != "swa"
    lacks_weights = wanted.weights == "averaged" and (
        kind is None or (wanted.phase == "fit" and kind != "ema")
    )
    if lacks_phase or lacks_weights:
        raise PlumblineError(
            f"{arm.typed}: {title(recipe)} will have no such weights, since its averaging is "
            f"{kind or 'none'}. Choose others, such as :raw, or change the recipe."
        )
    if split == "validation" and recipe.validation_fraction == 0:
        raise PlumblineError(
            f"{arm.typed}: {title(recipe)} holds no image out, so that it has no score on validation. Give "
            "--set validation_fraction=0.1, or compare on the test images."
        )


def _read_arm(typed: str, *, settings: Mapping[str, object], weights: str, on_pictures: bool) -> AskedArm:
    body, chosen = typed, weights
    found = None if Path(typed).exists() else _WEIGHTS.fullmatch(typed)
    if found is not None:
        body, chosen = found.groups()
    selection = _selection(chosen, typed=typed)
    name, at, changes = (body, "", "") if Path(body).exists() else body.partition("@")
    path = Path(name)
    if name not in NAMED and (path.is_dir() or path.name == "record.json") and not at:
        if settings:
            raise PlumblineError(f"--set cannot change {typed}: its runs are saved. Give a recipe instead.")
        short = path.resolve().name
        return AskedArm(short + typed[len(body) :], short, typed, selection, saved=path)
    changed = {**settings, **_changes(changes, typed=typed, given=bool(at))}
    asked = AskedRecipe(_recipe(name), changed, on_pictures=on_pictures)
    short = path.name if path.suffix == ".json" else name
    return AskedArm(short + typed[len(name) :], short + body[len(name) :], typed, selection, asked=asked)


def _recipe(name: str) -> Recipe:
    path = Path(name)
    if name in NAMED or path.exists() or path.suffix == ".json":
        return load_recipe(name)
    raise PlumblineError(
        f"{name} is no recipe and no folder here.{nearest_of(name, NAMED)} Expected one of "
        f"{', '.join(NAMED)}, the path of a recipe.json, or a folder of saved runs."
    )


def _changes(text: str, *, typed: str, given: bool) -> dict[str, object]:
    changes: dict[str, object] = {}
    for part in _NEXT_CHANGE.split(text) if given else ():
        path, equals, value = part.partition("=")
        if not path or not equals or not value:
            raise PlumblineError(
                f"{typed}: '{part}' changes nothing. Expected NAME@path.to.field=value,path.to.field=value, "
                "such as resnet18@epochs=10,schedule.max_rate=0.2."
            )
        changes[path.strip()] = value.strip()
    return changes


def _selection(word: str, *, typed: str) -> Selection:
    if word not in SELECTIONS:
        raise PlumblineError(
            f"{typed}: '{word}' names no weights.{nearest_of(word, SELECTIONS)} Expected one of "
            f"{', '.join(SELECTIONS)}."
        )
    return SELECTIONS[word]


def _same(arm: AskedArm, other: AskedArm) -> bool:
    if arm.selection != other.selection:
        return False
    if arm.asked is not None and other.asked is not None:
        return arm.asked.digest == other.asked.digest
    return arm.saved is not None and other.saved is not None and arm.saved.resolve() == other.saved.resolve()
