"""Read Markdown pages as a reader does: their blocks of code, their links, their headings."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "README.ja.md", *sorted((ROOT / "docs").rglob("*.md")))
NOTEBOOKS = tuple(sorted((ROOT / "tutorial").glob("*.ipynb")))
FENCE = re.compile(
    r"^(?P<mark><!-- not run: \S.* -->\n)?```(?P<language>[^\n`]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*\]\((?P<target>[^)\s]+)\)")
INNER_LINK = re.compile(r"!\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block, and whether a comment before it says why it is not run."""

    page: Path
    language: str
    code: str
    marked: bool

    @property
    def name(self) -> str:
        """Where it stands, for a test's name."""
        return f"{self.page.relative_to(ROOT)}: {self.code.strip().splitlines()[0][:40]}"


def blocks(page: Path) -> Iterator[Block]:
    """Give the blocks of a page."""
    for found in FENCE.finditer(page.read_text(encoding="utf-8")):
        yield Block(page, found["language"].strip(), found["code"], marked=found["mark"] is not None)


def commands(code: str) -> list[str]:
    r"""Give the commands of a shell block, continued lines joined, comments left out.

    >>> commands("a \\\n  b  # why\n#!x\n\nc")
    ['a b', 'c']
    """
    joined = re.sub(r"\\\n\s*", "", code)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def text_of(page: Path) -> str:
    """Give a page's text, or that of a notebook's cells, without code."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"`[^`\n]*`", lambda code: code[0].replace("[", " "), FENCE.sub("", text))


def links(page: Path) -> set[str]:
    """Give where a page's links and pictures point."""
    text = text_of(page)
    return {found["target"] for pattern in (LINK, INNER_LINK) for found in pattern.finditer(text)}


def anchors(page: Path) -> set[str]:
    """Give the anchors that a page's headings have, as GitHub and MyST write them."""
    headings = re.findall(r"^#{1,6} (.+?)\s*$", text_of(page), flags=re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in kept}
