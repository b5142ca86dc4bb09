"""What tests of whole runs share: a request, a watcher who presses Ctrl-C, and comparisons to the bit."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from plumbline.data import Dataset
from plumbline.recipes import Recipe
from plumbline.records import Record, RunFolder
from plumbline.tensor_files import read_checkpoint
from plumbline.training.device import choose_compute
from plumbline.training.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plumbline.progress import Task


def ask(recipe: Recipe, dataset: Dataset, *, seed: int = 7) -> Request:
    """Ask for a run on the CPU."""
    return Request(
        recipe=recipe, dataset=dataset, seed=seed, compute=choose_compute("cpu"), command="plumbline fit"
    )


def same_weights(one: RunFolder, other: RunFolder, name: str) -> bool:
    """Tell whether two runs ended on the same bits."""
    first, second = (read_checkpoint(folder.checkpoint(name))["state_dict"] for folder in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


class StopsAt:
    """A watcher who presses Ctrl-C after a number of training steps."""

    def __init__(self, step: int) -> None:
        self._left = step

    @contextmanager
    def task(self, title: str, *, total: int | None, unit: str, done: int = 0) -> Iterator[Task]:  # noqa: ARG002
        """Watch a task; only training steps are counted."""
        self._training = title in {"fit", "average"}
        yield self

    def advance(self, amount: int = 1) -> None:
        """Count, and press when it is time."""
        if not self._training:
            return
        self._left -= amount
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGINT)

    def note(self, text: str) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""


def figures_of(record: Record) -> list[dict[str, Any]]:
    """Give everything in a record that must not depend on interruptions."""
    return [part.model_dump(exclude={"seconds"}) for part in (*record.epochs, *record.scores)]


class Listens(StopsAt):
    """A watcher who stops the run at a step, or with 0 never, and remembers what was said."""

    def __init__(self, step: int = 0) -> None:
        super().__init__(step)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Remember it."""
        self.said.append(text)
