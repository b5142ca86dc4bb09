"""Programs that are waited for, and that end when we do."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from plumbline.errors import StopRequested


@contextmanager
def stop_with_us() -> Iterator[None]:
    """Inside, SIGTERM raises StopRequested, so that a program that we wait for can be told."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise StopRequested(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_for(
    command: Sequence[str],
    *,
    each_line: Callable[[str], bool] | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a program to its end and give its exit code; whatever interrupts us ends it first, and is raised.

    Its stderr is ours. So is the time it takes to end: a training saves where it is. `each_line` gets what it
    writes to stdout and stderr; where it gives True the program is ended. Else its stdout goes nowhere.
    """
    streams: dict[str, Any] = {"stdout": subprocess.DEVNULL}
    if each_line is not None:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    process = subprocess.Popen(command, cwd=cwd, env=environment, **streams)  # noqa: S603
    try:
        if each_line is not None and any(each_line(line) for line in process.stdout or ()):
            process.terminate()
        return process.wait()
    except BaseException:
        end([process])
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()


def end(processes: Iterable[subprocess.Popen[Any]]) -> None:
    """Ask all of them to end, and give each the time that it takes to save."""
    told = list(processes)
    for process in told:
        process.terminate()
    for process in told:
        process.wait()
