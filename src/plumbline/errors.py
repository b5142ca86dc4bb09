"""The error that users are meant to read, what may stand in it, a hint for a wrong name, the wish to stop."""

from __future__ import annotations

import difflib
import re
import signal
from collections.abc import Iterable

_CONTROLS = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


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


def harmless(text: str) -> str:
    r"""Give text from a stranger, or about files of a stranger's, so that it cannot speak to a terminal.

    Control characters but the ends of lines and tabs, such as the escape that begins a terminal's commands,
    those that turn the direction of writing, and what is no Unicode become what Python writes for them.

    >>> harmless("\x1b[31mred\n日本 a")
    '\\x1b[31mred\n日本 a'
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def printable(text: str, *, limit: int = 200) -> str:
    r"""Give text from a stranger as one short line that cannot speak to a terminal.

    >>> printable("red\ngreen blue", limit=9)
    'red\\ngree…'
    """
    shown = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return harmless(shown).replace("\n", "\\n").replace("\t", "\\t")


def nearest_of(word: str, known: Iterable[str]) -> str:
    """Give " Did you mean …?" with the closest known word, or nothing.

    >>> nearest_of("resnet81", ["resnet18", "vgg11"])
    " Did you mean 'resnet18'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.4)
    return f" Did you mean '{close[0]}'?" if close else ""
