"""What was declared before the first run: it cannot be changed once results can have been seen."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plumbline.errors import PlumblineError
from plumbline.recipes import Recipe, apply_settings
from plumbline.records import write_text

# Those of plumbline.data.DATASETS: this room needs no torch. A test holds them together.
NAMED_DATA = ("cifar10", "cifar100", "digits")


@dataclass(frozen=True)
class AskedRecipe:
    """A recipe as `plumbline fit` is asked for it: `base`, and what --set changes in it.

    `recipe` is both together, as it is trained on a data set that has a name. On pictures of one's own fit
    lets the base follow from them before it sets anything: so it is given the two as they are, and what it
    trained is in its record. Raises PlumblineError for what cannot be set.
    """

    base: Recipe
    settings: Mapping[str, object]
    on_pictures: bool = False
    recipe: Recipe = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipe", apply_settings(self.base, self.settings))

    @property
    def digest(self) -> str:
        """Give what tells its runs from those of another: the recipe's digest.

        On pictures of one's own what is set counts by itself: a value that the base has anyway is kept there,
        where otherwise one would follow from the pictures.
        """
        if not (self.on_pictures and self.settings):
            return self.recipe.digest
        content = json.dumps([self.base.digest, dict(self.settings)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def changes(self) -> tuple[str, ...]:
        """Give what follows each --set."""
        texts = {
            path: value if isinstance(value, str) else json.dumps(value)
            for path, value in self.settings.items()
        }
        return tuple(f"{path}={text}" for path, text in texts.items())

    def but(self, settings: Mapping[str, object]) -> AskedRecipe:
        """Give the same with more set, or set to something else."""
        return replace(self, settings={**self.settings, **settings})

    def word(self, *, folder: Path) -> str:
        """Give the base as a word for fit: its name, or else a file that is kept in `folder`."""
        if self.base.name is not None:
            return self.base.name
        file = folder / "base.json"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_text(file, self.base.model_dump_json(indent=2) + "\n")
        return str(file)


def is_own_data(data: str) -> bool:
    """Tell whether what stands after --data is a path, as `plumbline fit` reads it, and no known name."""
    return data not in NAMED_DATA and (os.sep in data or Path(data).expanduser().exists())


def declared_data(data: str) -> str:
    """Give what tells one set of images from others: a name, or the whole path of pictures of one's own."""
    return str(Path(data).expanduser().resolve()) if is_own_data(data) else data


def check_declared(out: Path, *, wanted: Mapping[str, Any]) -> None:
    """Raise PlumblineError where `out` holds other runs than those wanted, or something else."""
    path = declared_file(out)
    if path.is_file():
        before = read_declared(out)
        differs = [key for key, value in wanted.items() if before.get(key) != value]
        if differs:
            words = "; ".join(f"{key} was {before.get(key)}, now {wanted[key]}" for key in differs)
            raise PlumblineError(
                f"In {out} other runs were declared: {words}. What was declared is what counts: give "
                "another --out."
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PlumblineError(
            f"--out {out} exists and holds no declared runs; nothing was overwritten. Give a new name."
        )


def declare(out: Path, *, wanted: Mapping[str, Any]) -> None:
    """Write `declared.json` with the date, where it does not stand yet."""
    path = declared_file(out)
    if not path.exists():
        try:
            out.mkdir(parents=True, exist_ok=True)
            date = datetime.now(UTC).isoformat(timespec="seconds")
            write_text(path, json.dumps({"date": date} | dict(wanted), indent=1) + "\n")
        except OSError as error:
            raise PlumblineError(f"--out {out} cannot be written: {error.strerror}.") from error


def read_declared(out: Path) -> dict[str, Any]:
    """Give what was declared. Raises PlumblineError if the file is damaged."""
    path = declared_file(out)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlumblineError(f"{path} is damaged or cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise PlumblineError(f"{path} is damaged: expected a JSON object, got {type(content).__name__}.")
    return content


def declared_file(out: Path) -> Path:
    """Give the path of `declared.json`."""
    return out / "declared.json"
