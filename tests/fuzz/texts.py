"""What people type and what strangers' text files hold, as strategies, each with what must be so of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from plumbline.errors import PlumblineError, harmless
from plumbline.recipes import NAMED, apply_settings, load_recipe, parse_recipe, title
from plumbline.records import Record, read_record

RESULTS = Path(__file__).resolve().parents[2] / "results"


@dataclass(frozen=True)
class Property:
    """What must be so of everything that the strategy gives."""

    strategy: st.SearchStrategy[Any]
    check: Callable[[Any], None]


@cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="plumbline-fuzz-"))


@cache
def record_content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(min(RESULTS.rglob("record.json")).read_text(encoding="utf-8"))
    return content


def paths(content: object, prefix: str = "") -> list[str]:
    """Give the dotted paths of everything in a JSON object."""
    if not isinstance(content, dict):
        return [prefix]
    found = [prefix] if prefix else []
    return found + [
        path for key, value in content.items() for path in paths(value, f"{prefix}.{key}" if prefix else key)
    ]


RECIPES = {name: make().model_dump(mode="json") for name, make in NAMED.items()}
FIELDS = sorted({path for content in RECIPES.values() for path in paths(content)})
NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 10**18, 10**400, 2**63, 1e308, 1e999, float("nan"), -0.0]),
    st.floats(),
)
ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), NUMBERS, st.text(max_size=20), st.sampled_from(["sgd", "swa", "ema"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=8), st.sampled_from(["kind", "name"])), inner, max_size=4),
    ),
    max_leaves=12,
)
NESTED = st.builds(
    lambda head, depth, tail: head * depth + tail,
    st.sampled_from(["[", '{"a":']),
    st.integers(1, 3000),
    st.text(),
)
DIGITS = st.integers(1, 6000).map(lambda count: "9" * count)
TYPED = st.one_of(
    st.text(), ANYTHING.map(json.dumps), NESTED, DIGITS, st.sampled_from(["none", "true", "NaN"])
)


def check_setting(drawn: tuple[str, list[tuple[str, str]]]) -> None:
    name, settings = drawn
    with suppress(PlumblineError):
        changed = apply_settings(NAMED[name](), dict(settings))
        assert parse_recipe(json.loads(changed.model_dump_json()), where="again").digest == changed.digest
        title(changed)


SETTINGS = Property(
    st.tuples(
        st.sampled_from(sorted(NAMED)),
        st.lists(st.tuples(st.one_of(st.sampled_from(FIELDS), st.text()), TYPED), max_size=3),
    ),
    check_setting,
)


def changed(content: dict[str, Any], *, path: str, value: object) -> dict[str, Any]:
    """Give a copy with one place set to a value."""
    copy: dict[str, Any] = json.loads(json.dumps(content))
    *parents, last = path.split(".")
    section = copy
    for key in parents:
        section = section[key]
    section[last] = value
    return copy


def mutated(content: dict[str, Any]) -> st.SearchStrategy[str]:
    one = st.builds(
        lambda path, value: json.dumps(changed(content, path=path, value=value)),
        st.sampled_from(paths(content)),
        ANYTHING,
    )
    whole = json.dumps(content)
    cut = st.integers(0, len(whole)).map(lambda length: whole[:length])
    put_in = st.builds(
        lambda place, text: whole[:place] + text + whole[place:], st.integers(0, len(whole)), TYPED
    )
    return st.one_of(one, cut, put_in, TYPED)


def check_recipe_file(data: bytes) -> None:
    path = folder() / "recipe.json"
    path.write_bytes(data)
    with suppress(PlumblineError):
        recipe = load_recipe(str(path))
        assert parse_recipe(json.loads(recipe.model_dump_json()), where="again") == recipe
        title(recipe)


def as_bytes(texts: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    return st.one_of(texts.map(lambda text: text.encode(errors="surrogatepass")), st.binary(max_size=200))


RECIPE_FILES = Property(
    as_bytes(st.sampled_from(sorted(RECIPES)).flatmap(lambda name: mutated(RECIPES[name]))), check_recipe_file
)


def check_record_file(data: bytes) -> None:
    path = folder() / "record.json"
    path.write_bytes(data)
    with suppress(PlumblineError):
        record = read_record(path)
        written = record.model_dump_json()
        assert Record.model_validate_json(written).model_dump_json() == written


RECORD_FILES = Property(as_bytes(st.deferred(lambda: mutated(record_content()))), check_record_file)


def check_harmless(text: str) -> None:
    shown = harmless(text)
    assert harmless(shown) == shown
    assert not any(ord(mark) < 32 and mark not in "\n\t" for mark in shown)
    shown.encode()


MESSAGES = Property(st.text(st.characters(exclude_categories=[])), check_harmless)

PROPERTIES: dict[str, Property] = {
    "settings": SETTINGS,
    "recipe-files": RECIPE_FILES,
    "record-files": RECORD_FILES,
    "messages": MESSAGES,
}
