"""A second Ctrl-C ends the program at once, in the middle of a save if need be; the checkpoint is intact."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.runner import process_environment
from plumbline.records import RunFolder, read_record
from plumbline.tensor_files import read_checkpoint

SMALL = (
    *("resnet18-quick", "--epochs", "3", "--set", "averaging=none", "--set", "model.name=speednet_xs"),
    *("--set", "batch_size=512", "--set", "resolution.train=[12]", "--set", "resolution.test=12"),
)
HERE = ("--data", "digits", "--device", "cpu", "--out", "run")
# The first save goes through; the second hangs just before the new file takes its name, as on a slow disk.
SLOW_SAVE = """
import sys, time
from plumbline import durable
from plumbline.cli import main

saves = 0

def reached(point, path):
    global saves
    if (point, path.name) == ("before rename", "last.ckpt"):
        saves += 1
        if saves == 2:
            print("in the second save", flush=True)
            time.sleep(60)

durable.reached = reached
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    """Exit code 130 within seconds, a whole checkpoint to go on from, and no half file beside it."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SAVE, "fit", *SMALL, *HERE],
        cwd=tmp_path,
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "in the second save\n"
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)  # the first lets the save end
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "Stopped by Ctrl-C." in said
    folder = RunFolder(tmp_path / "run")
    (kept,) = folder.checkpoint("last").parent.iterdir()
    assert kept in folder.resumable
    assert read_checkpoint(kept)["global_step"] > 0
    assert read_record(folder.path).status == "interrupted"
