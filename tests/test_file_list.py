"""The map in docs/design.md names every source file, and no other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DESIGN = ROOT / "docs" / "design.md"
FOLDERS = ("src", "bench", "tests")
LINE = re.compile(r"^- `(?P<path>[^`]+)`(?P<words>.*)$")


def map_lines(text: str) -> list[tuple[str, str]]:
    """Give (path, words) of each line "- `path` words" under the heading "The map", sub-headings included."""
    section: list[str] = []
    depth = 0
    for line in text.splitlines():
        heading = re.match(r"(#+) (.*)", line)
        if heading and (not depth or len(heading[1]) <= depth):
            depth = len(heading[1]) if heading[2].strip().lower() == "the map" else 0
        elif depth:
            section.append(line)
    found = (LINE.match(line) for line in section)
    return [(match["path"], match["words"].strip()) for match in found if match]


def source_files() -> set[str]:
    """Python files that git tracks or would take in; skips where there is no git checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *FOLDERS]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not a git checkout that can be read: {error}")
    return {name for name in listed.splitlines() if name.endswith(".py") and (ROOT / name).is_file()}


def test_the_map_names_every_source_file() -> None:
    """Who adds a file says in one line what it is for."""
    mapped = {path for path, _ in map_lines(DESIGN.read_text(encoding="utf-8"))}
    missing = sorted(source_files() - mapped)
    assert not missing, "add one line for each to docs/design.md, The map: " + ", ".join(missing)


def test_the_map_names_nothing_that_is_gone() -> None:
    """Who moves or removes a file takes its line along."""
    mapped = [path for path, _ in map_lines(DESIGN.read_text(encoding="utf-8"))]
    stale = [path for path in mapped if not (ROOT / path).exists()]
    assert not stale, "gone, but still in docs/design.md, The map: " + ", ".join(stale)
    assert len(mapped) == len(set(mapped)), "a file has two lines in the map"


def test_every_line_of_the_map_says_something() -> None:
    """A path alone explains nothing."""
    lines = map_lines(DESIGN.read_text(encoding="utf-8"))
    assert lines
    assert not [path for path, words in lines if not words]


def test_only_the_section_called_the_map_counts() -> None:
    """A list elsewhere in the document is not the map; a sub-heading does not end it."""
    text = "# A\n- `no` x\n## The map\n- `a/b.py` does b\n### tests\n- `t.py` tests b\n## After\n- `no` x\n"
    assert map_lines(text) == [("a/b.py", "does b"), ("t.py", "tests b")]
