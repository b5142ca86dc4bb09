"""Pictures from disk, decoded ahead by threads, in order, a bounded number of them at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plumbline.data.decode import SILENCE, SUFFIXES, decode_picture
from plumbline.data.decode_pool import usable_processors
from plumbline.errors import PlumblineError

# Small pictures in one task, so that handing it over is no part of the cost.
_TASK_PICTURES = 16
_TASKS_AHEAD = 4


@dataclass(frozen=True)
class Decoded:
    """One picture as uint8 (S, S, 3), or the reason why there is none."""

    path: Path
    pixels: NDArray[np.uint8] | None
    fault: str | None


def decode_in_order(paths: Iterable[Path], *, size: int, workers: int | None = None) -> Generator[Decoded]:
    """Decode pictures by threads: Pillow lets go of the interpreter while it decodes.

    At most a few tasks a thread are decoded ahead, and `paths` is read no further than that. A picture that
    cannot be used gives its fault; leaving the loop early stops the threads after the picture in hand.

    Args:
        paths: of the pictures; a list, or what is only found on the way.
        size: side of what is given, in pixels.
        workers: threads; None: as many as there are processors to run on.

    """
    count = usable_processors() if workers is None else workers
    queue, stop = iter(paths), threading.Event()
    running: deque[Future[list[Decoded]]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="decode")
    try:
        while True:
            while len(running) < count * _TASKS_AHEAD and (task := list(islice(queue, _TASK_PICTURES))):
                running.append(pool.submit(_decode_all, task, size=size, stop=stop))
            if not running:
                return
            yield from running.popleft().result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _decode_all(paths: list[Path], *, size: int, stop: threading.Event) -> list[Decoded]:
    with SILENCE:
        return [_decode(path, size=size) for path in paths if not stop.is_set()]


def _decode(path: Path, *, size: int) -> Decoded:
    try:
        return Decoded(path, decode_picture(path, size=size), None)
    except PlumblineError as error:
        if path.is_dir():
            return Decoded(path, None, f"{path}: the folder holds no picture ({', '.join(sorted(SUFFIXES))})")
        return Decoded(path, None, str(error))
    except MemoryError:
        return Decoded(path, None, f"{path}: there is not enough memory to decode the picture")
