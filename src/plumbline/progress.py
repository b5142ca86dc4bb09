"""How long work tells a watcher about itself, without knowing who watches.

The library reports to a `Progress`; the command line shows bars on a terminal and plain lines elsewhere.
Library users get `SILENT` unless they pass their own.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` more units are done."""

    def note(self, text: str) -> None:
        """Replace the short text shown beside the bar, such as the current loss."""


class Progress(Protocol):
    """Somebody who watches."""

    def task(
        self, title: str, *, total: int | None, unit: str, done: int = 0
    ) -> AbstractContextManager[Task]:
        """Open a task of `total` units (None: not known), `done` of them by an earlier run.

        `unit` is "images", "steps" or "bytes".
        """

    def say(self, text: str) -> None:
        """Show one line that stays."""


class _SilentTask:
    def advance(self, amount: int = 1) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class _Silent:
    def task(
        self,
        title: str,  # noqa: ARG002
        *,
        total: int | None,  # noqa: ARG002
        unit: str,  # noqa: ARG002
        done: int = 0,  # noqa: ARG002
    ) -> AbstractContextManager[Task]:
        """Open a task that nobody watches."""
        return nullcontext(_SilentTask())

    def say(self, text: str) -> None:
        """Do nothing."""


SILENT: Progress = _Silent()
