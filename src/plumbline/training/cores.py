"""How long a training waits for processor cores that something else uses: counted, and said where it is much.

Threads that share the work of one operation wait for each other many times in a training step. Where two
programs of two threads each share two cores, such a step took 130 times as long as alone (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from plumbline.progress import Progress

_THREADS = Path("/proc/self/task")
_MUCH = 0.25
_WINDOW_SECONDS = 10.0


@dataclass(frozen=True)
class CoreSeconds:
    """What the threads of this process have `used` of the cores, and how long they `waited` for one."""

    used: float
    waited: float

    def since(self, before: CoreSeconds) -> CoreSeconds:
        """Give what came after `before`; threads that have ended since take theirs with them."""
        return CoreSeconds(max(0.0, self.used - before.used), max(0.0, self.waited - before.waited))

    @property
    def waiting_share(self) -> float:
        """The share of the time in which the threads had something to do that they waited for a core.

        >>> CoreSeconds(used=3.0, waited=1.0).waiting_share
        0.25
        """
        total = self.used + self.waited
        return self.waited / total if total else 0.0


def core_seconds() -> CoreSeconds | None:
    """Sum over the threads of this process what Linux counts of each; None where the system does not tell."""
    found = []
    for path in _THREADS.glob("*/schedstat"):
        with suppress(OSError, ValueError):  # the thread has just ended
            used, waited, _ = path.read_text(encoding="ascii").split()
            found.append((int(used), int(waited)))
    if not found:
        return None
    used_ns, waited_ns = map(sum, zip(*found, strict=True))
    return CoreSeconds(used_ns / 1e9, waited_ns / 1e9)


def crowding(passed: CoreSeconds, *, threads: int) -> str | None:
    """Say what a training of several threads is to do about a long wait; None where it was short."""
    if threads < 2 or passed.waiting_share < _MUCH:
        return None
    return (
        f"Something else uses this machine's cores: the {threads} threads of this training waited "
        f"{passed.waiting_share:.0%} of their time for one, so its times say little. Beside another program "
        "of several threads it can be a hundred times slower, since threads wait for each other too: stop "
        f"both then, and start each with OMP_NUM_THREADS={threads // 2}, or let `plumbline compare "
        "--workers 2` make the runs."
    )


class TellCrowding(Callback):
    """Say once that a training waits for cores, after the first ten seconds in which it waited for long."""

    def __init__(
        self,
        progress: Progress,
        *,
        window_seconds: float = _WINDOW_SECONDS,
        read: Callable[[], CoreSeconds | None] = core_seconds,
    ) -> None:
        self._progress, self._window, self._read = progress, window_seconds, read
        self._before: CoreSeconds | None = None
        self._since = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Begin to count."""
        self._before, self._since = self._read(), perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ANN401, ARG002
        """Look back when enough time has passed."""
        if self._before is None or perf_counter() - self._since < self._window:
            return
        now = self._read()
        words = None if now is None else crowding(now.since(self._before), threads=torch.get_num_threads())
        if words is not None:
            self._progress.say(words)
        self._before, self._since = (None if words is not None else now), perf_counter()
