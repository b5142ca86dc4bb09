"""The one error that users are meant to read, and the hint that a mistyped name gets."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PlumblineError(ValueError):
    """Something a person can mend: says what was expected, what was got and what to do.

    The command line prints its text as one paragraph and exits with code 2; a library user can catch it
    as the `ValueError` it is.
    """


def nearest_of(word: str, known: Iterable[str]) -> str:
    """Give " Did you mean …?" with the closest known word, or nothing.

    >>> nearest_of("resnet81", ["resnet18", "vgg11"])
    " Did you mean 'resnet18'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.4)
    return f" Did you mean '{close[0]}'?" if close else ""
