"""A small sample of `make torture`: the plug is pulled a few times, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """SIGKILL at random moments, then --resume: no run is lost, no bit, figure or score differs."""
    script = Path(__file__).with_name("kill.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, "--kills", "4"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 4
    assert found["lost"] == []
    assert found["differences"] == {}
