"""Ctrl-C and SIGTERM: stop at the next whole step, save, and say so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequested(Exception):  # noqa: N818
    """A person or the system asked the run to stop; everything up to the last whole step is saved."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


class StopFlag:
    """Holds the signal that came, if one did."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def raise_if_set(self) -> None:
        """Raise StopRequested if a signal came."""
        if self.signal_number is not None:
            raise StopRequested(self.signal_number)


@contextmanager
def stop_on_signals(flag: StopFlag) -> Iterator[StopFlag]:
    """While inside, a first Ctrl-C or SIGTERM sets the flag; a second Ctrl-C ends the program at once."""

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if flag.signal_number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        flag.signal_number = number

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
