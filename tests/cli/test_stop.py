"""Ctrl-C and SIGTERM: nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli.runner import TINY, process_environment, run_process
from plumbline.records import read_record

if TYPE_CHECKING:
    from pathlib import Path

    from cli.runner import FinishedRun, Plumbline


def stop_after_an_epoch(*arguments: str, cwd: Path, number: signal.Signals) -> tuple[int, str]:
    """Start a run, send a signal once its first epoch is over, and give exit code and what it said then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "plumbline", "fit", *arguments, "--data", "digits", "--out", "run"],
        cwd=cwd,
        env=process_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("fit 1/"):
            process.send_signal(number)
            break
    try:
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, rest


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "Stopped by Ctrl-C."),
        (signal.SIGTERM, 143, "Stopped by SIGTERM."),
    ],
)
def test_a_stopped_run_ends_as_if_it_had_not_been(
    plumbline: Plumbline,
    finished: FinishedRun,
    tmp_path: Path,
    number: signal.Signals,
    code: int,
    words: str,
) -> None:
    """It exits with 130 or 143, says how to go on, and resumed it gives the scores of a run left alone."""
    returned, said = stop_after_an_epoch(*TINY, cwd=tmp_path, number=number)
    assert returned == code, said
    assert words in said
    assert "plumbline fit --out run --resume --data digits" in said
    assert "Traceback" not in said
    assert read_record(tmp_path / "run").status == "interrupted"
    done = plumbline("fit", "--out", "run", "--resume", "--device", "cpu")
    assert done.code == 0, done.err
    resumed, whole = read_record(tmp_path / "run"), read_record(finished.folder.path)
    assert len(resumed.resumed) == 1
    took = {"seconds": None, "clean_correct": None, "clean_count": None}  # other tests may search duplicates
    assert [s.model_copy(update=took) for s in resumed.scores] == [
        s.model_copy(update=took) for s in whole.scores
    ]


@pytest.mark.slow
def test_two_processes_make_one_run(plumbline: Plumbline, tmp_path: Path) -> None:
    """--devices 2 on a CPU: one folder, one record; stopped, resumed and finished; its scores are exact."""
    typed = (*TINY, "--devices", "2")
    returned, said = stop_after_an_epoch(*typed, cwd=tmp_path, number=signal.SIGTERM)
    assert returned == 143, said
    assert said.count("Stopped by SIGTERM.") == 1
    done = run_process(
        *("fit", "--out", "run", "--resume", "--device", "cpu", "--devices", "2"), cwd=tmp_path
    )
    assert done.code == 0, done.err
    assert done.out.count("after phase two, averaged") == 1
    record = read_record(tmp_path / "run")
    assert (record.status, record.device.count, len(record.resumed)) == ("finished", 2, 1)
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 3  # phase one, its rest, phase two
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert len({row.rsplit(",", 1)[0] for row in rows}) == len(rows)
    for weights in ("raw", "averaged"):
        tested = plumbline("test", "run", "--weights", weights, "--device", "cpu")
        assert tested.out.strip().endswith("the same.")
