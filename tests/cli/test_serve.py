"""`plumbline serve` as it is typed: where it listens, how it ends, and what is refused."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from cli.runner import process_environment
from plumbline.cli import serving

if TYPE_CHECKING:
    from cli.runner import FinishedRun, Plumbline


def test_it_serves_until_ctrl_c(finished: FinishedRun) -> None:
    """It prints the address that a browser opens, answers there, and ends with 130."""
    process = subprocess.Popen(
        [sys.executable, "-m", "plumbline", "serve", "run", "--port", "0"],
        cwd=finished.folder.path.parent,
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert found is not None
        model = httpx.get(f"{found[0]}api/model", timeout=60).json()
        assert model["dataset"] == "digits"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "Stopped by Ctrl-C." in said


def test_a_port_that_is_taken(plumbline: Plumbline, finished: FinishedRun) -> None:
    """Somebody else's port is told at once, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = plumbline("serve", str(finished.folder.path), "--port", port)
    assert ended.code == 2
    assert f"--port {port}: another program listens there already" in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "no.such.host.invalid"), "--host no.such.host.invalid: expected a name or address"),
        (("--weights", "best"), "--weights best: expected raw or averaged"),
    ],
)
def test_what_cannot_be_served(
    plumbline: Plumbline, finished: FinishedRun, arguments: tuple[str, ...], words: str
) -> None:
    """A wrong host or wrong weights are named with their flag."""
    ended = plumbline("serve", str(finished.folder.path), "--port", "0", *arguments)
    assert ended.code == 2
    assert words in ended.err


def test_what_is_no_run(plumbline: Plumbline) -> None:
    """A folder without a record is no run."""
    ended = plumbline("serve", ".")
    assert ended.code == 2
    assert "is not a run folder" in ended.err


def test_without_its_packages(
    plumbline: Plumbline, finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where FastAPI is not installed, the sentence has the command that installs it."""
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "fastapi" else object())
    ended = plumbline("serve", str(finished.folder.path))
    assert ended.code == 2
    assert "needs fastapi" in ended.err
    assert "pip install 'plumbline[serve]'" in ended.err
