"""Links of the docs, the READMEs and the notebooks, checked without a network; tables made from records."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from bench.table import MARKED, tables_of_pages
from markdown_pages import NOTEBOOKS, PAGES, ROOT, anchors, links

if TYPE_CHECKING:
    from pathlib import Path


def what_is_wrong(target: str, *, page: Path) -> str:
    parts = urlsplit(target)
    if parts.scheme:
        return (
            "" if parts.scheme == "https" and "." in parts.netloc else f"{target}: not a plain https address"
        )
    aim = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not aim.exists() or not aim.is_relative_to(ROOT):
        return f"{target}: there is no such file"
    if parts.fragment and unquote(parts.fragment) not in anchors(aim):
        return f"{target}: {aim.name} has no such heading"
    return ""


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files and headings that are linked to are there; addresses elsewhere are well formed."""
    assert not [said for target in sorted(links(page)) if (said := what_is_wrong(target, page=page))]


def test_a_dead_link_is_found() -> None:
    """The check itself: a missing file, a missing heading and a mistyped address are told."""
    page = ROOT / "docs" / "record.md"
    assert what_is_wrong("gone.md", page=page)
    assert what_is_wrong("#no-such-heading", page=page)
    assert what_is_wrong("htp://example.org", page=page)
    assert not what_is_wrong("#the-whole", page=page)


def test_every_page_shows_what_follows_from_the_records() -> None:
    """No number in a table is written by hand (python -m bench.table --write makes them)."""
    for name, table in tables_of_pages(ROOT / "results").items():
        text = (ROOT / name).read_text(encoding="utf-8")
        assert MARKED.findall(text) == [f"{table}\n"], name
