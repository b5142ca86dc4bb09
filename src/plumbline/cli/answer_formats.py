"""The answers of `plumbline predict` as a table, as JSON and as CSV, one picture after another."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

from rich.cells import cell_len

from plumbline.errors import harmless
from plumbline.inference.answers import Answer, ClassProbability

_UNKNOWN = "?"
_DIGITS = 6  # of a probability that a program reads


@dataclass(frozen=True)
class Heading:
    """What holds for all answers; `top` is how many classes are named."""

    model: str
    weights: str
    digest: str
    is_calibrated: bool
    temperature: float
    classes: tuple[str, ...]
    top: int
    reject: float | None

    def rejects(self, best: ClassProbability) -> bool:
        """Tell whether the likeliest class is too improbable to be named."""
        return self.reject is not None and best.probability < self.reject


class Writer(Protocol):
    """Gives the text before, for and after the answers."""

    def begin(self) -> str:
        """Give what stands before all answers."""

    def one(self, answer: Answer) -> str:
        """Give what one picture adds."""

    def end(self) -> str:
        """Give what stands behind all answers."""


class TableWriter:
    """Columns for a person; the name of the file stands last, since it may be long."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading
        self._width = max(map(cell_len, (*heading.classes, "class")))

    def begin(self) -> str:
        """Give the names of the columns."""
        pairs = "".join(f"{self._padded('class')}  {'probability':>11}  " for _ in range(self._heading.top))
        return f"{pairs}picture\n"

    def one(self, answer: Answer) -> str:
        """Give a line, or nothing where nothing could be said."""
        if answer.fault is not None:
            return ""
        rejected = self._heading.rejects(answer.top[0])
        pairs = "".join(
            f"{self._padded(_UNKNOWN if rejected and not place else one.name)}  {one.probability:>11.1%}  "
            for place, one in enumerate(answer.top)
        )
        return f"{pairs}{harmless(str(answer.path))}\n"

    def end(self) -> str:
        """Give nothing."""
        return ""

    def _padded(self, text: str) -> str:
        return text + " " * (self._width - cell_len(text))


class JsonWriter:
    """One object; `predictions` has an entry for each picture that could be used, `failed` the others."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading
        self._failed: list[dict[str, str]] = []
        self._between = "\n"

    def begin(self) -> str:
        """Give what holds for all, and open the list."""
        known = (f' "{name}": {_as_json(value)},' for name, value in asdict(self._heading).items())
        return "\n".join(["{", *known, ' "predictions": ['])

    def one(self, answer: Answer) -> str:
        """Give an entry of the list."""
        if answer.fault is not None:
            self._failed.append({"path": str(answer.path), "reason": answer.fault})
            return ""
        best = answer.top[0]
        rejected = self._heading.rejects(best)
        entry = {
            "path": str(answer.path),
            "class": None if rejected else best.name,
            "probability": round(best.probability, _DIGITS),
            "rejected": rejected,
            "top": [
                {"class": one.name, "probability": round(one.probability, _DIGITS)} for one in answer.top
            ],
        }
        between, self._between = self._between, ",\n"
        return f"{between}  {_as_json(entry)}"

    def end(self) -> str:
        """Close the list, and name what could not be used."""
        return f'\n ],\n "failed": {_as_json(self._failed)}\n}}\n'


class CsvWriter:
    """A header and a row for each picture that could be used (RFC 4180, but lines end with a newline)."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading

    def begin(self) -> str:
        """Give the header."""
        more = [f"{name}_{place}" for place in range(2, self._heading.top + 1) for name in _PAIR]
        return _row(["path", *_PAIR, "rejected", *more])

    def one(self, answer: Answer) -> str:
        """Give a row, or nothing where nothing could be said."""
        if answer.fault is not None:
            return ""
        best = answer.top[0]
        rejected = self._heading.rejects(best)
        more = [text for one in answer.top[1:] for text in (one.name, f"{one.probability:.{_DIGITS}f}")]
        name = _UNKNOWN if rejected else best.name
        probability = f"{best.probability:.{_DIGITS}f}"
        return _row([str(answer.path), name, probability, str(rejected).lower(), *more])

    def end(self) -> str:
        """Give nothing."""
        return ""


_PAIR = ("class", "probability")


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _row(values: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


WRITERS: dict[str, Callable[[Heading], Writer]] = {
    "table": TableWriter,
    "json": JsonWriter,
    "csv": CsvWriter,
}
