"""The error that users are meant to read, a mistyped name's hint, and the wish to stop."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable


class PlumblineError(ValueError):
    """Something a person can mend: says what was expected, what was got and what to do.

    The command line prints its text as one paragraph and exits with code 2; a library user can catch it
    as the `ValueError` it is.
    """


class StopRequested(Exception):  # noqa: N818
    """A person or the system asked us to stop; everything up to the last whole step is saved."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


def nearest_of(word: str, known: Iterable[str]) -> str:
    """Give " Did you mean …?" with the closest known word, or nothing.

    >>> nearest_of("resnet81", ["resnet18", "vgg11"])
    " Did you mean 'resnet18'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.4)
    return f" Did you mean '{close[0]}'?" if close else ""
