"""What `plumbline serve` does. Imports torch: only the command itself imports it."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import torch
import typer

from plumbline.cli.console import make_progress
from plumbline.cli.datasets import load_of_run
from plumbline.data import DATASETS, Dataset, load_dataset
from plumbline.errors import PlumblineError, StopRequested
from plumbline.inference.trained import load_trained
from plumbline.progress import Progress
from plumbline.records import Record, where_it_was
from plumbline.serve.limits import Limits
from plumbline.serve.server import address_of, is_loopback, listen, serve
from plumbline.serve.worker import IndexStatus, Worker

_THREADS = 4


def run_server(
    run: Path, *, weights: str | None, host: str, port: int, data: str | None, rate: float
) -> None:
    """Load a run, listen, say where, and serve until Ctrl-C."""
    missing = [name for name in ("fastapi", "uvicorn", "python_multipart") if find_spec(name) is None]
    if missing:
        raise PlumblineError(
            f"plumbline serve needs {', '.join(missing)}, which this Python has not: "
            "pip install 'plumbline[serve]'."
        )
    from plumbline.serve.app import create_app

    progress = make_progress()
    # Sooner told that the port is taken than after the model was loaded.
    with listen(host, port=port) as listening:
        trained = load_trained(run, weights=weights)
        torch.set_num_threads(min(torch.get_num_threads(), _THREADS))
        limits = Limits(rate=rate)

        def tell(status: IndexStatus) -> None:
            if status.state == "unavailable":
                progress.say(f"Nearest training pictures are not shown. {status.reason}")
            else:
                progress.say(f"Ready to compare with {status.total:,} training pictures.")

        worker = Worker(
            trained,
            open_data=lambda watcher: _training_data(trained.record, data=data, progress=watcher),
            waiting=limits.waiting,
            on_status=tell,
        )
        if not is_loopback(host):
            progress.say(
                f"Whoever can reach --host {host} over the network can use this page, and what they send "
                "is not encrypted."
            )
        typer.echo(f"{trained.record.title} ({trained.weights} weights): {address_of(listening, host=host)}")
        progress.say("Ctrl-C ends it.")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        serve(create_app(trained, worker=worker, host=host, limits=limits), listening=listening)


def _training_data(record: Record, *, data: str | None, progress: Progress) -> Dataset:
    """Load the data of a run from where they are; nothing is downloaded for a picture to compare with."""
    where = data or where_it_was(record.dataset)
    if where in DATASETS:
        return load_dataset(where, download=False, progress=progress)
    return load_of_run(record, data=data, progress=progress)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    typer.echo(f"Stopped by {'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'}.", err=True)
    raise StopRequested(number)
