"""Somebody else's program: run as it is, timed, and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plumbline.benchmarks.reference import Result, check_reference, read_results, time_reference
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from pathlib import Path

# The form of what airbench prints, with other numbers.
PRINTED = """
---------------------------------------------------------------------------------
|  run     |  epoch  |  train_acc  |  val_acc  |  tta_val_acc  |  time_seconds  |
---------------------------------------------------------------------------------
|  warmup  |      0  |     0.1000  |   0.1000  |               |        0.3000  |
|          |   eval  |     0.1000  |   0.1000  |       0.1000  |        3.9000  |
---------------------------------------------------------------------------------
|       0  |      0  |     0.5000  |   0.5500  |               |        0.3100  |
|          |   eval  |     0.9900  |   0.9300  |       0.9410  |        2.6100  |
---------------------------------------------------------------------------------
|       1  |      0  |     0.5100  |   0.5600  |               |        0.3200  |
|          |   eval  |     0.9910  |   0.9310  |       0.9390  |        2.5900  |
---------------------------------------------------------------------------------
Mean: 0.9400    Std: 0.0010
"""
PROGRAM = f'''
import os, pathlib, sys
pathlib.Path("seen.txt").write_text(os.getcwd())
for line in """{PRINTED}""".splitlines():
    print(line)
print("done", file=sys.stderr)
'''


def test_every_training_of_the_table_is_a_result_and_the_warm_up_is_none() -> None:
    """Accuracy and seconds stand in the row that ends a training; epochs' rows have no such accuracy."""
    assert read_results(PRINTED) == (Result(0.941, 2.61), Result(0.939, 2.59))


@pytest.mark.parametrize("text", ["", "loss | 0.3 | 1.0\n", "accuracy 94.1 %, 3.2 seconds\n"])
def test_what_is_no_such_table_has_no_results(text: str) -> None:
    """Nothing is guessed from other output."""
    assert read_results(text) == ()


def test_a_program_runs_in_its_own_folder_and_is_kept_word_for_word(tmp_path: Path) -> None:
    """It sees its own folder, and what it says on stdout and stderr is in the log."""
    program = tmp_path / "theirs" / "train.py"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    run = time_reference(program, log=tmp_path / "log.txt")
    assert (program.parent / "seen.txt").read_text() == str(program.parent)
    assert [result.accuracy for result in run.results] == [0.941, 0.939]
    assert not run.ended_early
    assert run.wall_seconds > 0
    said = (tmp_path / "log.txt").read_text()
    assert "Mean: 0.9400    Std: 0.0010" in said
    assert "done" in said


def test_a_program_is_ended_after_as_many_results_as_are_wanted(tmp_path: Path) -> None:
    """One that would go on for an hour is stopped at its first result."""
    program = tmp_path / "train.py"
    program.write_text(f"{PROGRAM.replace('Mean', 'mean')}\nimport time; time.sleep(3600)")
    run = time_reference(program, log=tmp_path / "log.txt", results=1)
    assert run.ended_early
    assert run.results[0] == Result(0.941, 2.61)
    assert run.wall_seconds < 60


def test_a_program_that_fails_is_told_with_its_log(tmp_path: Path) -> None:
    """The exit code and the place of its words stand in the error."""
    program = tmp_path / "train.py"
    program.write_text("raise SystemExit('no CUDA here')")
    with pytest.raises(PlumblineError, match=r"failed with exit code 1; what it said is in .*log\.txt"):
        time_reference(program, log=tmp_path / "log.txt")
    assert "no CUDA here" in (tmp_path / "log.txt").read_text()


def test_a_program_that_is_not_there_is_told_before(tmp_path: Path) -> None:
    """The path is named, and what is expected."""
    with pytest.raises(PlumblineError, match=r"nothing\.py: there is no such file"):
        check_reference(tmp_path / "nothing.py")
