"""The page, the documentation and the files that belong to them, from templates beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from plumbline.inference.standing import standing
from plumbline.serve.words import LANGUAGES, Language, say, words_of

if TYPE_CHECKING:
    from jinja2 import Environment

    from plumbline.inference.trained import TrainedModel
    from plumbline.serve.limits import Limits

_ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}
# The words that the script needs; the others are in the page.
_SCRIPT_WORDS = (
    *("remove_one", "removed", "looking", "waiting", "pasted", "announce", "announce_error", "others"),
    *("percent", "below", "above", "looked_at", "hottest", "no_heat", "similar", "among", "unreachable"),
    *("index_opening", "index_reading", "index_ready", "index_unavailable"),
    *("refused_too_many_bytes",),
)


@dataclass(frozen=True)
class Asset:
    """A file that a page loads, and its media type."""

    content: bytes
    kind: str


@cache
def asset(name: str) -> Asset | None:
    """Give one of the files that pages load; None for any other name."""
    if name not in _ASSETS:
        return None
    return Asset(files("plumbline.serve").joinpath("assets", name).read_bytes(), _ASSETS[name])


def page(trained: TrainedModel, *, language: Language, limits: Limits) -> str:
    """Give the page, all of its words in one language."""
    score = standing(trained.record, weights=trained.weights)
    table = words_of(language)
    places = [name for name in table if name.startswith("place_")]
    return (
        _environment()
        .get_template("page.html")
        .render(
            language=language,
            languages=[(code, say("own_name", language=code)) for code in LANGUAGES],
            t=lambda name, **values: say(name, language=language, **values),
            trained=trained,
            score=score,
            accuracy=None
            if score is None
            else say("percent", language=language, number=f"{score.accuracy * 100:.1f}"),
            limits=limits,
            setup={
                "words": {name: table[name] for name in (*_SCRIPT_WORDS, *places)},
                "language": language,
                "classes": len(trained.classes),
                "file_bytes": limits.file_bytes,
            },
        )
    )


def documentation(schema: dict[str, Any]) -> str:
    """Give a page for people from the OpenAPI description of the endpoints."""
    return (
        _environment()
        .get_template("documentation.html")
        .render(
            info=schema["info"],
            endpoints=[
                (method.upper(), path, operation)
                for path, operations in schema["paths"].items()
                for method, operation in operations.items()
            ],
            parts={
                name: part for name, part in schema["components"]["schemas"].items() if "properties" in part
            },
        )
    )


def kind_in_words(schema: dict[str, Any]) -> str:
    """Say the type of a field of an OpenAPI description.

    >>> kind_in_words({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]})
    'list of string, or null'
    """
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return ", or ".join(kind_in_words(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {kind_in_words(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("plumbline.serve"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = kind_in_words
    return environment
