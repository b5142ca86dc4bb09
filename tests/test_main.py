"""The program as a process: how it ends."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from cli.runner import process_environment

if TYPE_CHECKING:
    from pathlib import Path

# What a library does that has to know of the end, and what of a process that is not yet done by then.
PROGRAM = """
import atexit, sys, threading, time
from plumbline import __main__

def main():
    import torch
    atexit.register(print, "a library was told")
    threading.Thread(target=lambda: (time.sleep(0.5), print("a thread was waited for"))).start()
    threading.Thread(target=time.sleep, args=[600], daemon=True).start()
    print("an answer", end="")
    sys.exit(int(sys.argv[1]))

class Finalized:
    def __del__(self):
        print("taken apart")

kept = Finalized()
__main__.main = main
__main__.program()
"""


def run_script(text: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text, *words],
        cwd=cwd,
        env=process_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_all_is_written_and_nothing_is_taken_apart(tmp_path: Path) -> None:
    """Threads are waited for, libraries told and streams written; then it ends, with its code."""
    for code in (0, 143):
        ended = run_script(PROGRAM, str(code), cwd=tmp_path)
        assert (ended.returncode, ended.stderr) == (code, "")
        assert ended.stdout == "an answera thread was waited for\na library was told\n"


def test_an_end_by_python_itself_is_as_quiet(tmp_path: Path) -> None:
    """What the start kept from the collector of cycles is given back, so that no library speaks of leaks."""
    started = (
        "from plumbline.cli.console import starting\nwith starting():\n    from plumbline.cli import fitting"
    )
    ended = run_script(started, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
