"""Ctrl-C and SIGTERM: stop at the next whole step, save, and say so."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import distributed

from plumbline.errors import StopRequested

_Handler = Callable[[int, FrameType | None], Any] | int | None
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopFlag:
    """Holds the signal that came, if one did."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._listens = False

    def listen(self) -> dict[signal.Signals, _Handler]:
        """Take the signals, and give the handlers that had them."""
        self._listens = True
        return {number: signal.signal(number, self._note) for number in _SIGNALS}

    def listen_again(self) -> None:
        """Take the signals back from Lightning, if they were taken before.

        On SIGTERM it starts a broadcast inside its handler, in the middle of whatever the processes exchange:
        two processes then wait for one another for ever (lightning 2.6.6, seen).
        """
        if self._listens:
            self.listen()

    def let_go(self, handlers: dict[signal.Signals, _Handler]) -> None:
        """Give the signals back."""
        self._listens = False
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.signal_number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = number

    def raise_if_set(self) -> None:
        """Raise StopRequested if a signal came, here or to another process of this run."""
        number = agreed(self.signal_number or 0)
        if number:
            raise StopRequested(number)


def agreed(number: int) -> int:
    """Give the largest number that any process of this run brings here: all must take the same way.

    One that stops or saves alone would leave the others waiting for it.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return number
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    largest = torch.tensor(number, device=device)
    distributed.all_reduce(largest, op=distributed.ReduceOp.MAX)
    return int(largest)


@contextmanager
def stop_on_signals(flag: StopFlag) -> Iterator[StopFlag]:
    """While inside, a first Ctrl-C or SIGTERM sets the flag; a second Ctrl-C ends the program at once."""
    handlers = flag.listen()
    try:
        yield flag
    finally:
        flag.let_go(handlers)
