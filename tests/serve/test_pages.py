"""The page and its documentation as they are sent: words, languages, colours."""

from __future__ import annotations

import re
from importlib.resources import files
from string import Formatter
from typing import TYPE_CHECKING

import pytest

from plumbline.serve.pages import _SCRIPT_WORDS
from plumbline.serve.words import words_of
from report.test_style import contrast

if TYPE_CHECKING:
    import httpx

FOLDER = files("plumbline.serve")
SHEET = FOLDER.joinpath("assets/page.css").read_text(encoding="utf-8")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_say_the_same() -> None:
    """Every text is there twice, with the same values in it but for how Japanese counts pixels."""
    english, japanese = words_of("en"), words_of("ja")
    own = {"megapixels": "pixels_in_man", "most": "most_in_man"}
    for name, text in english.items():
        here, there = placeholders(text), placeholders(japanese[name])
        assert here == there or {own.get(one, one) for one in here} == there, name


def test_every_word_is_used() -> None:
    """A text that nothing shows is taken out of the table."""
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in (FOLDER, FOLDER.joinpath("templates"), FOLDER.joinpath("assets"))
        for path in folder.iterdir()
        if path.name.endswith((".py", ".html", ".js"))
    )
    calls = "".join(re.findall(r"\b(?:t|say|Refusal)\([^)]*", sources))
    used = {*re.findall(r"""["'](\w+)["']""", calls), *_SCRIPT_WORDS}
    made = ("place_", "index_")  # put together from parts
    assert not [
        name
        for name in words_of("en")
        if not name.startswith(made) and not used & {name, name.removeprefix("refused_")}
    ]


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [("", "ja,en;q=0.8", "ja"), ("?lang=en", "ja", "en"), ("?lang=ja", "en", "ja"), ("?lang=xx", "de", "en")],
)
def test_the_language_is_the_readers(client: httpx.Client, query: str, accepted: str, language: str) -> None:
    """The switch comes before what the browser asks for, and English before nothing."""
    answer = client.get(f"/{query}", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in answer.text
    assert words_of("ja" if language == "ja" else "en")["drop"] in answer.text


def test_the_documentation_is_whole_and_needs_no_network(client: httpx.Client) -> None:
    """It names every endpoint and parameter and the fields of answers, and loads nothing from elsewhere."""
    schema = client.get("/openapi.json").json()
    text = client.get("/docs").text
    predict = schema["paths"]["/api/predict"]["post"]
    assert set(schema["paths"]) == {"/api/health", "/api/model", "/api/predict"}
    assert "multipart/form-data" in predict["requestBody"]["content"]
    names = [
        *schema["paths"],
        *(one["name"] for one in predict["parameters"]),
        "heat_map",
        "similarity",
        "429",
    ]
    assert all(name in text for name in names)
    loaded = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(one.startswith(("/", "data:")) for one in loaded)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_and_edges_have_contrast(scheme: int) -> None:
    """Text stands out by 4.5 in both schemes, and what is drawn to be seen by 3 (WCAG 2.2, AA)."""
    block = re.findall(r":root \{(.*?)\}", SHEET, flags=re.DOTALL)[scheme]
    colors = {
        name: tuple(int(value[at : at + 2], 16) / 255 for at in (0, 2, 4))
        for name, value in re.findall(r"--(\w+): #(\w{6});", block)
    }
    pairs = [(ink, ground) for ink in ("ink", "muted", "first") for ground in ("paper", "plate")]
    for ink, ground in [*pairs, ("paper", "first")]:
        assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)  # type: ignore[arg-type]
    for ink in ("second", "edge"):
        assert contrast(colors[ink], colors["paper"]) >= 3, ink  # type: ignore[arg-type]
