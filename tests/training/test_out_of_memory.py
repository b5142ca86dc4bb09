"""Memory that runs out during training is told with what would fit; here it really runs out."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from plumbline.data.free_memory import _left_in_limits
from plumbline.training.device import choose_compute
from plumbline.training.memory import free_memory, is_out_of_memory, out_of_memory

RUN = """
import resource, sys
from pathlib import Path
from plumbline.data import load_dataset
from plumbline.progress import SILENT
from plumbline.recipes import NAMED, apply_settings
from plumbline.records import create_run_folder
from plumbline.training.device import choose_compute
from plumbline.training.request import Request
from plumbline.training.run import Run

class Limits:
    say = staticmethod(print)
    def task(self, title, **rest):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 60_000_000
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return SILENT.task(title, **rest)

settings = {"model.name": "speednet_xs", "batch_size": 1200, "epochs": 1, "averaging": None}
settings |= {"resolution.train": [32]}
request = Request(
    recipe=apply_settings(NAMED["resnet18-quick"](), settings), dataset=load_dataset("digits"), seed=7,
    compute=choose_compute("cpu", precision="fp32"), command="plumbline fit",
)
try:
    Run.start(request, folder=create_run_folder(Path(sys.argv[1])), progress=Limits()).execute()
except Exception as error:
    print(type(error).__name__, str(error))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="the limit is set from Linux's figures")
def test_memory_that_runs_out_is_told_with_a_batch_that_fits(tmp_path: Path) -> None:
    """Under a limit of the address space: one error of ours, with a smaller batch and the precision."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, tmp_path / "run"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "PlumblineError Memory ran out while training with batches of 1,200 images at fp32." in done.stdout
    size = int(done.stdout.split("--set batch_size=")[1].split()[0])
    assert 2 <= size <= 600
    assert f"batch_size={size} at --precision fp32" in done.stdout
    assert '"status": "failed"' in (tmp_path / "run" / "record.json").read_text()


def test_what_says_that_memory_ran_out() -> None:
    """What torch raises for a CPU and for CUDA, and Python's own; not any other RuntimeError."""
    with pytest.raises(RuntimeError) as real:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(real.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_what_would_fit_follows_from_what_was_free() -> None:
    """Little memory: the batch that fits; much: half of the one that did not, as the estimate was wrong."""
    compute = choose_compute("cpu", precision="fp32")
    model = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 64, 2))

    def size(free: int | None) -> int:
        told = out_of_memory(model, image_size=8, batch_size=1000, compute=compute, free=free)
        return int(str(told).split("--set batch_size=")[1].split()[0])

    assert 2 <= size(3_000_000) < size(8_000_000) < 500
    assert size(10**12) == size(None) == 500


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="what is used is a figure of Linux")
def test_a_limit_of_the_address_space_counts() -> None:
    """`ulimit -v` leaves less than the machine has, and that is what is free."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 36, before[1]))
    try:
        left = free_memory(choose_compute("cpu"))
        known = _left_in_limits()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert left is not None
    assert known
    assert left <= known[0] < 1 << 36
