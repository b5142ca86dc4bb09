"""How the command line is tried: as a process of its own, or in this one where starting is not the point."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from plumbline.records import RunFolder

TINY = (
    *("resnet18-quick", "--epochs", "2", "--average-epochs", "1", "--device", "cpu"),
    *("--set", "model.name=speednet_xs", "--set", "batch_size=128"),
)


@dataclass(frozen=True)
class Outcome:
    """What a command gave back."""

    code: int
    out: str
    err: str


def process_environment(**changes: str) -> dict[str, str]:
    """Give the environment of a process that finds no data and no network, on any machine."""
    kept = {name: value for name, value in os.environ.items() if name != "PLUMBLINE_DATA"}
    nobody = "http://127.0.0.1:9"
    return kept | {"OMP_NUM_THREADS": "1", "HTTPS_PROXY": nobody, "https_proxy": nobody} | changes


def run_process(*arguments: str, cwd: Path, **environment: str) -> Outcome:
    """Run `python -m plumbline` to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "plumbline", *arguments],
        cwd=cwd,
        env=process_environment(**environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


Plumbline = Callable[..., Outcome]


@dataclass(frozen=True)
class FinishedRun:
    """A run that was made by a process of its own, and what that printed."""

    folder: RunFolder
    printed: Outcome
