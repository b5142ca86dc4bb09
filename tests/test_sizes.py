"""Sizes to feel at home in, as docs/design.md gives them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for folder in ("src", "bench", "tests") for path in (ROOT / folder).rglob("*.py"))
FILE_LINES, FUNCTION_LINES, CLASS_LINES = 350, 60, 150

type_of_block = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(source: str) -> Iterator[type_of_block]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, type_of_block))


def body_lines(block: type_of_block) -> int:
    """Lines from the first statement to the last; docstrings, those of inner blocks too, do not count."""
    inner = [node for node in ast.walk(block) if isinstance(node, type_of_block)]
    docstrings = sum(lines(node.body[0]) for node in inner if ast.get_docstring(node) is not None)
    return (block.end_lineno or 0) - block.body[0].lineno + 1 - docstrings


def lines(statement: ast.stmt) -> int:
    return (statement.end_lineno or 0) - statement.lineno + 1


@each_file
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    """No file is longer than 350 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES


@each_file
def test_a_block_is_seen_at_once(path: Path) -> None:
    """No function body is longer than 60 lines, no class than 150."""
    too_long = {
        f"{block.name} (line {block.lineno})": body_lines(block)
        for block in blocks(path.read_text(encoding="utf-8"))
        if body_lines(block) > (CLASS_LINES if isinstance(block, ast.ClassDef) else FUNCTION_LINES)
    }
    assert not too_long


def test_docstrings_are_free() -> None:
    """A body is counted without its own docstring and without those inside it."""
    source = (
        'class A:\n    """One.\n\n    Two.\n    """\n\n    def b(self):\n        """Three."""\n        pass\n'
    )
    counts = {block.name: body_lines(block) for block in blocks(source)}
    assert counts == {"A": 3, "b": 1}
