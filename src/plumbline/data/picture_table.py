"""Tables of pictures: one row each with a path, a label and perhaps a split."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.data.picture_folder import check_inside
from plumbline.data.picture_names import (
    SPLIT_NAMES,
    Arranged,
    PictureEntry,
    canonical,
    check_classes,
    listed,
    quoted,
)
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from plumbline.data.picture_names import Side

MAX_TABLE_BYTES = 500_000_000
_PATH_COLUMNS = ("path", "file", "filename", "image")
_LABEL_COLUMNS = ("label", "class")
_SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class TableRow:
    """One row: where it stands ("line 7"), and its cells as text."""

    where: str
    path: str
    label: str
    split: str


@dataclass(frozen=True)
class ArrangedTable:
    """What a table says, and the name by which each picture is opened, below the table's folder."""

    arranged: Arranged
    places: Mapping[str, str]


def is_table(name: str) -> bool:
    """Say whether a file is a table, by its name.

    >>> is_table("labels.CSV"), is_table("a.parquet"), is_table("a.txt")
    (True, True, False)
    """
    return name.lower().endswith((".csv", ".parquet"))


def arrange_table(path: Path) -> ArrangedTable:
    """Give the classes and pictures of a .csv (UTF-8, with a header) or .parquet table.

    Columns: `path` (or file, filename, image), `label` (or class), and perhaps `split`. Paths are
    relative to the table's folder. Raises `PlumblineError` naming the table and the line: no text in UTF-8,
    no such columns, an empty or absolute path or one with `..`, a file that is missing or a link that leaves
    the folder, a path with two labels, or classes as `check_classes` refuses them.
    """
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise PlumblineError(f"{path}: expected at most {MAX_TABLE_BYTES:,} bytes in a table")
        data = path.read_bytes()
    except OSError as error:
        raise PlumblineError(f"{path} cannot be read ({error.strerror or error})") from error
    return arrange_rows(read_rows(data, told=str(path)), told=str(path), locate=_FolderOf(path).locate)


def read_rows(data: bytes, *, told: str) -> list[TableRow]:
    """Give the rows of a table, parquet where its name says so and CSV else."""
    rows = _parquet_rows(data, told=told) if told.lower().endswith(".parquet") else _csv_rows(data, told=told)
    if not rows:
        raise PlumblineError(f"{told} has no row; expected one for each picture")
    return rows


def arrange_rows(rows: list[TableRow], *, told: str, locate: Callable[[str], str | None]) -> ArrangedTable:
    """Check all rows and arrange them; `locate` gives the name by which a path is opened, None if missing."""
    found: dict[str, TableRow] = {}
    places: dict[str, str] = {}
    missing: list[str] = []
    twice = 0
    for row in rows:
        name = _checked_path(row, told=told)
        before = found.setdefault(name, row)
        if before is not row:
            _check_same(before, other=row, name=name, told=told)
            twice += 1
            continue
        place = locate(name)
        if place is None:
            missing.append(f"{name} ({row.where})")
        else:
            places[name] = place
    if missing:
        raise PlumblineError(
            f"{told} names {len(missing):,} files that are not there: {listed(missing, most=3)}; paths are "
            "relative to the folder of the table, with / between folders"
        )
    labels = {row.label: canonical(row.label, where=told) for row in found.values()}
    classes = check_classes(labels.values(), where=told)
    numbers = {name: number for number, name in enumerate(classes)}
    entries = tuple(
        PictureEntry(name, label=numbers[labels[row.label]], split=_side(row, told=told))
        for name, row in sorted(found.items())
    )
    _check_splits(entries, classes=classes, told=told)
    notes = (f"rows of {told} that repeat another were ignored: {twice:,}",) if twice else ()
    return ArrangedTable(Arranged(classes, entries, notes), places)


def _csv_rows(data: bytes, *, told: str) -> list[TableRow]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PlumblineError(
            f"{told}, line {line:,}: expected text in UTF-8; save the table as such"
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[TableRow] = []
    try:
        header = next(reader, [])
        columns = _columns(header, told=told)
        for cells in reader:
            if not cells:
                continue
            where = f"line {reader.line_num:,}"
            if len(cells) != len(header):
                raise PlumblineError(f"{told}, {where}: expected {len(header)} cells, got {len(cells)}")
            rows.append(TableRow(where, *("" if at is None else cells[at].strip() for at in columns)))
    except csv.Error as error:
        raise PlumblineError(f"{told}, line {reader.line_num:,}: no valid CSV ({error})") from error
    return rows


def _parquet_rows(data: bytes, *, told: str) -> list[TableRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            _check_unpacked(file.metadata, told=told)
            header = file.schema_arrow.names
            columns = _columns(header, told=told)
            table = file.read(columns=[header[at] for at in columns if at is not None])
        cells = [
            table.column(header[at]).cast(pa.string()).to_pylist() if at is not None else [""] * len(table)
            for at in columns
        ]
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, PlumblineError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PlumblineError(f"{told} cannot be read as a parquet table of text ({reason})") from error
    return [
        TableRow(f"row {number:,}", *((cell or "").strip() for cell in row))
        for number, row in enumerate(zip(*cells, strict=True), start=1)
    ]


def _check_unpacked(metadata: object, *, told: str) -> None:
    rows, groups = metadata.num_rows, range(metadata.num_row_groups)  # type: ignore[attr-defined]
    total = sum(metadata.row_group(group).total_byte_size for group in groups)  # type: ignore[attr-defined]
    if total > MAX_TABLE_BYTES or rows > MAX_TABLE_BYTES // 10:
        raise PlumblineError(f"{told}: expected at most {MAX_TABLE_BYTES:,} bytes unpacked, got {total:,}")


def _columns(header: list[str], *, told: str) -> tuple[int, int, int | None]:
    """Give the places of path, label and split in the header."""
    names = [name.strip().lower() for name in header]
    places: list[int | None] = []
    for wanted in (_PATH_COLUMNS, _LABEL_COLUMNS, ("split",)):
        found = [at for at, name in enumerate(names) if name in wanted]
        if len(found) > 1:
            raise PlumblineError(
                f"{told} has several columns for one thing: {listed(header[at] for at in found)}"
            )
        places.append(found[0] if found else None)
    path, label, split = places
    if path is None or label is None:
        lacking = [
            " or ".join(wanted)
            for wanted, at in ((_PATH_COLUMNS, path), (_LABEL_COLUMNS, label))
            if at is None
        ]
        hint = "; separate them with commas" if len(header) == 1 and {";", "\t"} & set(header[0]) else ""
        raise PlumblineError(
            f"{told}: expected columns path, label and perhaps split, got {listed(header) or 'none'}: "
            f"{' and '.join(lacking)} is missing{hint}"
        )
    return path, label, split


def _checked_path(row: TableRow, *, told: str) -> str:
    where = f"{told}, {row.where}"
    if not row.path or not row.label:
        raise PlumblineError(f"{where}: expected a path and a label, got an empty one")
    parts = [part for part in row.path.split("/") if part != "."]
    if row.path.startswith("/") or row.path[1:3] in {":/", ":\\"} or ".." in parts or "\0" in row.path:
        raise PlumblineError(
            f"{where}: the path {quoted(row.path)} may lead out of the table's folder; write it relative to "
            "that folder, without .."
        )
    return canonical("/".join(filter(None, parts)), where=where)


def _check_same(row: TableRow, *, other: TableRow, name: str, told: str) -> None:
    for what, one, two in (("label", row.label, other.label), ("split", row.split, other.split)):
        if one != two:
            raise PlumblineError(
                f"{told}: {name} has the {what} {quoted(one)} in {row.where} and {quoted(two)} in "
                f"{other.where}; keep one of them"
            )


def _side(row: TableRow, *, told: str) -> Side | None:
    if not row.split:
        return None
    if row.split.lower() not in SPLIT_NAMES:
        raise PlumblineError(
            f"{told}, {row.where}: expected the split train, val or test, or none, got {quoted(row.split)}"
        )
    return SPLIT_NAMES[row.split.lower()]


def _check_splits(entries: tuple[PictureEntry, ...], *, classes: tuple[str, ...], told: str) -> None:
    """Refuse splits with other classes; where some pictures have no split, only training must have all."""
    sides = {entry.split for entry in entries}
    if sides == {None}:
        return
    for side in ("train",) if None in sides else [side for side in _SIDES if side in sides | {"train"}]:
        there = {entry.label for entry in entries if entry.split in {side, None}}
        lacking = [name for label, name in enumerate(classes) if label not in there]
        if lacking:
            raise PlumblineError(
                f"{told}: no picture of {listed(lacking)} is in the {side} split; every split needs the same "
                "classes"
            )


class _FolderOf:
    """The folder of a table: which files are in it, each folder's real path looked up once."""

    def __init__(self, table: Path) -> None:
        self._folder = str(table.parent)
        self._root = os.path.realpath(self._folder)
        self._checked: set[str] = set()

    def locate(self, name: str) -> str | None:
        """Give the name by which the file is opened, or None; raise where a link leaves the folder."""
        for place in dict.fromkeys((name, unicodedata.normalize("NFD", name))):
            whole = os.path.join(self._folder, place)  # noqa: PTH118  # one of 60,000 plain strings
            parent = os.path.dirname(whole)  # noqa: PTH120
            if not os.path.isfile(whole) and not os.path.islink(whole):  # noqa: PTH113, PTH114
                continue
            if parent not in self._checked:
                check_inside(parent, root=self._root, told=parent)
                self._checked.add(parent)
            if os.path.islink(whole):  # noqa: PTH114
                check_inside(whole, root=self._root, told=whole)
            return place
        return None
