"""Where a run's figures go: TensorBoard events and one CSV file, both fit for a run that is resumed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.records import write_text

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_COLUMNS = ("step", "name", "value")


class Figures:
    """Writes figures to `tensorboard/` and `metrics.csv`, under one step axis over both phases.

    `first_step` is the number of steps before this phase. Figures of steps after `resume_step`, which an
    interrupted run may have left, are dropped, since those steps are taken again. Lightning's loggers are not
    used, since they write a step's figures after the hook in which a checkpoint is saved, so that a kill in
    between loses them; its CSVLogger deletes the file of the run before it (lightning 2.6.6, seen).
    """

    def __init__(
        self, events: Path, *, metrics: Path, first_step: int = 0, resume_step: int = 0, writes: bool = True
    ) -> None:
        self._events, self._metrics, self._writes = events, metrics, writes
        self._first_step, self._resume_step = first_step, resume_step
        self._writer: SummaryWriter | None = None

    def write(self, figures: Mapping[str, float], *, step: int) -> None:
        """Write figures that hold after `step` steps of this phase, unless another process does."""
        if not self._writes:
            return
        at = self._first_step + step
        writer = self._open()
        for name, value in figures.items():
            writer.add_scalar(name, value, at)
        with self._metrics.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows((at, name, value) for name, value in figures.items())

    def flush(self) -> None:
        """Bring what was written to disk: a checkpoint is about to have it behind it."""
        if self._writer is not None:
            self._writer.flush()
            with self._metrics.open("ab") as file:
                os.fsync(file.fileno())

    def close(self) -> None:
        """Flush and close the events."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self) -> SummaryWriter:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            done = self._first_step + self._resume_step
            drop_rows_after(self._metrics, step=done)
            # TensorBoard hides events of this step and later ones that were written before.
            self._writer = SummaryWriter(str(self._events), purge_step=done + 1 if done else None)
        return self._writer


def drop_rows_after(path: Path, *, step: int) -> None:
    """Keep the rows of `metrics.csv` up to `step`; make the file with its header if it is not there."""
    rows: list[list[str]] = []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == len(_COLUMNS) and row[0].isdigit()]
    kept = [row for row in rows if int(row[0]) <= step]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_COLUMNS, *kept])
    write_text(path, text.getvalue())
