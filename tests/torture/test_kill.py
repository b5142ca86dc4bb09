"""A small sample of `make torture`: the plug is pulled a few times, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from plumbline.durable import FAIL_POINTS


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """SIGKILL at every fail point of a checkpoint and at random moments, then --resume: nothing differs."""
    script = Path(__file__).with_name("kill.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, "--sample", "--kills", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills_at_fail_points"] == len(FAIL_POINTS)
    assert found["kills_at_random_moments"] >= 2
    assert (found["lost"], found["differences"], found["broken"]) == ({}, {}, {})
