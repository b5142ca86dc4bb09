"""Comparisons under results/: their tables and what they say, for the README."""

from __future__ import annotations

from pathlib import Path

from plumbline.analysis.comparison import Comparison, read_comparison
from plumbline.analysis.sentences import power_of, verdict_of
from plumbline.analysis.tables import markdown


def comparisons_text(results: Path) -> str:
    """Give each published comparison: its verdict in words, and its tables; empty where there is none."""
    return "\n\n".join(_text(path) for path in sorted(results.glob("*/comparison.json")))


def _text(path: Path) -> str:
    comparison = read_comparison(path.parent)
    said = " ".join(
        sentence
        for pair in comparison.pairs
        for sentence in (verdict_of(pair, comparison=comparison), power_of(pair))
        if sentence
    )
    return f"{said}\n\n{markdown(comparison)}\n\n{_source(comparison, path=path)}"


def _source(comparison: Comparison, *, path: Path) -> str:
    folder = path.parent
    return (
        f"{comparison.dataset}, {comparison.images:,} {comparison.split} images; records in "
        f"[results/{folder.name}](results/{folder.name})."
    )
