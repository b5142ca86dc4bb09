"""A server as `plumbline serve` starts it, in a thread of the test."""

from __future__ import annotations

import io
import time
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING

import httpx
import numpy as np
import uvicorn
from PIL import Image

from plumbline.data import load_dataset
from plumbline.progress import SILENT
from plumbline.serve.app import create_app
from plumbline.serve.limits import Limits
from plumbline.serve.server import address_of, listen
from plumbline.serve.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plumbline.data import Dataset
    from plumbline.inference.trained import TrainedModel
    from plumbline.progress import Progress


def digits(progress: Progress = SILENT) -> Dataset:
    """Load the data of the tests' run."""
    return load_dataset("digits", progress=progress)


@contextmanager
def serving(
    trained: TrainedModel, *, limits: Limits, open_data: Callable[[Progress], Dataset] = digits
) -> Iterator[httpx.Client]:
    """Serve a run on a free port, and give a client of it."""
    # Nobody else may run a worker's model, and tests have several workers.
    own = replace(trained, model=deepcopy(trained.model))
    worker = Worker(own, open_data=open_data, waiting=limits.waiting)
    with listen("127.0.0.1", port=0) as listening:
        app = create_app(own, worker=worker, host="127.0.0.1", limits=limits)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with httpx.Client(base_url=address_of(listening, host="127.0.0.1"), timeout=120) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


def wait_for_index(client: httpx.Client) -> None:
    """Wait until the training pictures can be compared with."""
    for _ in range(1200):
        if client.get("/api/model").json()["training_pictures"]["state"] == "ready":
            return
        time.sleep(0.1)
    raise AssertionError("the training pictures were not read in two minutes")


def png(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """Give uint8 (H, W, 3) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def one_colour(width: int, height: int) -> bytes:
    """Give a large picture as a small PNG."""
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, format="PNG")
    return buffer.getvalue()
