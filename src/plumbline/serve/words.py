"""The words of the page and of its refusals, from words.toml, and which language a reader wants."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@cache
def words_of(language: Language) -> dict[str, str]:
    """Give all words of a language by name; {names} in braces are to be filled in."""
    table = tomllib.loads(files("plumbline.serve").joinpath("words.toml").read_text(encoding="utf-8"))
    return {name: row[language] for name, row in table.items()}


def say(name: str, /, *, language: Language, **values: Any) -> str:  # noqa: ANN401
    """Give one text with its values filled in.

    >>> say("remove_one", language="ja", name="cat.png")
    'cat.png を削除'
    """
    return words_of(language)[name].format_map(values)


def choose_language(asked: str | None, *, accepted: str) -> Language:
    """Give the language asked for, or the first of an Accept-Language header that there is, or English.

    >>> choose_language(None, accepted="fr-CH, ja;q=0.8, en;q=0.5")
    'ja'
    >>> choose_language("en", accepted="ja"), choose_language("xx", accepted="")
    ('en', 'en')
    """
    wishes = sorted((wish.strip().partition(";") for wish in accepted.split(",")), key=_place)
    for code in (asked or "", *(code for code, _, _ in wishes)):
        for language in LANGUAGES:
            if code.lower().split("-")[0] == language:
                return language
    return "en"


def _place(wish: tuple[str, str, str]) -> float:
    try:
        return -float(wish[2].replace(" ", "").removeprefix("q="))
    except ValueError:
        return -1.0
