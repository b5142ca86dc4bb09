"""What `plumbline data check` does. Imports torch: only the command itself imports it."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from plumbline.cli.check_pairs import pairs_sheet
from plumbline.cli.checked_run import RunCheck, check_run
from plumbline.cli.console import make_progress
from plumbline.cli.datasets import load_named_or_path
from plumbline.data import Dataset
from plumbline.data.duplicate_cache import dataset_duplicates
from plumbline.data.duplicates import NEAR, NearDuplicates
from plumbline.data.statistics import SplitStatistics, split_statistics
from plumbline.durable import replacing
from plumbline.errors import PlumblineError
from plumbline.records import Record

_SHOWN = 10
# Digits and drawings: one in ten images twice is not what is found among photographs.
_TOO_MANY = 0.1


@dataclass(frozen=True)
class DataCheck:
    """What was found; the splits and duplicates by name, `run` where a run was given."""

    dataset: Dataset
    splits: dict[str, SplitStatistics]
    duplicates: dict[str, NearDuplicates]
    run: RunCheck | None


def run_check(
    source: str, *, run: Path | None, record: Record | None, json: Path | None, sheet: Path | None
) -> None:
    """Check a data set, print what was found, and write it where that was asked for."""
    progress = make_progress()
    dataset = load_named_or_path(source, progress=progress)
    classes = len(dataset.classes)
    splits = {"training": dataset.train, "test": dataset.test}
    found = DataCheck(
        dataset=dataset,
        splits={name: split_statistics(split, classes=classes) for name, split in splits.items()},
        duplicates={
            "across": dataset_duplicates(dataset, progress=progress),
            "test": dataset_duplicates(dataset, where="test", progress=progress),
            "training": dataset_duplicates(dataset, where="train", progress=progress),
        },
        run=None,
    )
    if record is not None and run is not None:
        folder = run if run.is_dir() else run.parent
        across = found.duplicates["across"]
        checked = check_run(record, folder=folder, dataset=dataset, duplicates=across, progress=progress)
        found = DataCheck(dataset, splits=found.splits, duplicates=found.duplicates, run=checked)
    typer.echo("\n".join(_lines(found)))
    try:
        if json is not None:
            with replacing(json) as file:
                file.write((json_format.dumps(as_dict(found), indent=1) + "\n").encode())
        if sheet is not None:
            with replacing(sheet) as file:
                pairs_sheet(dataset, found=found.duplicates["across"]).save(file, format="PNG", optimize=True)
    except OSError as error:
        raise PlumblineError(f"--json or --sheet cannot be written: {error.strerror or error}.") from error


def as_dict(found: DataCheck) -> dict[str, Any]:
    """Give everything that was found as plain numbers and words, images by index."""
    dataset = found.dataset
    return {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "classes": list(dataset.classes),
        "splits": {name: asdict(split) for name, split in found.splits.items()},
        "duplicates": {
            name: {"method": pairs.method, "pairs": [asdict(pair) for pair in pairs.pairs]}
            for name, pairs in found.duplicates.items()
        },
        "run": asdict(found.run) if found.run is not None else None,
    }


def _lines(found: DataCheck) -> Iterator[str]:
    yield from _table(found)
    yield from _duplicates(found)
    if found.run is not None:
        yield from found.run.lines(found.dataset.classes)


def _table(found: DataCheck) -> Iterator[str]:
    dataset, training, test = found.dataset, found.splits["training"], found.splits["test"]
    width = max(len("class"), *map(len, dataset.classes))
    yield f"{dataset.name}, from {dataset.source}: every image could be read"
    yield f"{'class':{width}}  {'training':>8}  {'test':>6}"
    rows = zip(dataset.classes, training.per_class, test.per_class, strict=True)
    yield from (f"{name:{width}}  {many:8,}  {few:6,}" for name, many, few in rows)
    yield f"{'all':{width}}  {training.count:8,}  {test.count:6,}"
    for name, split in found.splits.items():
        least, most = min(split.per_class), max(split.per_class)
        balance = "balanced" if least == most else f"smallest class {least:,} images, largest {most:,}"
        colours = " ".join(f"{value:.4f}" for value in split.mean)
        spread = " ".join(f"{value:.4f}" for value in split.std)
        yield (
            f"{name}: {balance}; mean {colours}, deviation {spread}; "
            f"{len(split.constant):,} images of one colour{_some(split.constant)}"
        )


def _some(indices: tuple[int, ...]) -> str:
    if not indices:
        return ""
    return f" ({', '.join(map(str, indices[:_SHOWN]))}{', …' if len(indices) > _SHOWN else ''})"


def _duplicates(found: DataCheck) -> Iterator[str]:
    titles = {
        "across": "test images with one in training",
        "test": "inside test",
        "training": "inside training",
    }
    for where, pairs in found.duplicates.items():
        count = {
            kind: sum(pair.kind == kind for pair in pairs.pairs) for kind in ("exact", "near", "possible")
        }
        split = found.splits["training" if where == "training" else "test"]
        share = f" ({len(pairs.duplicated) / split.count:.2%})" if split.count else ""
        yield (
            f"duplicates, {titles[where]}: {len(pairs.duplicated):,} of {split.count:,}{share}; pairs: "
            f"{count['exact']:,} exact, {count['near']:,} near, {count['possible']:,} only possible"
        )
        if len(pairs.duplicated) > _TOO_MANY * split.count:
            yield "  So many suggest pictures too simple for this method (digits, drawings): look at some."
    yield from _pairs(found)
    yield (
        f"Near: correlation of detail from {NEAR:.2f} on, also mirrored, moved by a pixel or two of 32 or "
        "zoomed by up to 15 %.\nTurned pictures and larger cuts are missed; pictures of one model of car or "
        "aircraft can be taken for one."
    )


def _pairs(found: DataCheck) -> Iterator[str]:
    dataset, pairs = found.dataset, found.duplicates["across"].pairs
    for pair in pairs[:_SHOWN]:
        test = dataset.classes[int(dataset.test.labels[pair.first])]
        train = dataset.classes[int(dataset.train.labels[pair.second])]
        mirrored = ", mirrored" if pair.mirrored else ""
        labels = "" if test == train else "  different labels"
        yield (
            f"  test {pair.first} ({test}) and training {pair.second} ({train}): {pair.kind} "
            f"{pair.similarity:.2f}{mirrored}{labels}"
        )
    if len(pairs) > _SHOWN:
        yield f"  and {len(pairs) - _SHOWN:,} more: --json FILE lists all, --sheet FILE.png shows them"
