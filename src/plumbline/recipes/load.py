"""From what a user types to a recipe: a name, or a `recipe.json` file."""

from __future__ import annotations

import json
from pathlib import Path

from plumbline.errors import PlumblineError, nearest_of, printable
from plumbline.recipes.edit import parse_recipe
from plumbline.recipes.named import NAMED
from plumbline.recipes.schema import Recipe

MAX_BYTES = 1_000_000


def load_recipe(name_or_path: str) -> Recipe:
    """Give the named recipe, or the one in a JSON file (a run folder's `recipe.json`).

    Raises PlumblineError for an unknown name, with the nearest right one, and for a file that is no recipe.
    """
    if name_or_path in NAMED:
        return NAMED[name_or_path]()
    path = Path(name_or_path)
    if path.is_dir() and (path / "recipe.json").is_file():
        path = path / "recipe.json"
    if path.suffix == ".json" or path.is_file():
        return _read(path)
    raise PlumblineError(
        f"There is no recipe '{name_or_path}'.{nearest_of(name_or_path, NAMED)} "
        f"Expected one of {', '.join(NAMED)}, or the path of a recipe.json file."
    )


def _read(path: Path) -> Recipe:
    try:
        content = json.loads(_text(path), object_pairs_hook=_unique_keys)
    except OSError as error:
        raise PlumblineError(f"The recipe file {path} cannot be read: {error.strerror}.") from error
    except PlumblineError as error:
        raise PlumblineError(f"The recipe file {path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise PlumblineError(f"The recipe file {path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise PlumblineError(
            f"The recipe file {path} holds {type(content).__name__}, expected a JSON object."
        )
    return parse_recipe(content, where=f"in {path}")


def _text(path: Path) -> str:
    # One byte more than may be: a device or a pipe says nothing of its size.
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PlumblineError(f"it is larger than {MAX_BYTES:,} bytes: that is no recipe.")
    return data.decode("utf-8")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise PlumblineError(f"The key '{printable(twice)}' stands twice: say which value is meant.")
    return found
