"""The README's tables of results and that of docs/methods, generated from the records under results/.

Run: python -m bench.table          prints the README's tables
     python -m bench.table --write  puts each into its pages, between their two marks
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from pathlib import Path

from bench.comparisons import comparisons_text, verdicts_text
from bench.methods import methods_table
from bench.seeds import seeds_table
from plumbline.cli.summary import interval, scores_of
from plumbline.progress import in_words
from plumbline.records import PhaseName, Record, ScorePart, WeightsName, read_record

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
MARKED = re.compile(f"(?<={BEGIN}\n).*?(?={END})", re.DOTALL)
TWO_PHASES = (
    "| run | data | after phase one | raw, equal epochs | averaged | time | machine | seed, date, digest |",
    "|---|---|---|---|---|---|---|---|",
)
ONE_PHASE = (
    "| run | data | raw | averaged | with TTA | training | in all | machine | seed, date, digest |",
    "|---|---|---|---|---|---|---|---|---|",
)


def results_table(records: Iterable[tuple[str, Record]]) -> str:
    """Give the Markdown tables of finished runs, each with the path of its record.

    Runs of two phases stand in one that shows the control, runs of one phase in one that shows the time.
    """
    two: list[str] = []
    one: list[str] = []
    for path, record in records:
        if any(phase.name == "average" for phase in record.phases):
            two.append(_row(path, record, cells=_two_phases(record)))
        else:
            one.append(_row(path, record, cells=_one_phase(record)))
    tables = ([*head, *rows] for head, rows in ((TWO_PHASES, two), (ONE_PHASE, one)) if rows)
    return "\n\n".join("\n".join(table) for table in tables)


def steps_table(folder: Path) -> str:
    """Give the Markdown table of the records of `plumbline bench step` under results/."""
    rows = [
        "| step | plain, images/s | plumbline, images/s | speed-up | n each | machine, date |",
        "|---|---|---|---|---|---|",
    ]
    for path in sorted(folder.glob("step-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        plain, fast = record["summary"]["plain"], record["summary"]["fast"]
        asked = record["arguments"]
        rows.append(
            f"| [{asked.get('recipe', 'resnet18')}, batch {asked['batch']}](results/{path.name}) "
            f"| {plain['median']:.1f} ({plain['used']:.0%} of the limit) "
            f"| {fast['median']:.1f} ({fast['used']:.0%} of the limit) | {record['ratio_median']:.2f} "
            f"| {fast['n']} | {record['device']}, torch {record['versions']['torch']}, "
            f"{record['date'][:10]} |"
        )
    return "\n".join(rows)


def all_tables(folder: Path) -> str:
    """Give everything that stands between the README's marks."""
    tables = (
        seeds_table(folder),
        verdicts_text(folder),
        results_table(read_results(folder)),
        steps_table(folder),
    )
    return "\n\n".join(table for table in tables if table)


def read_results(folder: Path) -> list[tuple[str, Record]]:
    """Read every run's record under results/, in the order of their names."""
    paths = sorted(folder.glob("*/record.json"))
    return [(path.relative_to(folder.parent).as_posix(), read_record(path)) for path in paths]


def put_between(text: str, *, table: str) -> str:
    r"""Put the table between the marks of a text, each on a line of its own.

    >>> print(put_between(f"before\n{BEGIN}\nold\n{END}\nafter", table="new"))
    before
    <!-- results: begin -->
    new
    <!-- results: end -->
    after
    """
    return MARKED.sub(lambda _: f"{table}\n", text, count=1)


def tables_of_pages(results: Path) -> dict[str, str]:
    """Give the tables that stand between the marks of each page."""
    readme = all_tables(results)
    return {
        "README.md": readme,
        "README.ja.md": readme,
        "docs/benchmarks.md": comparisons_text(results),
        "docs/methods/README.md": methods_table(results / "methods" / "speednet_xs"),
    }


def write_pages() -> None:
    """Put the tables of all results into the pages that show them."""
    for name, table in tables_of_pages(ROOT / "results").items():
        path = ROOT / name
        path.write_text(put_between(path.read_text(encoding="utf-8"), table=table), encoding="utf-8")


def _row(path: str, record: Record, *, cells: tuple[str, ...]) -> str:
    device = record.device
    whole = (
        f"[{record.title}]({path})",
        f"{record.dataset.name}, {record.dataset.counts.test:,} test images",
        *cells,
        f"{device.name}, {device.threads} threads, {device.precision}, torch {record.versions['torch']}",
        f"{record.seed}, {record.started[:10]}, `{record.digest}`",
    )
    return "| " + " | ".join(whole) + " |"


def _two_phases(record: Record) -> tuple[str, ...]:
    shown: tuple[tuple[PhaseName, WeightsName], ...] = (
        ("fit", "raw"),
        ("average", "raw"),
        ("average", "averaged"),
    )
    found = (scores_of(record, phase=phase, weights=weights, split="test") for phase, weights in shown)
    scores = ("; ".join(map(_score, parts)) or "not measured" for parts in found)
    return (*scores, in_words(record.timing.total_seconds or 0.0))


def _one_phase(record: Record) -> tuple[str, ...]:
    raw = scores_of(record, phase="fit", weights="raw", split="test")
    averaged = scores_of(record, phase="fit", weights="averaged", split="test")
    several = [f"{part.weights}, {_score(part)}" for part in averaged or raw if part.views > 1]
    return (
        *("".join(_score(part) for part in parts if part.views == 1) or "-" for parts in (raw, averaged)),
        "; ".join(several) or "-",
        in_words(record.timing.training_seconds or 0.0),
        in_words(record.timing.total_seconds or 0.0),
    )


def _score(part: ScorePart) -> str:
    views = f"{part.views} views: " if part.views > 1 else ""
    return f"{views}{part.accuracy:.2%} ({interval(part)})"


def main() -> None:
    """Print the table, or write it into the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put it into its pages")
    if parser.parse_args().write:
        write_pages()
    else:
        print(all_tables(ROOT / "results"))


if __name__ == "__main__":
    main()
