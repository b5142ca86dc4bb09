"""The command line in this process, and one run that is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cli.runner import TINY, FinishedRun, Outcome, run_process
from plumbline.cli import main
from plumbline.records import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli.runner import Plumbline


@pytest.fixture
def plumbline(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Plumbline]:
    """Run a command in this process, in an empty folder, without data of its own, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the finished run did
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLUMBLINE_DATA", raising=False)
    monkeypatch.delenv("PLUMBLINE_RUN_FOLDER", raising=False)

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return Outcome(int(str(ended.value.code)), captured.out, captured.err)

    yield run
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Make one tiny run on digits, whole and undisturbed. Nobody may write into it."""
    cwd = tmp_path_factory.mktemp("finished")
    printed = run_process("fit", *TINY, "--data", "digits", "--out", "run", cwd=cwd)
    assert printed.code == 0, printed.err
    return FinishedRun(RunFolder(cwd / "run"), printed)
