"""What a person sees while waiting."""

from __future__ import annotations

import contextlib
import gc
import io
import sys

import pytest
from rich.console import Console

from plumbline.cli import console
from plumbline.cli.console import BarProgress, LineProgress, starting
from plumbline.progress import in_words


@pytest.fixture
def terminal() -> tuple[BarProgress, io.StringIO]:
    """Give bars on a terminal of 80 columns, and what was written to it."""
    screen = io.StringIO()
    bars = BarProgress()
    bars.console = Console(file=screen, force_terminal=True, width=80, highlight=False)
    return bars, screen


def test_a_bar_fits_the_terminal_and_is_gone_afterwards(terminal: tuple[BarProgress, io.StringIO]) -> None:
    """Title, amount, time left and note are on one line of 80 columns, which is erased at the end."""
    bars, screen = terminal
    with bars.task("average", total=35_200, unit="steps", done=12_000) as task:
        task.note("loss 1.234")
        task.advance(345)
        assert bars._bars is not None
        bars._bars.refresh()
    text = screen.getvalue()
    assert "12,345/35,200 steps" in text
    assert "left" in text
    assert "loss 1.234" in text
    assert text.endswith("\x1b[2K\x1b[?25h\r")


def test_prose_is_broken_at_words_and_commands_are_not(terminal: tuple[BarProgress, io.StringIO]) -> None:
    """A long sentence wraps between words; a line that is set in stays whole, so that it can be copied."""
    bars, screen = terminal
    bars.say("word " * 30 + "\n  plumbline fit --out " + "x" * 80)
    lines = screen.getvalue().splitlines()
    assert all(set(line.split()) == {"word"} for line in lines[:-1])
    assert lines[-1] == "  plumbline fit --out " + "x" * 80


def test_inner_work_gets_a_bar_of_its_own(terminal: tuple[BarProgress, io.StringIO]) -> None:
    """A task inside a task is shown below it."""
    bars, screen = terminal
    with bars.task("outer", total=2, unit="steps"), bars.task("inner", total=None, unit="bytes") as task:
        task.advance(3 * 2**20)
        assert bars._bars is not None
        bars._bars.refresh()
    assert "3 MiB" in screen.getvalue()


def test_lines_tell_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal a long task says now and then how far it is; work done earlier is not its speed."""
    clock = iter([0.0, 10.0, 10.0, 10.0, 11.0])
    monkeypatch.setattr(console, "monotonic", lambda: next(clock))
    monkeypatch.setattr(console, "_LINE_EVERY_SECONDS", 5.0)
    with LineProgress().task("fit", total=100, unit="steps", done=50) as task:
        task.note("loss 2.000")
        task.advance(10)
        task.advance(1)
    assert capsys.readouterr().err == "fit: 60/100 steps, 40 s left loss 2.000\n"


def test_durations_are_rounded_before_they_are_split() -> None:
    """There is no minute of 60 seconds."""
    assert [in_words(seconds) for seconds in (59.4, 59.6, 3599.6)] == ["59 s", "1 min 0 s", "1 h 0 min"]


def test_cycles_are_looked_for_again_once_torch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an import failed: a training without it would keep what it cannot reach."""
    monkeypatch.delitem(sys.modules, "torch")
    with contextlib.suppress(ImportError), starting():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
