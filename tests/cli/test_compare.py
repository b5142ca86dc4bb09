"""`plumbline compare` as it is typed: what is printed, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trials.made import made_record, write_run, write_runs

if TYPE_CHECKING:
    from pathlib import Path

    from cli.runner import Plumbline


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Leave two folders of saved runs where commands are run."""
    write_runs(tmp_path / "plain", averaged=(9400, 9415, 9390, 9405, 9410))
    write_runs(tmp_path / "better", averaged=(9450, 9461, 9442, 9455, 9465), label_smoothing=0.1)
    return tmp_path


def test_the_answer_is_in_words_and_numbers(plumbline: Plumbline, saved: Path) -> None:
    """Means with intervals, difference with interval and p-values, power, verdict, and what it speaks of."""
    done = plumbline("compare", "plain", "better")
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    for words in (
        "cifar10, 10,000 test images",
        "plain averaged, 6 epochs 94.04% 5 0.10 93.92 to 94.16",
        "Differences from plain, over equal seeds arm points interval p, t-test p, permuted verdict",
        "better +0.51 +0.47 to +0.55 < 0.001 0.062 real",
        "Real: better is 0.51 points above plain (95% interval +0.47 to +0.55).",
        "With 5 seeds a true difference of",
        "Seeds: the intervals and the verdict speak of other seeds",
        "Images: 10,000 test images leave each mean",
        "report.html: runs/compare-",
    ):
        assert words in text
    assert next((saved / "runs").glob("compare-*/comparison.json")).is_file()


def test_brackets_in_a_label_are_printed(plumbline: Plumbline, saved: Path) -> None:
    """What a console could take for markup or for a picture is part of a folder's name."""
    for name, word in (("plain", "runs[old]"), ("better", "runs[new]:cat:")):
        (saved / name).rename(saved / word)
    done = plumbline("compare", "runs[old]", "runs[new]:cat:")
    assert done.code == 0, done.err
    rows = [line.split()[0] for line in done.out.splitlines() if line.startswith("  runs[")]
    assert rows == ["runs[old]", "runs[new]:cat:", "runs[new]:cat:"]
    assert "Differences from runs[old], over equal seeds" in done.out


def test_tables_alone_can_be_piped(plumbline: Plumbline, saved: Path) -> None:
    """With --markdown or --latex stdout has nothing but the tables."""
    assert saved.is_dir()
    done = plumbline("compare", "plain:raw", "plain:averaged", "--markdown")
    assert all(line.startswith("| ") for line in done.out.split("\n") if line)
    assert "| plain:averaged |" in done.out
    done = plumbline("compare", "plain:raw", "plain:averaged", "--markdown", "--latex")
    assert done.out.index("| arm |") < done.out.index(r"\begin{tabular}")


def test_one_seed_has_no_verdict(plumbline: Plumbline, saved: Path) -> None:
    """It is no error, and it says so."""
    assert saved.is_dir()
    done = plumbline("compare", "plain/seed1", "better/seed1")
    assert done.code == 0
    assert "No verdict: better/seed1 is 0.50 points above plain/seed1 on seed 1." in " ".join(
        done.out.split()
    )


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["plain", "resnet81"], "Did you mean 'resnet18'?"),
        (["plain", "here"], "here is no run and holds none"),
        (["plain", "other"], "cannot be compared: their data differ"),
        (["plain", "broken"], "damaged: it is not JSON"),
        (["plain", "better", "--seeds", "7,"], "plain has no run of seed 7"),
        (["plain", "better", "--seeds", "1-"], "'1-' is no seed"),
        (["plain", "better", "--split", "train"], "--split train: expected test or validation"),
        (["plain", "better", "--views", "6"], "--views 6: expected quoted or one"),
        (["plain", "better", "--weights", "best"], "'best' names no weights"),
        (["plain", "better", "--set", "epochs=1"], "--set cannot change plain"),
        (["plain", "better", "--out", "plain"], "holds no declared runs"),
        (["speed94:averaged", "resnet18"], "speed94 will have no such weights"),
        (["plain:fit-averaged", "better"], "has no score of its phase fit averaged weights on test"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(
    plumbline: Plumbline, saved: Path, typed: list[str], words: str
) -> None:
    """One paragraph, exit code 2, and nothing is written."""
    (saved / "here").mkdir()
    (saved / "broken").mkdir()
    (saved / "broken" / "record.json").write_text("{")
    record = made_record(1)
    dataset = record.dataset.model_copy(update={"fingerprint": "e" * 64})
    write_run(record.model_copy(update={"dataset": dataset}), folder=saved / "other" / "seed1")
    before = sorted(saved.rglob("*"))
    done = plumbline("compare", *typed)
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1
    assert sorted(saved.rglob("*")) == before
