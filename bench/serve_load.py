"""How `plumbline serve` holds up: many clients at once for a minute, each asking as the page does.

    python -m bench.serve_load RUN [--clients 32] [--seconds 60] [--plain]

Starts a server of its own without a limit of rate, waits until it has read the training pictures, then has
each client send pictures one after the other, each its own. Exits with 1 where any answer was not 200.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import subprocess
import sys
import time
from statistics import median, quantiles

import httpx
import numpy as np
from PIL import Image


def main() -> int:
    """Measure, print, and give the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--plain", action="store_true", help="classes only: no heat map, no neighbours")
    asked = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "plumbline", "serve", asked.run, "--port", "0", "--rate", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None  # noqa: S101
        found = re.search(r"http://\S+/", server.stdout.readline())
        if found is None:
            return 1
        query = "" if asked.plain else "?heat_map=true&neighbours=6"
        return asyncio.run(_measure(found[0], query=query, clients=asked.clients, seconds=asked.seconds))
    finally:
        server.terminate()
        server.wait()


async def _measure(address: str, *, query: str, clients: int, seconds: float) -> int:
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=httpx.Limits()) as client:
        while (await client.get("api/model")).json()["training_pictures"]["state"] in {"opening", "reading"}:
            await asyncio.sleep(2)
        end = time.monotonic() + seconds
        each = await asyncio.gather(
            *(_ask(client, query=query, picture=_picture(seed), end=end) for seed in range(clients))
        )
    waits = sorted(wait for client_waits, _ in each for wait in client_waits)
    wrong = [status for _, statuses in each for status in statuses]
    percentiles = quantiles(waits, n=100)
    ms = [round(wait * 1000) for wait in (median(waits), percentiles[94], percentiles[98], waits[-1])]
    print(
        f"{clients} clients for {seconds:.0f} s: {len(waits):,} answers "
        f"({len(waits) / seconds:.0f} a second), {len(wrong)} errors; median {ms[0]} ms, "
        f"95th percentile {ms[1]} ms, 99th {ms[2]} ms, longest {ms[3]} ms"
    )
    return 1 if wrong else 0


async def _ask(
    client: httpx.AsyncClient, *, query: str, picture: bytes, end: float
) -> tuple[list[float], list[int]]:
    waits, wrong = [], []
    while time.monotonic() < end:
        began = time.monotonic()
        answer = await client.post(f"api/predict{query}", files={"files": ("picture.png", picture)})
        waits.append(time.monotonic() - began)
        if answer.status_code != 200 or answer.json()["results"][0]["error"] is not None:
            wrong.append(answer.status_code)
    return waits, wrong


def _picture(seed: int) -> bytes:
    """Give a photo-sized PNG that compresses as photos do: 320 x 240 smooth noise."""
    small = np.random.default_rng(seed).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC).save(buffer, format="PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
