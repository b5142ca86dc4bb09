"""What a person sees: bars on a terminal, plain lines elsewhere; results on stdout, all else on stderr."""

from __future__ import annotations

import atexit
import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from plumbline.errors import harmless
from plumbline.progress import Progress, Task, in_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichBars
    from rich.progress import TaskID

_LINE_EVERY_SECONDS = 30.0


def results_console(*, width: int) -> Console:
    """Give what prints results to stdout, `width` columns wide where that is no terminal.

    What is printed has names of a stranger's in it, so that brackets and colons are no markup.
    """
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else width)


def make_progress() -> Progress:
    """Give bars if stderr is a terminal, else lines."""
    return BarProgress() if sys.stderr.isatty() else LineProgress()


@contextmanager
def starting() -> Iterator[None]:
    """Import torch and Lightning inside of this: a terminal shows meanwhile that the program is alive.

    Modules stay to the end, so the collector of cycles would find nothing to free in them, and does not look
    before the end (where triton's bindings would else name, on stderr, all that was never freed: torch 2.15).
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        if sys.stderr.isatty():
            from rich.console import Console

            with Console(stderr=True).status("starting: loading torch"):
                yield
        else:
            yield
    finally:
        gc.freeze()
        atexit.register(gc.unfreeze)
        gc.enable()


class BarProgress:
    """Bars with the time left, and lines that stay above them."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console: Console = Console(stderr=True, highlight=False)
        self._bars: RichBars | None = None

    @contextmanager
    def task(self, title: str, *, total: int | None, unit: str, done: int = 0) -> Iterator[Task]:
        """Show a bar until the work inside is done; work inside of it gets a bar below."""
        outer = self._bars
        bars = outer or self._new_bars()
        if outer is None:
            bars.start()
            self._bars = bars
        task = bars.add_task(
            harmless(title),
            total=total,
            completed=done,
            note="",
            amount=_amount(done, total=total, unit=unit),
        )
        try:
            yield _Bar(bars, task, unit=unit)
        finally:
            bars.remove_task(task)
            if outer is None:
                bars.stop()
                self._bars = None

    def say(self, text: str) -> None:
        """Print lines above the bars; those set in are commands to copy, and are not broken at words."""
        for line in harmless(text).splitlines():
            self.console.print(line, markup=False, soft_wrap=line.startswith("  "))

    def _new_bars(self) -> RichBars:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichBars

        return RichBars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
        )


class _Bar:
    def __init__(self, bars: RichBars, task: TaskID, *, unit: str) -> None:
        self._bars, self._task, self._unit = bars, task, unit

    def advance(self, amount: int = 1) -> None:
        """Move the bar on."""
        self._bars.advance(self._task, amount)
        task = self._bars.tasks[self._bars.task_ids.index(self._task)]
        total = None if task.total is None else int(task.total)
        self._bars.update(self._task, amount=_amount(int(task.completed), total=total, unit=self._unit))

    def note(self, text: str) -> None:
        """Put text behind the bar."""
        self._bars.update(self._task, note=text)


class LineProgress:
    """One line now and then, for logs and pipes."""

    @contextmanager
    def task(self, title: str, *, total: int | None, unit: str, done: int = 0) -> Iterator[Task]:
        """Say every half minute how far the work inside is."""
        yield _Lines(self, title, total=total, unit=unit, done=done)

    def say(self, text: str) -> None:
        """Print a line."""
        print(harmless(text), file=sys.stderr, flush=True)  # noqa: T201


class _Lines:
    def __init__(
        self, progress: LineProgress, title: str, *, total: int | None, unit: str, done: int
    ) -> None:
        self._progress, self._title, self._total, self._unit = progress, title, total, unit
        self._start = self._done = done
        self._began = self._said = monotonic()
        self._note = ""

    def advance(self, amount: int = 1) -> None:
        """Say how far it is, if half a minute has passed."""
        self._done += amount
        if monotonic() - self._said < _LINE_EVERY_SECONDS:
            return
        self._said = monotonic()
        done = _amount(self._done, total=self._total, unit=self._unit)
        self._progress.say(f"{self._title}: {done}{self._left()} {self._note}".rstrip())

    def note(self, text: str) -> None:
        """Keep text for the next line."""
        self._note = text

    def _left(self) -> str:
        if not self._total or self._done <= self._start:
            return ""
        rate = (self._done - self._start) / (monotonic() - self._began)
        return f", {in_words((self._total - self._done) / rate)} left"


def log_warnings(log: Path) -> None:
    """Put the warnings of libraries into a file: they speak to developers."""

    def write(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG001
        line: str | None = None,  # noqa: ARG001
    ) -> None:
        with log.open("a", encoding="utf-8") as lines:
            lines.write(f"{category.__name__} ({filename}:{lineno}): {message}\n")

    warnings.showwarning = write


class LoggedProgress:
    """Pass everything on, and keep what is said in a file with the time of day."""

    def __init__(self, progress: Progress, *, file: Path) -> None:
        self._progress, self._file = progress, file
        self.task = progress.task

    def say(self, text: str) -> None:
        """Print a line and keep it."""
        self._progress.say(text)
        stamp = datetime.now().astimezone().isoformat(timespec="seconds")
        with self._file.open("a", encoding="utf-8") as file:
            file.write("".join(f"{stamp}  {line}\n" for line in harmless(text).splitlines()))


def _amount(done: int, *, total: int | None, unit: str) -> str:
    if unit == "bytes":
        return _amount(done // 2**20, total=total // 2**20 if total else None, unit="MiB")
    return f"{done:,}/{total:,} {unit}" if total else f"{done:,} {unit}"
