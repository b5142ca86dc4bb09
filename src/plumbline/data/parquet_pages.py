"""What the pages of a parquet file claim to unpack to, looked at before a reader believes them.

A few kilobytes can claim, and be unpacked to, gigabytes: by compression, by a dictionary whose one long value
is repeated, or by an encoding that shares beginnings. Arrow takes such claims as they are, and its view of
the metadata ends the process for some damaged ones (pyarrow 26.0.1, seen), so both are read here.
Format: parquet.apache.org/docs/file-format and the compact protocol of Apache Thrift.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

MAX_FOOTER_BYTES = 1 << 22
MAX_PAGE_BYTES = 1 << 27
# Each row of a batch may be the longest value of the dictionary.
MAX_DICTIONARY_BYTES = 1 << 22
# Plain, both names of a dictionary's index, run lengths, lengths set apart: each value stands for itself.
_ENCODINGS = {0, 2, 3, 6, 8}
_DICTIONARY = 2
# Where each kind of page keeps its encoding: data, index (none), dictionary, data of the second version.
_ENCODING_OF = {0: (5, 2), 2: (7, 2), 3: (8, 4)}
_BOOLEANS, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = {1, 2}, 3, {4, 5, 6}, 7, 8, {9, 10}, 12
_DEEPEST = 16


@dataclass(frozen=True)
class _Chunk:
    """One column of one row group: its name, and where its pages begin and end."""

    name: str
    begin: int
    end: int


def check_pages(path: Path, *, columns: Collection[str]) -> None:
    """Raise `PlumblineError` unless every page of these columns unpacks to little, value by value.

    A column is named by its path in the schema, such as `img.bytes`. A file that is cut short or has no
    footer that can be read is refused too.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            chunks = [chunk for chunk in _chunks(data) if chunk.name in columns]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise PlumblineError("its footer is damaged") from error
        for chunk in chunks:
            _check_chunk(data, chunk=chunk)


def _chunks(data: mmap.mmap) -> list[_Chunk]:
    size = int.from_bytes(data[-8:-4], "little")
    begin = len(data) - 8 - size
    if data[-4:] != b"PAR1" or begin < 0 or size > MAX_FOOTER_BYTES:
        raise ValueError("no footer")
    footer, _ = _read_struct(data, begin, deep=0)
    found = []
    for group in footer[4]:
        for column in group[1]:
            part = column[3]
            place = part[9]
            if 0 < part.get(11, 0) < place:
                place = part[11]
            found.append(_Chunk(".".join(name.decode() for name in part[3]), place, place + part[7]))
    return found


def _check_chunk(data: mmap.mmap, *, chunk: _Chunk) -> None:
    place = chunk.begin
    if place < 0 or chunk.end > len(data):
        raise PlumblineError(f"the pages of {chunk.name} are said to lie outside of it")
    while place < chunk.end:
        try:
            header, place = _read_struct(data, place, deep=0)
            kind, unpacked, packed = header[1], header[2], header[3]
            part, field = _ENCODING_OF[kind]
            encoding = header[part][field]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise PlumblineError(f"a page of {chunk.name} has no header that can be read") from error
        limit = MAX_DICTIONARY_BYTES if kind == _DICTIONARY else MAX_PAGE_BYTES
        if not 0 <= unpacked <= limit or packed < 0:
            raise PlumblineError(
                f"a page of {chunk.name} claims {unpacked:,} bytes, at most {limit:,} are read"
            )
        if encoding not in _ENCODINGS:
            raise PlumblineError(f"a page of {chunk.name} has the encoding {encoding}, which is not read")
        place += packed


def _read_struct(data: mmap.mmap, place: int, *, deep: int) -> tuple[dict[int, Any], int]:
    """Give what a struct holds by the numbers of its fields, and where it ends."""
    if deep > _DEEPEST:
        raise ValueError("nested too deep")
    fields: dict[int, Any] = {}
    number = 0
    while head := data[place]:
        place += 1
        if step := head >> 4:
            number += step
        else:
            number, place = _read_integer(data, place)
        kind = head & 15
        if kind not in _BOOLEANS:  # the kind is the value
            fields[number], place = _read_value(data, place, kind=kind, deep=deep)
    return fields, place + 1


def _read_value(data: mmap.mmap, place: int, *, kind: int, deep: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _read_integer(data, place)
    if kind == _STRUCT:
        return _read_struct(data, place, deep=deep + 1)
    if kind in _LISTS:
        return _read_list(data, place, deep=deep + 1)
    if kind == _BINARY:
        length, place = _read_varint(data, place)
        return data[place : place + length], place + length
    if kind in {_BYTE, _DOUBLE}:
        return None, place + (1 if kind == _BYTE else 8)
    raise ValueError(f"thrift type {kind}, which parquet does not use")


def _read_list(data: mmap.mmap, place: int, *, deep: int) -> tuple[list[Any], int]:
    if deep > _DEEPEST:
        raise ValueError("nested too deep")
    head = data[place]
    place += 1
    count, kind = head >> 4, head & 15
    if count == 15:
        count, place = _read_varint(data, place)
    found = []
    for _ in range(count):
        value, place = _read_value(data, place, kind=_BYTE if kind in _BOOLEANS else kind, deep=deep)
        found.append(value)
    return found, place


def _read_integer(data: mmap.mmap, place: int) -> tuple[int, int]:
    raw, place = _read_varint(data, place)
    return (raw >> 1) ^ -(raw & 1), place


def _read_varint(data: mmap.mmap, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number without an end")
