"""Files that were made to do harm: each is refused, nothing of theirs is run, and memory stays small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="Linux tells a process's peak"
)


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    """Checkpoints, predictions, archives, parquet files: refused, within 1 GB, and no code was run."""
    script, marker = Path(__file__).with_name("hostile.py"), tmp_path / "owned"
    done = subprocess.run([sys.executable, script, marker], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name for name, one in found.items() if one["said"] == "read"} == set()
    assert {name: one["megabytes"] for name, one in found.items() if one["megabytes"] > 1000} == {}
    assert list(tmp_path.iterdir()) == []
