"""Two real processes started by torchrun, on the CPU with gloo: killed, resumed, and exact."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cli.runner import Outcome, process_environment
from plumbline.records import RunFolder, read_record
from training.runs import figures_of, same_weights

if TYPE_CHECKING:
    from pathlib import Path

    from cli.runner import Plumbline

# Muon on a network with BatchNorm: what two processes have to agree on is all in it.
TINY_MUON = (
    *("speed94", "--data", "digits", "--device", "cpu", "--epochs", "3", "--set", "model.name=speednet_xs"),
    *("--set", "batch_size=256", "--set", "resolution.train=[16]", "--set", "resolution.test=16"),
    *("--set", "optimizer.bias_rate=1.0", "--set", "optimizer.filter_rate=0.1"),
)
# The rank that is killed, and before which step: in the second and in the third epoch of six. A checkpoint of
# the step before is on disk.
KILLS = (("0", "8"), ("1", "14"))
KILLED = """
import os, signal, sys
from plumbline.cli import main
from plumbline.training import callbacks

seed = callbacks.SeedEachStep.on_train_batch_start

def pull_the_plug(self, trainer, *rest):
    if [os.environ["RANK"], str(trainer.global_step)] == sys.argv[1:3]:
        os.kill(os.getpid(), signal.SIGKILL)
    seed(self, trainer, *rest)

callbacks.SAVE_EVERY_SECONDS = 0.0
callbacks.SeedEachStep.on_train_batch_start = pull_the_plug
main(sys.argv[3:])
"""


def torchrun(*words: str, cwd: Path) -> Outcome:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words]
    done = subprocess.run(
        command, cwd=cwd, env=process_environment(), capture_output=True, text=True, timeout=200, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run of two processes that nobody disturbs, and give its folder."""
    cwd = tmp_path_factory.mktemp("whole")
    done = torchrun("-m", "plumbline", "fit", *TINY_MUON, "--out", "run", "--devices", "2", cwd=cwd)
    assert done.code == 0, done.err
    assert done.out.count("after phase one, 6 views") == 1
    return cwd / "run"


@pytest.mark.slow
def test_a_killed_process_ends_the_job_and_loses_nothing(whole: Path, tmp_path: Path) -> None:
    """Whichever of two is killed, all end non-zero within a minute; resumed, the run has the same bits."""
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    fit = ("fit", *TINY_MUON, "--out", "run", "--devices", "2")
    for number, kill in enumerate(KILLS):
        began = time.monotonic()
        killed = torchrun(str(program), *kill, *fit, *["--resume"][:number], cwd=tmp_path)
        assert time.monotonic() - began < 60
        assert killed.code != 0
        assert "Signal 9 (SIGKILL)" in killed.err
        assert len(read_record(tmp_path / "run").epochs) == number + 1
    resumed = torchrun("-m", "plumbline", *fit, "--resume", cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    one, other = RunFolder(whole), RunFolder(tmp_path / "run")
    assert len(read_record(other.path).resumed) == len(KILLS)
    assert same_weights(one, other, "raw")
    assert figures_of(read_record(one.path)) == figures_of(read_record(other.path))
    assert one.metrics.read_bytes() == other.metrics.read_bytes()


@pytest.mark.slow
def test_two_processes_train_with_muon_and_count_each_image_once(whole: Path, plumbline: Plumbline) -> None:
    """The network learns; all 360 test images are counted, and one process finds the same scores."""
    record = read_record(whole)
    assert record.device.count == 2
    assert record.epochs[-1].train_accuracy > 0.8
    assert {score.count for score in record.scores} == {360}
    assert record.scores[0].accuracy > 0.2  # one in ten by chance
    tested = plumbline("test", str(whole), "--device", "cpu")
    assert tested.out.strip().endswith("the same.")


@pytest.mark.slow
def test_another_number_of_processes_is_refused(whole: Path, plumbline: Plumbline) -> None:
    """A finished run is shown, whoever asks; one that is to be gone on with needs as many as before."""
    told = plumbline("fit", "--out", str(whole), "--resume", "--devices", "3")
    assert told.code == 2
    assert "was made by 2 processes, and now there would be 3" in told.err
    assert plumbline("fit", "--out", str(whole), "--resume").code == 0
