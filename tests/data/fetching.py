"""A download in a process of its own: forked from one that has everything imported, so it starts at once."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.data.connect import Connector
from plumbline.data.download import fetch_file
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess
    from multiprocessing.queues import SimpleQueue
    from pathlib import Path

DONE = "done"
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["plumbline.data.download"])


@dataclass(frozen=True)
class Wanted:
    """What to fetch, from which server, and the largest file that the process may write (0: any)."""

    url: str
    target: Path
    certificate: Path
    size: int
    sha256: str
    most: int = 0


@dataclass(frozen=True)
class Fetching:
    """A process that fetches."""

    process: ForkServerProcess
    told: SimpleQueue[str]

    def result(self) -> str:
        """Wait for the end, and give what was told: `DONE`, the text of our own error, or how it died."""
        self.process.join(60)
        code = self.process.exitcode
        self.process.kill()
        return self.told.get() if code == 0 else f"ended with {code}"


def start_fetching(wanted: Wanted) -> Fetching:
    told: SimpleQueue[str] = _CONTEXT.SimpleQueue()
    process = _CONTEXT.Process(target=_fetch, args=(wanted, told))
    process.start()
    return Fetching(process, told)


def _fetch(wanted: Wanted, told: SimpleQueue[str]) -> None:
    os.environ["no_proxy"] = "*"
    if wanted.most:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (wanted.most, wanted.most))
    context = ssl.create_default_context(cafile=str(wanted.certificate))
    connector = Connector(patience_seconds=5, context=context)
    try:
        fetch_file(
            wanted.url, target=wanted.target, size=wanted.size, sha256=wanted.sha256, connector=connector
        )
    except PlumblineError as error:
        told.put(str(error))
    else:
        told.put(DONE)
