"""Put a finished run, the finished runs of declared seeds, or a comparison with its runs, under results/.

The tables of the pages that show results are made right.

Absolute paths in it say something about a machine and nothing about the result: each is cut to its last part.

Run: python -m bench.publish RUN NAME
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.seeds import read_seeds
from bench.table import ROOT, write_pages
from plumbline.analysis.comparison import Comparison, read_comparison, write_comparison
from plumbline.errors import PlumblineError
from plumbline.records import Record, read_record, write_text

_ABSOLUTE = re.compile(r"(?<![\w.~/:])/(?:[^\s/()'\"]+/)*([^\s/()'\"]+)/?")


def without_paths(text: str) -> str:
    """Cut every absolute path to its last part.

    >>> without_paths("plumbline fit --out /home/me/runs/one --data ../data")
    'plumbline fit --out one --data ../data'
    >>> without_paths("Hugging Face (https://huggingface.co/datasets/x)")
    'Hugging Face (https://huggingface.co/datasets/x)'
    """
    return _ABSOLUTE.sub(r"\1", text)


def publish(run: Path, *, name: str, results: Path) -> Record:
    """Write results/NAME/record.json from a run folder.

    Raises PlumblineError if the run is not finished, or if there is a result of that name.
    """
    record = read_record(run)
    if record.status != "finished":
        raise PlumblineError(
            f"The run in {run} is {record.status}, not finished: only whole runs are results."
        )
    target = results / name / "record.json"
    if target.exists():
        raise PlumblineError(
            f"There is a result {target} already; nothing was overwritten. Choose another name."
        )
    dataset = record.dataset.model_copy(update={"source": without_paths(record.dataset.source)})
    record = record.model_copy(update={"command": without_paths(record.command), "dataset": dataset})
    target.parent.mkdir(parents=True)
    write_text(target, record.model_dump_json(indent=2) + "\n")
    return record


def publish_seeds(runs: Path, *, name: str, results: Path) -> list[Record]:
    """Write results/NAME/seedN/record.json for every finished run, with what was declared before the first.

    Called again it adds what has finished since. Raises PlumblineError where nothing was declared or nothing
    has finished, and where other seeds were declared for the results of that name.
    """
    declared = runs / "declared.json"
    if not declared.is_file():
        raise PlumblineError(f"{runs} holds no declared runs: expected what `plumbline bench fit` writes.")
    folders = sorted(path for path in runs.glob("seed*") if _is_finished(path))
    if not folders:
        raise PlumblineError(f"No run in {runs} has finished yet.")
    text, target = without_paths(declared.read_text(encoding="utf-8")), results / name / "declared.json"
    if target.exists() and json.loads(target.read_text(encoding="utf-8")) != json.loads(text):
        raise PlumblineError(
            f"{target} declares something else than {declared}; nothing was overwritten. Choose another name."
        )
    for folder in folders:
        if not (results / name / folder.name / "record.json").exists():
            publish(folder, name=f"{name}/{folder.name}", results=results)
    write_text(target, text)
    return [record for _, record in read_seeds(results / name)]


def publish_comparison(out: Path, *, name: str, results: Path) -> Comparison:
    """Write results/NAME/comparison.json and the records of its runs, ARM/seedN/record.json.

    Raises PlumblineError if there is a result of that name.
    """
    comparison, target = read_comparison(out), results / name
    if target.exists():
        raise PlumblineError(f"There is a result {target} already; nothing was overwritten.")
    arms = []
    for arm in comparison.arms:
        runs = []
        for run in arm.runs:
            there = f"{arm.digest}/seed{run.seed}"
            if not (target / there).exists():
                publish(_folder_of(run.folder, out=out), name=f"{name}/{there}", results=results)
            runs.append(replace(run, folder=there))
        arms.append(replace(arm, runs=tuple(runs)))
    comparison = replace(comparison, arms=tuple(arms), command=without_paths(comparison.command))
    write_comparison(comparison, path=target / "comparison.json")
    return comparison


def _folder_of(folder: str, *, out: Path) -> Path:
    return Path(folder) if Path(folder).is_dir() else out / folder


def _is_finished(folder: Path) -> bool:
    return (folder / "record.json").is_file() and read_record(folder).status == "finished"


def _publisher(run: Path) -> Callable[..., object]:
    if (run / "comparison.json").is_file():
        return publish_comparison
    return publish_seeds if (run / "declared.json").is_file() else publish


def main() -> None:
    """Publish what is in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    arguments = parser.parse_args()
    try:
        _publisher(arguments.run)(arguments.run, name=arguments.name, results=ROOT / "results")
    except PlumblineError as error:
        sys.exit(f"Error: {error}")
    write_pages()


if __name__ == "__main__":
    main()
