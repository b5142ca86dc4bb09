"""Odd names of files and folders, from the command line: only names, or refused in one clear line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.runner import FinishedRun, Plumbline

# What a test run on a few images needs of a run folder.
NEEDED = ("record.json", "recipe.json", "checkpoints", "predictions", "metrics.csv")
ODD = (
    "a b",
    " leading and trailing ",
    "日本語",
    "a::b",
    "100%d",
    "#1",
    "what?",
    "-x",
    "--out",
    "🙂👩\u200d🔬",
    "dot.",
    "two\nlines",
    "'\"$HOME`;&|",
    "n" * 250,
)


def moved(finished: FinishedRun, folder: Path) -> Path:
    """Give a copy of the finished run under another name, as if it had been moved there."""
    folder.mkdir(parents=True)
    for name in NEEDED:
        source = finished.folder.path / name
        if source.is_dir():
            shutil.copytree(source, folder / name, copy_function=os.link)
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_a_run_may_be_moved_under_any_name(plumbline: Plumbline, finished: FinishedRun, name: str) -> None:
    """`report`, and `fit --resume` of a finished run, work on a moved run whatever its folder is called."""
    moved(finished, Path(name))
    reported = plumbline("report", f"./{name}")
    assert reported.code == 0, reported.err
    assert (Path(name) / "report.html").is_file()
    again = plumbline("fit", f"--out={name}", "--resume")
    assert again.code == 0, again.err
    assert "nothing to resume" in again.err


@pytest.mark.slow
def test_a_moved_run_is_tested(plumbline: Plumbline, finished: FinishedRun) -> None:
    """`test` scores a moved run, through a symbolic link too, exactly as the record says."""
    moved(finished, Path("a::b #1") / "日本語 100%")
    Path("link").symlink_to(Path("a::b #1") / "日本語 100%")
    done = plumbline("test", "link", "--device", "cpu")
    assert done.code == 0, done.err
    assert "the same" in done.out


@pytest.mark.slow
def test_training_into_an_odd_folder(plumbline: Plumbline) -> None:
    """`fit` writes into a folder with an odd name, and resumes from its checkpoints there."""
    name = "-- 日本語 a::b 100%d #1?"
    tiny = ("--data", "digits", "--device", "cpu", "--epochs", "1", "--set", "averaging=none")
    done = plumbline("fit", "resnet18-quick", *tiny, "--set", "model.name=speednet_xs", f"--out={name}")
    assert done.code == 0, done.err
    assert {path.name for path in Path(name).iterdir()} >= {"record.json", "checkpoints", "report.html"}
    assert [path.name for path in Path.cwd().iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n" * 300, "File name too long"),
        ("\x1b[31mred", r"'\x1b[31mred' has a control character"),
        ("a\rb", r"'a\rb' has a control character"),
        ("\udcff", r"'\udcff' has a control character, or is not UTF-8"),
    ],
    ids=["long", "escape", "return", "bytes"],
)
def test_a_name_that_cannot_be_used_is_told(plumbline: Plumbline, name: str, words: str) -> None:
    """Too long a name, and one that would speak to the terminal, are refused, and nothing is printed raw."""
    for typed in (
        ("fit", "--data", "digits", "--device", "cpu", "--out", name),
        ("report", name),
        ("test", name),
        ("fit", name),
        ("fit", "--data", name),
    ):
        done = plumbline(*typed)
        assert done.code == 2, (typed, done.err)
        assert words in done.err or "n" * 300 in typed, done.err
        assert not set(done.err + done.out) & {"\x1b", "\r", "\udcff"}
    assert list(Path.cwd().iterdir()) == []
