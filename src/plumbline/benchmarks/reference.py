"""Time somebody else's training program as it is, and read the results from its table."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from plumbline.errors import PlumblineError
from plumbline.trials.children import wait_for

_ACCURACY = "tta_val_acc"
_WARM_UP = "warmup"


@dataclass(frozen=True)
class Result:
    """One training of a reference program: its accuracy with its augmentation, its own clock's seconds."""

    accuracy: float
    seconds: float


@dataclass(frozen=True)
class ReferenceRun:
    """One start of a reference program: wall clock of the whole process, and what its table says.

    `ended_early` says that the program was ended by us once it had given as many results as were wanted.
    """

    wall_seconds: float
    results: tuple[Result, ...]
    ended_early: bool


class ResultReader:
    """Reads, line by line, the table that airbench and its descendants print.

    Its head names the columns `tta_val_acc` and one ending in `seconds`; a row with both is one training's
    result. A training named `warmup` is none: these programs compile in it.
    """

    def __init__(self) -> None:
        self.results: list[Result] = []
        self._columns: list[str] = []
        self._run = ""

    def read(self, line: str) -> None:
        """Take in one line."""
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if _ACCURACY in cells:
            self._columns = cells
        elif len(cells) == len(self._columns) > 1:
            self._row(dict(zip(self._columns, cells, strict=True)))

    def _row(self, row: dict[str, str]) -> None:
        self._run = row.get("run") or self._run  # it stands in the first row of a training only
        seconds = next((text for name, text in row.items() if name.endswith("seconds")), "")
        try:
            result = Result(float(row[_ACCURACY]), float(seconds))
        except ValueError:
            return  # an epoch's row, without this accuracy
        if self._run != _WARM_UP:
            self.results.append(result)


def read_results(text: str) -> tuple[Result, ...]:
    """Read all results of a program's output.

    >>> table = "| run | epoch | tta_val_acc | time_seconds |"
    >>> rows = "| 0 | 7 |  | 2.1 |", "|  | eval | 0.9402 | 2.59 |"
    >>> read_results(chr(10).join([table, *rows]))
    (Result(accuracy=0.9402, seconds=2.59),)
    """
    reader = ResultReader()
    for line in text.splitlines():
        reader.read(line)
    return tuple(reader.results)


def check_reference(path: Path) -> None:
    """Raise PlumblineError if there is no program at `path`."""
    if not path.is_file():
        raise PlumblineError(
            f"--reference {path}: there is no such file. Give the path of a training program that you have "
            "checked out, such as cifar10-airbench/airbench94_muon.py."
        )


def fingerprint(path: Path) -> str:
    """Give 16 hex digits of a program's content, which say later that it was run as it is."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def time_reference(path: Path, *, log: Path, results: int | None = None) -> ReferenceRun:
    """Run a program in its own folder with this Python, and keep what it says in `log`.

    With `results` it is ended after so many results of its table: these programs train hundreds of times.
    Raises PlumblineError if it fails.
    """
    reader, began = ResultReader(), perf_counter()
    with log.open("w", encoding="utf-8") as kept:

        def each_line(line: str) -> bool:
            kept.write(line)
            kept.flush()
            reader.read(line)
            return results is not None and len(reader.results) >= results

        code = wait_for(
            [sys.executable, path.name],
            each_line=each_line,
            cwd=path.parent,
            environment=os.environ | {"PYTHONUNBUFFERED": "1"},  # or no line would come before the end
        )
    wall = perf_counter() - began
    ended_early = results is not None and len(reader.results) >= results
    if code and not ended_early:
        raise PlumblineError(f"The reference {path} failed with exit code {code}; what it said is in {log}.")
    return ReferenceRun(wall, tuple(reader.results), ended_early=ended_early)
