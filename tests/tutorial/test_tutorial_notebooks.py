"""The committed notebooks are what their source gives, were run in full, and show nothing of a machine."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import nbformat
import pytest
from tutorial.make import (
    LANGUAGES,
    SOURCE,
    build_notebook,
    code_cells,
    codes,
    notebook_path,
    printed,
    read_notebook,
)

from plumbline.analysis.comparison import read_comparison
from plumbline.analysis.sentences import power_of, verdict_of

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from tutorial.make import Language

MOST_BYTES = 3_000_000


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    """Give each language."""
    chosen: Language = request.param
    return chosen


@pytest.fixture(scope="module")
def committed(language: Language) -> NotebookNode:
    """Give the notebook that lies in tutorial/."""
    return read_notebook(language)


def test_the_notebooks_are_what_the_source_gives(committed: NotebookNode, language: Language) -> None:
    """Words and code of both follow from tutorial/baseline.py (python -m tutorial.make)."""
    made = build_notebook(SOURCE.read_text(encoding="utf-8"), language=language)
    assert [(cell.cell_type, cell.source, cell.id) for cell in committed.cells] == [
        (cell.cell_type, cell.source, cell.id) for cell in made.cells
    ]
    nbformat.validate(committed)


def test_both_have_the_same_code_and_outputs() -> None:
    """One run gives the outputs of both."""
    both = [read_notebook(language) for language in LANGUAGES]
    first, second = ([cell.outputs for cell in code_cells(notebook)] for notebook in both)
    assert codes(both[0]) == codes(both[1])
    assert first == second


def test_every_cell_was_run_in_order_without_an_error(committed: NotebookNode) -> None:
    """Counts go up by one from the first cell to the last; pictures and tables are there."""
    cells = code_cells(committed)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [kind for cell in cells for output in cell.outputs for kind in output.get("data", {})]
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert kinds.count("image/png") >= 3
    assert kinds.count("image/svg+xml") >= 5
    assert kinds.count("text/html") >= 2


def test_they_were_run_on_cifar10_in_quick_mode(committed: NotebookNode) -> None:
    """The figures are those of real pictures."""
    said = printed(committed)
    assert "quick mode" in said
    assert "cifar10: 50,000 training images, 10,000 test images" in said


def test_the_ten_seeds_are_those_of_the_record(committed: NotebookNode) -> None:
    """What the notebook shows of the committed comparison is what its record says now."""
    comparison = read_comparison(SOURCE.parents[1] / "results" / "swa-quick-raw-averaged")
    for pair in comparison.pairs:
        assert verdict_of(pair, comparison=comparison) in printed(committed)
        assert power_of(pair) in printed(committed)


def test_the_table_has_the_scores_that_were_printed(committed: NotebookNode) -> None:
    """The three rows are the three tests of the run."""
    shown = [
        output.data["text/html"]
        for cell in code_cells(committed)
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    (table,) = (html for html in shown if "raw, equal epochs" in html)
    rows = re.findall(r"<tr><td>(.+?)</td><td>(.+?)</td></tr>", table)
    assert [name for name, _ in rows] == ["after phase one", "raw, equal epochs", "averaged"]
    assert all(f"{name}: {score}" in printed(committed) for name, score in rows)


def test_nothing_of_a_machine_is_in_them(committed: NotebookNode, language: Language) -> None:
    """No absolute path, no warning from inside a package, and no file that is too large to open."""
    outputs = json.dumps([cell.outputs for cell in code_cells(committed)])
    assert not re.findall(r"/(?:tmp|home|root|work|usr|opt|var)/|site-packages", printed(committed))
    assert "site-packages" not in outputs
    assert notebook_path(language).stat().st_size < MOST_BYTES
