"""Pull the plug on a training many times, and see whether each ends on the bits of one that was left alone.

A server imports everything once and forks a child for each start, so that a kill costs seconds; a child is
the command line itself, on real digits, saving after every step. Each run is killed with SIGKILL at a random
moment (from before its folder is made to its last score), some twice, and then resumed to its end.

Run: python tests/torture/kill.py FOLDER [--kills 200] [--seed 0]
Prints one JSON object: how many kills, how many lost runs, and which differences were found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from plumbline.cli import fitting, main
from plumbline.records import RunFolder, read_record
from plumbline.tensor_files import read_checkpoint
from plumbline.training import callbacks

SETTINGS = ("model.name=shufflenet_v2_x0_5", "batch_size=256", "resolution.train=[16]", "resolution.test=16")
WEIGHTS = ("fit", "raw", "averaged")


def start(out: Path) -> int:
    """Fork a child that begins or resumes the run in `out`, and give its process number."""
    child = os.fork()
    if child:
        return child
    log = os.open(out.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    callbacks.SAVE_EVERY_SECONDS = 0.0
    changes = [word for setting in SETTINGS for word in ("--set", setting)]
    command = ["fit", "resnet18-quick", "--data", "digits", "--epochs", "2", "--average-epochs", "1"]
    try:
        main([*command, *changes, "--device", "cpu", "--out", str(out), "--resume"])
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    os._exit(1)


def differences(whole: RunFolder, other: RunFolder) -> list[str]:
    """Name everything that differs between two finished runs: weights, figures, epochs, scores."""
    found = []
    for name in WEIGHTS:
        one, two = (read_checkpoint(folder.checkpoint(name))["state_dict"] for folder in (whole, other))
        if one.keys() != two.keys() or not all(torch.equal(one[key], two[key]) for key in one):
            found.append(f"{name} weights")
    first, second = (read_record(folder.path) for folder in (whole, other))
    for part in ("epochs", "scores"):
        rows = [
            [row.model_dump(exclude={"seconds"}) for row in getattr(record, part)]
            for record in (first, second)
        ]
        if rows[0] != rows[1]:
            found.append(part)
    if whole.metrics.read_bytes() != other.metrics.read_bytes():
        found.append("metrics.csv")
    return found


def kill_once(out: Path, *, after: float) -> bool:
    """Start the run, pull the plug after some seconds; False if it had ended by then."""
    child = start(out)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def torture(folder: Path, *, kills: int, seed: int) -> dict[str, object]:
    """Do all of it."""
    began = time.monotonic()
    _, status = os.waitpid(start(folder / "whole"), 0)
    if status:
        raise SystemExit((folder / "whole.log").read_text(encoding="utf-8"))
    length = time.monotonic() - began
    chance, done, runs = random.Random(seed), 0, 0  # noqa: S311
    lost: list[str] = []
    wrong: dict[str, list[str]] = {}
    while done < kills:
        runs += 1
        out = folder / f"killed-{runs}"
        for _ in range(chance.choice((1, 1, 2))):
            done += kill_once(out, after=chance.uniform(0, length))
        _, status = os.waitpid(start(out), 0)
        if status:
            lost.append(out.with_suffix(".log").read_text(encoding="utf-8")[-2000:])
        elif found := differences(RunFolder(folder / "whole"), RunFolder(out)):
            wrong[out.name] = found
    return {"kills": done, "runs": runs, "seconds_of_a_run": length, "lost": lost, "differences": wrong}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    assert fitting  # imported here, so that the children need not
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    json.dump(torture(given.folder, kills=given.kills, seed=given.seed), sys.stdout, indent=1)
