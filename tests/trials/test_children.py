"""Programs that are waited for end when we do."""

from __future__ import annotations

import os
import signal
import sys
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from plumbline.errors import StopRequested
from plumbline.trials.children import stop_with_us, wait_for

if TYPE_CHECKING:
    from pathlib import Path

# It takes its time to end, as a training that saves does.
PROGRAM = """
import pathlib, signal, sys, time
here = pathlib.Path(sys.argv[1])
def end(*_):
    time.sleep(0.5)
    here.with_name("saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
here.touch()
time.sleep(60)
"""


def test_a_stop_is_passed_on_and_waited_for(tmp_path: Path) -> None:
    """SIGTERM to us ends the program, and we leave only when it has saved."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "started")]
    before = signal.getsignal(signal.SIGTERM)

    def stop() -> None:
        if (tmp_path / "started").exists():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            Timer(0.1, stop).start()

    Timer(1.0, stop).start()
    with stop_with_us(), pytest.raises(StopRequested):
        wait_for(command)
    assert (tmp_path / "saved").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_exit_code_is_the_programs_own() -> None:
    """Nothing is made of it."""
    assert wait_for([sys.executable, "-c", "raise SystemExit(7)"]) == 7
