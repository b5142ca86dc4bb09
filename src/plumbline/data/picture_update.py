"""Bring what is known of decoded pictures up to date: what stays, what moved, and what must be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from plumbline.data.content import label_bytes
from plumbline.data.picture_index import RECORD, PictureIndex
from plumbline.data.picture_worker import row_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plumbline.data.picture_source import PictureSource
    from plumbline.data.picture_worker import Decoded
    from plumbline.data.row_file import RowFile


class IndexUpdate:
    """The index of a source's entries in the making, from an older one.

    `stamps` are the bytes and the time of change of each entry's file, int64 (N, 2). An entry of the same
    name and stamp keeps its row, one of the same content gets the row of that, and the others are `unknown`
    until they have been entered.
    """

    def __init__(self, source: PictureSource, *, before: PictureIndex, stamps: NDArray[np.int64]) -> None:
        self._source = source
        self._before = before
        self._rows = before.rows
        self._records = np.zeros(len(source.entries), RECORD)
        places = {name: place for place, name in enumerate(before.names)}
        old = np.array([places.get(entry.name, -1) for entry in source.entries], dtype=np.int64)
        if len(before.names):
            records = before.records[old]
            same = (records["size"] == stamps[:, 0]) & (records["changed"] == stamps[:, 1]) & (old >= 0)
            self._records[same] = records[same]
        self._records["size"], self._records["changed"] = stamps[:, 0], stamps[:, 1]
        usable = np.flatnonzero(before.records["row"] >= 0)
        contents = before.records["content"][usable].astype(str)
        self._contents = dict(zip(contents.tolist(), usable.tolist(), strict=True))
        kept = {source.entries[place].name for place in np.flatnonzero(self._records["content"] != b"")}
        self._faults = {name: fault for name, fault in before.faults.items() if name in kept}

    @property
    def unknown(self) -> list[int]:
        """The places of entries that must be read."""
        return np.flatnonzero(self._records["content"] == b"").tolist()

    @property
    def known_contents(self) -> frozenset[str]:
        """The sha256 of each file that has a row."""
        return frozenset(self._contents)

    def enter(self, place: int, decoded: Decoded) -> None:
        """Take in what was found at `place`; a new row is the one behind all others."""
        record, entry = self._records[place], self._source.entries[place]
        if decoded.fault is None and decoded.row is None:
            old = self._before.records[self._contents[decoded.content]]
            for field in ("row", "checksum", "label", "label_bytes", "digest", "sums"):
                record[field] = old[field]
        elif decoded.row is None:
            record["row"] = -1
            self._faults[entry.name] = str(decoded.fault)
        else:
            record["row"], self._rows = self._rows, self._rows + 1
            record["label"], record["label_bytes"] = entry.label, label_bytes(len(self._source.classes))
            record["checksum"], record["sums"] = decoded.checksum, decoded.sums
            record["digest"] = decoded.digest.encode()
        record["content"] = decoded.content.encode()

    def finish(self, file: RowFile) -> PictureIndex:
        """Give the index, with the digests of pictures whose label is another than it was made anew."""
        classes = len(self._source.classes)
        labels = np.array([entry.label for entry in self._source.entries], dtype=np.int32)
        records = self._records
        changed = (records["label"] != labels) | (records["label_bytes"] != label_bytes(classes))
        for place in np.flatnonzero(changed & (records["row"] >= 0)):
            pixels = file.read(torch.from_numpy(records["row"][[place]]))[0].permute(1, 2, 0).numpy()
            digest = row_digest(pixels, label=int(labels[place]), classes=classes)
            records[place]["digest"] = digest.encode()
        records["label"], records["label_bytes"] = labels, label_bytes(classes)
        return self.draft()

    def draft(self) -> PictureIndex:
        """Give the index as it is."""
        names = tuple(entry.name for entry in self._source.entries)
        return PictureIndex(names, self._records, self._faults, rows=self._rows)


def is_current(index: PictureIndex, *, source: PictureSource, stamps: NDArray[np.int64]) -> bool:
    """Say whether an index describes the entries of a source as they are."""
    records = index.records
    return (
        index.names == tuple(entry.name for entry in source.entries)
        and bool(np.array_equal(np.stack([records["size"], records["changed"]], axis=1), stamps))
        and bool((records["label_bytes"] == label_bytes(len(source.classes))).all())
        and records["label"].tolist() == [entry.label for entry in source.entries]
        and bool((records["content"] != b"").all())
    )
