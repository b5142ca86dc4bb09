"""One `plumbline fit` after another, or several at once, each in a process of its own.

A finished run is not made again, and one that was stopped goes on. While a run is made its process holds a
lock: the same command, given again while an orphan still trains, waits for it and does not write beside it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from plumbline.errors import PlumblineError
from plumbline.progress import SILENT, Progress
from plumbline.records import Record, read_record
from plumbline.trials.children import end

_LOOK_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class Fit:
    """One run to make: `recipe`, `data`, `device` and further `flags` are what `plumbline fit` takes.

    `changes` are those of --set, each path=value.
    """

    recipe: str
    seed: int
    folder: Path
    data: str
    device: str = "auto"
    flags: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """Give what starts it, or goes on with it."""
        flags = {"--data": self.data, "--device": self.device, "--seed": str(self.seed)}
        words = [word for pair in flags.items() for word in pair]
        again = ["--resume"] * self.folder.exists()
        # A run goes on with the recipe in its record: on one's own pictures that is not the one asked for,
        # since it followed from them, and would be refused as another.
        recorded = (self.folder / "record.json").exists()
        recipe = [] if recorded else [self.recipe, *(f"--set={change}" for change in self.changes)]
        program = [sys.executable, "-m", "plumbline"]
        return [*program, "fit", *recipe, *words, *self.flags, "--out", str(self.folder), *again]

    @property
    def said(self) -> Path:
        """Where it goes what a run says that is made beside others."""
        return self.folder.with_name(f"{self.folder.name}.txt")


@dataclass(frozen=True)
class _Started:
    fit: Fit
    process: subprocess.Popen[bytes]


def finished_record(folder: Path) -> Record | None:
    """Give the record of a finished run, or None where there is none yet.

    Raises PlumblineError if the record is damaged.
    """
    try:
        record = read_record(folder) if (folder / "record.json").is_file() else None
    except PlumblineError as error:
        raise PlumblineError(
            f"{error} Finished runs are kept; move {folder} away, and the same command makes its run anew."
        ) from error
    return record if record is not None and record.status == "finished" else None


def make_fit(
    fit: Fit,
    *,
    quiet: bool = False,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] | None = None,
) -> Record:
    """Make one run, or give its record if it is finished; `watch` is called while it is made.

    Raises PlumblineError if it fails; whatever interrupts us, or `watch` raises, lets it save first, and is
    raised.
    """
    ((_, record),) = make_fits([fit], quiet=quiet, environment=environment, watch=watch)
    return record


def make_fits(
    fits: Sequence[Fit],
    *,
    workers: int = 1,
    quiet: bool = False,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] | None = None,
    progress: Progress = SILENT,
) -> Iterator[tuple[Fit, Record]]:
    """Make the runs, `workers` at once, and give each with its record as it ends.

    One alone speaks on our stderr, unless `quiet`; several speak into a file beside their folder. Raises
    PlumblineError at the first that fails; the others save where they are.
    """
    waiting, started = deque(fits), list[_Started]()
    quiet = quiet or workers > 1
    told: set[Path] = set()
    variables = {**os.environ, **(environment or {})}
    try:
        while waiting or started:
            for _ in range(len(waiting) if len(started) < workers else 0):
                fit = waiting.popleft()
                known = finished_record(fit.folder)
                if known is not None:
                    yield fit, known
                    continue
                one = _start(fit, quiet=quiet, environment=variables)
                if one is not None:
                    started.append(one)
                else:
                    waiting.append(fit)
                    _tell_once(fit, told=told, progress=progress)
                if len(started) >= workers:
                    break
            ended = [one for one in started if one.process.poll() is not None]
            for one in ended:
                started.remove(one)
                yield one.fit, _record_of(one, quiet=quiet)
            if watch is not None:
                watch()
            if not ended:
                sleep(_LOOK_EVERY_SECONDS)
    finally:
        end(one.process for one in started)


def threads_each(workers: int) -> dict[str, str]:
    """Give the variables that divide this machine's cores among so many runs; none for one alone."""
    if workers == 1:
        return {}
    given = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(1, (int(given) if given.isdecimal() else cores) // workers)
    return {"OMP_NUM_THREADS": str(threads)}


def _start(fit: Fit, *, quiet: bool, environment: Mapping[str, str]) -> _Started | None:
    """Start a run, or give None if another process is making it."""
    fit.folder.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(fit.folder.with_name(f".{fit.folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    with ExitStack() as undo:
        undo.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        said = undo.enter_context(fit.said.open("ab")) if quiet else None
        # The lock goes to the child: it is held as long as it trains, whatever becomes of us.
        process = subprocess.Popen(  # noqa: S603
            fit.command, stdout=subprocess.DEVNULL, stderr=said, env=environment, pass_fds=(lock,)
        )
        return _Started(fit, process)


def _record_of(one: _Started, *, quiet: bool) -> Record:
    record, code = finished_record(one.fit.folder), one.process.returncode
    if code or record is None:
        raise PlumblineError(
            f"The fit of seed {one.fit.seed} ended with exit code {code}; "
            f"{_last_words(one.fit, quiet=quiet)} Mend it, and give the same command again: finished runs "
            "are kept."
        )
    return record


def _last_words(fit: Fit, *, quiet: bool) -> str:
    if not quiet:
        return "what it said stands above."
    lines = fit.said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"it said: {lines[-1]} (all of it: {fit.said})." if lines else "it said nothing."


def _tell_once(fit: Fit, *, told: set[Path], progress: Progress) -> None:
    if fit.folder not in told:
        told.add(fit.folder)
        progress.say(f"{fit.folder} is being trained by another process; waiting for it.")
