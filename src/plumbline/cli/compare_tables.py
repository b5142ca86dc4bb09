"""What `plumbline compare` prints."""

from __future__ import annotations

import sys
from pathlib import Path

from rich import box
from rich.table import Table

from plumbline.analysis.comparison import Comparison
from plumbline.analysis.sentences import images_of, power_of, scope_of, verdict_of
from plumbline.analysis.tables import Rows, arm_rows, latex, markdown, pair_rows
from plumbline.cli.console import results_console


def print_comparison(
    comparison: Comparison, *, out: Path, markdown: bool = False, latex: bool = False
) -> None:
    """Print both tables and what they say; or only tables, as Markdown, LaTeX or both."""
    console = results_console(width=120)
    if markdown or latex:
        texts = [make(comparison) for asked, make in ((markdown, _markdown), (latex, _latex)) if asked]
        console.print("\n\n".join(texts), soft_wrap=True)
        return
    arms = [row[:-1] for row in arm_rows(comparison)]  # what other images change is said in a sentence
    console.print(_table(arms, title=_title(comparison)))
    if comparison.pairs:
        first = comparison.arms[0].label
        console.print(_table(_differences(comparison), title=f"Differences from {first}, over equal seeds"))
    for line in _lines(comparison, out=out):
        verdict = any(line == verdict_of(pair, comparison=comparison) for pair in comparison.pairs)
        style = "bold" if verdict else None
        console.print(line, soft_wrap=not sys.stdout.isatty(), style=style)


_markdown, _latex = markdown, latex


def _title(comparison: Comparison) -> str:
    return f"{comparison.dataset}, {images_of(comparison)}, accuracy in %"


def _differences(comparison: Comparison) -> Rows:
    """Give the rows as they fit a terminal: without what one comparison alone does not change."""
    (_, *headings), *rows = pair_rows(comparison)
    kept = [("arm", *headings), *rows]
    corrected = headings.index("p, corrected") + 1
    alone = len(comparison.pairs) == 1
    return [(*row[:corrected], *row[corrected + 1 :]) for row in kept] if alone else kept


def _lines(comparison: Comparison, *, out: Path) -> list[str]:
    lines = []
    for pair in comparison.pairs:
        lines += [verdict_of(pair, comparison=comparison), power_of(pair)]
    notes = [f"NOTE: {note}" for note in comparison.notes]
    said = [*lines, *notes, *scope_of(comparison), f"Runs, comparison.json and report.html: {out}"]
    return [line for line in said if line]


def _table(rows: Rows, *, title: str) -> Table:
    heading, *body = rows
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for number, words in enumerate(heading):
        table.add_column(words, justify="left" if number == 0 else "right", overflow="fold")
    for row in body:
        table.add_row(*row)
    return table
