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


class Silent:
    """A `Progress`, and the `Task` that it opens, which show nothing."""

    def task(
        self,
        title: str,  # noqa: ARG002
        *,
        total: int | None,  # noqa: ARG002
        unit: str,  # noqa: ARG002
        done: int = 0,  # noqa: ARG002
    ) -> AbstractContextManager[Task]:
        """Open a task that nobody watches."""
        return nullcontext(self)

    def advance(self, amount: int = 1) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""


SILENT: Progress = Silent()


def in_words(seconds: float, *, decimals: int = 0) -> str:
    """Give a duration as a person would say it; `decimals` are those of seconds below a minute.

    >>> in_words(42.4), in_words(312), in_words(7260), in_words(4.26, decimals=1)
    ('42 s', '5 min 12 s', '2 h 1 min', '4.3 s')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.{decimals}f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
