"""The README's tables of results, generated from the records under results/.

Run: python -m bench.table          prints the table
     python -m bench.table --write  puts it into README.md, between its two marks
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from plumbline.cli.console import in_words
from plumbline.cli.summary import find_score, interval
from plumbline.records import PhaseName, Record, WeightsName, read_record

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
HEAD = (
    "| run | data | after phase one | raw, equal epochs | averaged | time | machine | seed, date, digest |",
    "|---|---|---|---|---|---|---|---|",
)


def results_table(records: Iterable[tuple[str, Record]]) -> str:
    """Give the Markdown table of finished runs, each with the path of its record."""
    return "\n".join([*HEAD, *(_row(path, record) for path, record in records)])


def steps_table(folder: Path) -> str:
    """Give the Markdown table of `bench.step`'s records under results/."""
    rows = [
        "| step of resnet18 | plain, images/s | plumbline, images/s | times | n each | machine, date |",
        "|---|---|---|---|---|---|",
    ]
    for path in sorted(folder.glob("step-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        plain, fast = record["summary"]["plain"], record["summary"]["fast"]
        rows.append(
            f"| [batch {record['arguments']['batch']}](results/{path.name}) "
            f"| {plain['median']:.1f} ({plain['used']:.0%} of the floor) "
            f"| {fast['median']:.1f} ({fast['used']:.0%} of the floor) | {record['ratio_median']:.2f} "
            f"| {fast['n']} | {record['device']}, torch {record['versions']['torch']}, "
            f"{record['date'][:10]} |"
        )
    return "\n".join(rows)


def both_tables(folder: Path) -> str:
    """Give everything that stands between the README's marks."""
    return f"{results_table(read_results(folder))}\n\n{steps_table(folder)}"


def read_results(folder: Path) -> list[tuple[str, Record]]:
    """Read every run's record under results/, in the order of their names."""
    paths = sorted(folder.glob("*/record.json"))
    return [(path.relative_to(folder.parent).as_posix(), read_record(path)) for path in paths]


def put_between(text: str, *, table: str) -> str:
    """Put the table between the marks of a text.

    >>> print(put_between(f"before {BEGIN} old {END} after", table="new"))
    before <!-- results: begin -->
    new
    <!-- results: end --> after
    """
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def write_readme() -> None:
    """Put the tables of all results into the README."""
    readme = ROOT / "README.md"
    text = put_between(readme.read_text(encoding="utf-8"), table=both_tables(ROOT / "results"))
    readme.write_text(text, encoding="utf-8")


def _row(path: str, record: Record) -> str:
    device = record.device
    cells = (
        f"[{record.title}]({path})",
        f"{record.dataset.name}, {record.dataset.counts.test:,} test images",
        _score(record, phase="fit", weights="raw"),
        _score(record, phase="average", weights="raw"),
        _score(record, phase="average", weights="averaged"),
        in_words(record.timing.total_seconds or 0.0),
        f"{device.name}, {device.threads} threads, {device.precision}, torch {record.versions['torch']}",
        f"{record.seed}, {record.started[:10]}, `{record.digest}`",
    )
    return "| " + " | ".join(cells) + " |"


def _score(record: Record, *, phase: PhaseName, weights: WeightsName) -> str:
    part = find_score(record, phase=phase, weights=weights, split="test")
    if part is None:
        return "not measured"
    return f"{part.accuracy:.2%} ({interval(part)})"


def main() -> None:
    """Print the table, or write it into the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put it into README.md")
    if parser.parse_args().write:
        write_readme()
    else:
        print(both_tables(ROOT / "results"))


if __name__ == "__main__":
    main()
