"""Comparisons under results/: what they say, for the README, and their tables beside it."""

from __future__ import annotations

from pathlib import Path

from plumbline.analysis.comparison import Comparison, read_comparison
from plumbline.analysis.sentences import power_of, verdict_of
from plumbline.analysis.tables import markdown


def verdicts_text(results: Path) -> str:
    """Give the verdict of each published comparison in words; empty where there is none."""
    return "\n\n".join(
        f"{_said(comparison)} ({_images(comparison)}; records in [results/{folder}](results/{folder}).)"
        for folder, comparison in _read(results)
    )


def comparisons_text(results: Path) -> str:
    """Give each published comparison: its verdict in words, and its tables; empty where there is none."""
    return "\n\n".join(
        f"{_said(comparison)} ({_images(comparison)}; records in `results/{folder}`.)\n\n"
        f"{markdown(comparison)}"
        for folder, comparison in _read(results)
    )


def _read(results: Path) -> list[tuple[str, Comparison]]:
    paths = sorted(results.glob("*/comparison.json"))
    return [(path.parent.name, read_comparison(path.parent)) for path in paths]


def _said(comparison: Comparison) -> str:
    return " ".join(
        sentence
        for pair in comparison.pairs
        for sentence in (verdict_of(pair, comparison=comparison), power_of(pair))
        if sentence
    )


def _images(comparison: Comparison) -> str:
    return f"{comparison.dataset}, {comparison.images:,} {comparison.split} images"
