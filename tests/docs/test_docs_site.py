"""The docs site builds without a warning, and asks nothing of the network."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_pages import ROOT

BUILD = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "html")

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links, self.loads, self.places = set[str](), set[str](), set[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag == "link" and given.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loads.add(given["href"])
        if tag in {"script", "img", "iframe"} and "src" in given:
            self.loads.add(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """Build the site as `make docs` does, and give its pages."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [*BUILD, "-d", folder / "trees", ROOT / "docs", folder / "html"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PLUMBLINE_DATA": ""},
    )
    assert done.returncode == 0, done.stderr
    return {path: Page(path.read_text(encoding="utf-8")) for path in (folder / "html").rglob("*.html")}


def test_every_internal_link_of_the_site_leads_somewhere(site: dict[Path, Page]) -> None:
    """Pages, files and anchors that the built pages link to are there, those of the reference too."""
    wrong = []
    for path, page in site.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = site[aim].places if aim in site else set()
            if not aim.exists() or (parts.fragment and unquote(parts.fragment) not in known):
                wrong.append(f"{path.name}: {link}")
    assert not wrong


def test_a_page_loads_nothing_from_elsewhere(site: dict[Path, Page]) -> None:
    """Style sheets, scripts, fonts and pictures come with the site."""
    assert {path.name: page.loads for path, page in site.items()}
    assert not {load for page in site.values() for load in page.loads if urlsplit(load).netloc}


def test_the_reference_has_the_public_names(site: dict[Path, Page]) -> None:
    """What `plumbline` hands out at its top is described."""
    import plumbline

    (reference,) = (page for path, page in site.items() if path.name == "library.html")
    described = {place.rpartition(".")[2] for place in reference.places if place.startswith("plumbline")}
    assert set(plumbline.__all__) <= described
