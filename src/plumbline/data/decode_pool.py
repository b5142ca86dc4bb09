"""Decode many pictures in several processes, a bounded number of them at a time."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING

from plumbline.data.picture_worker import begin, decode_in_worker
from plumbline.data.row_file import row_bytes

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from concurrent.futures import Future

    from plumbline.data.picture_worker import Decoded, DecodeWork
    from plumbline.progress import Progress

# Rows on their way from a worker, and the most pictures that one task may have.
_TASK_BYTES, _TASK_PICTURES = 2_000_000, 250
# Tasks given out ahead, for each worker.
_AHEAD = 2


def decode_each(
    work: DecodeWork, *, places: Sequence[int], workers: int, progress: Progress
) -> Generator[tuple[Sequence[int], list[Decoded]], None, None]:
    """Decode the pictures at `places` in that order, some at a time, in `workers` processes (0: in this one).

    Where the workers end early (a system short of memory, or a script whose `__main__` cannot be imported
    twice), the rest is decoded in this process.
    """
    size = max(1, min(_TASK_PICTURES, _TASK_BYTES // row_bytes(work.side)))
    tasks = deque(places[start : start + size] for start in range(0, len(places), size))
    if workers and len(tasks) > 1:
        try:
            yield from _in_processes(work, tasks=tasks, workers=min(workers, len(tasks)))
        except BrokenProcessPool:
            progress.say("The processes that decode pictures ended early; going on in one process.")
    while tasks:
        task = tasks.popleft()
        yield task, work.decode(task)


def _in_processes(
    work: DecodeWork, *, tasks: deque[Sequence[int]], workers: int
) -> Generator[tuple[Sequence[int], list[Decoded]], None, None]:
    """Work `tasks` off from the left; a task leaves the queue when its result is there."""
    # Spawned, since forking beside the threads of torch and of the progress bar can lock up.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=begin, initargs=(work,))
    running: deque[Future[list[Decoded]]] = deque()
    try:
        while tasks:
            for task in list(tasks)[len(running) : workers * _AHEAD]:
                running.append(pool.submit(decode_in_worker, task))
            done = running[0].result()
            running.popleft()
            yield tasks.popleft(), done
    finally:
        pool.shutdown(cancel_futures=True)


def usable_processors() -> int:
    """Give the number of processors that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
