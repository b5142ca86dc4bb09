"""The page of a comparison: every seed, the verdict in words, and no interval where there can be none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.analysis.comparison import write_comparison
from plumbline.analysis.sentences import verdict_of
from plumbline.report import write_comparison_report
from report.page_check import check_page
from report.sample import sample_comparison

if TYPE_CHECKING:
    from pathlib import Path


def test_every_seed_is_a_ring_and_the_verdict_stands_in_words(tmp_path: Path) -> None:
    """Ten seeds of two recipes are twenty rings and ten differences; the verdict is that of the command."""
    comparison = sample_comparison()
    write_comparison(comparison, path=tmp_path / "comparison.json")
    source = write_comparison_report(tmp_path).read_text(encoding="utf-8")
    page = check_page(source)
    assert source.count('class="ring"') == 30
    assert source.count('class="whisker"') == 3
    assert verdict_of(comparison.pairs[0], comparison=comparison) in page.words
    for run in comparison.arms[1].runs:
        assert f"{run.accuracy * 100:.2f}" in page.words


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    """With one seed there is no whisker, no p-value and no verdict, and the page says so."""
    write_comparison(sample_comparison(seeds=1), path=tmp_path / "comparison.json")
    source = write_comparison_report(tmp_path).read_text(encoding="utf-8")
    assert 'class="whisker"' not in source
    assert "No verdict" in check_page(source).words
    assert "none, one seed" in source
