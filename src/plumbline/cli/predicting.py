"""What `plumbline predict` does. Imports torch: only the command itself imports it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Literal

import typer

from plumbline.cli.answer_formats import WRITERS, Heading
from plumbline.cli.console import LineProgress, make_progress
from plumbline.errors import PlumblineError
from plumbline.inference import load_trained
from plumbline.inference.answers import Answer, answer_all
from plumbline.inference.sources import find_sources, read_list
from plumbline.progress import Progress
from plumbline.training.device import choose_compute

_BROKEN_PIPE = 141  # as a shell tells of SIGPIPE


@dataclass(frozen=True)
class Wanted:
    """What was asked: the pictures as they were typed, and how the answers should look."""

    words: tuple[str, ...]
    top: int = 1
    form: Literal["table", "json", "csv"] = "table"
    reject: float | None = None
    batch_size: int = 128


def run_predict(run: Path, *, wanted: Wanted, weights: str | None, device: str) -> None:
    """Print what a run's weights say of pictures; those that cannot be used are told on standard error.

    Raises PlumblineError where there is nothing to do, and at the end where a picture could not be used.
    """
    # Answers on a terminal are the better bar.
    progress = LineProgress() if sys.stdout.isatty() else make_progress()
    trained = load_trained(run, weights=weights, device=choose_compute(device, precision="fp32").device)
    progress.say(f"{trained.name}, {trained.weights} weights, {trained.calibration}")
    paths, total = _sources(wanted.words)
    heading = Heading(
        model=trained.name,
        weights=trained.weights,
        digest=trained.record.digest,
        is_calibrated=trained.is_calibrated,
        temperature=trained.temperature,
        classes=trained.classes,
        top=min(wanted.top, len(trained.classes)),
        reject=wanted.reject,
    )
    answers = answer_all(trained, paths=paths, top=wanted.top, batch_size=wanted.batch_size)
    try:
        count, bad = _print(answers, heading=heading, form=wanted.form, total=total, progress=progress)
    except BrokenPipeError:  # who reads has seen enough, as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_BROKEN_PIPE) from None
    finally:
        answers.close()
    if not count:
        raise PlumblineError("There is nothing to do: no picture was named. Give files, folders or patterns.")
    if bad:
        raise PlumblineError(f"{bad:,} of {count:,} could not be used; the reasons are above.")


def _sources(words: tuple[str, ...]) -> tuple[Iterator[Path], int | None]:
    """Give the pictures, and how many; a list on standard input is followed as it comes, uncounted."""
    if "-" in words:
        listed = (name for word in words for name in (read_list(sys.stdin.buffer) if word == "-" else [word]))
        return find_sources(listed), None
    found = list(find_sources(words))
    return iter(found), len(found)


def _print(
    answers: Iterator[Answer], *, heading: Heading, form: str, total: int | None, progress: Progress
) -> tuple[int, int]:
    """Print the answers as they come; give how many pictures there were, and how many could not be used."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A file's name may be no text: its bytes go through, and in JSON they are written as escapes.
        sys.stdout.reconfigure(errors="backslashreplace" if form == "json" else "surrogateescape")
    writer = WRITERS[form](heading)
    count = bad = 0
    sys.stdout.write(writer.begin())
    with progress.task("predict", total=total, unit="images") as task:
        for answer in answers:
            count += 1
            task.advance()
            if answer.fault is not None:
                bad += 1
                progress.say(answer.fault.encode(errors="backslashreplace").decode())
            sys.stdout.write(writer.one(answer))
    sys.stdout.write(writer.end())
    sys.stdout.flush()
    return count, bad
