"""The arithmetic of `make bench`, and one run of the whole on few images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.step import COUNT, Measured, caveat, parse, ratios, summarise, table

STEP = Path(__file__).resolve().parents[2] / "bench" / "step.py"


def measured(arm: str, *seconds: float, rate: float = 1e12) -> Measured:
    """Give one arm's step times; a step is 2e12 operations."""
    return Measured(
        seconds=list(seconds),
        step_flops=2e12,
        matrix_flops_per_second=rate,
        precision="bf16" if arm == "fast" else "fp32",
        device="A CPU (amx_bf16)",
        threads=2,
        data="100 images",
    )


ROUNDS = [
    {"plain": measured("plain", 8.0, 10.0, 40.0), "fast": measured("fast", 2.0, 4.0, 4.0)},
    {"plain": measured("plain", 5.0, 10.0, 20.0, rate=5e11), "fast": measured("fast", 2.0, 2.0, 4.0)},
]


def test_an_arm_is_the_median_of_all_its_steps() -> None:
    """Images a second over the steps of all rounds: median, least, most and their number."""
    summary = summarise([one["fast"] for one in ROUNDS], batch=8)
    assert (summary.median, summary.least, summary.most, summary.n) == (3.0, 2.0, 4.0, 6)


def test_the_floor_is_the_steps_operations_at_the_matrix_rate() -> None:
    """2e12 operations at the best rate seen, 1e12 a second, are 2 s a batch of 8: 4 images a second."""
    summary = summarise([one["plain"] for one in ROUNDS], batch=8)
    assert summary.floor == 4.0
    assert summary.used == summary.median / 4.0 == 0.2


def test_the_ratio_is_taken_round_by_round() -> None:
    """The medians of one round are compared with each other, whatever the other rounds gave."""
    assert ratios(ROUNDS) == [2.5, 5.0]


def test_the_table_says_what_was_measured() -> None:
    """The device, the data, the warm-up, both arms and the ratio stand in it; AMX needs no caveat."""
    text = table(ROUNDS, batch=8)
    for words in ("batch 8, on A CPU (amx_bf16), 2 threads", "Data: 100 images.", "first 2 steps warm up"):
        assert words in text
    assert "fast / plain: 3.75 (median; each round: 2.50, 5.00)" in text
    assert "NOTE" not in text


@pytest.mark.parametrize(
    ("device", "precision", "words"),
    [("X (avx2)", "fp32", "has no bf16 arithmetic"), ("X (avx512_bf16)", "bf16", "bf16 without AMX")],
)
def test_a_machine_without_amx_is_told(device: str, precision: str, words: str) -> None:
    """The promised factor is for a CPU with AMX, and the output says so elsewhere."""
    assert words in caveat(device, precision=precision)
    assert "(at least 4) is for a CPU with AMX" in caveat(device, precision=precision)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rounds", "0"], "at least 1"),
        (["--steps", "0"], "at least 1"),
        (["--batch", "1"], "at least 2"),
        (["--batch", str(COUNT)], "6 measured steps of 50000 exceed one epoch"),
        (["--out", str(STEP)], "exists; give a new name"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is measured first and lost afterwards; no file is overwritten."""
    with pytest.raises(SystemExit, match="2"):
        parse(arguments)
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_of_it(tmp_path: Path) -> None:
    """One step of 8 random images each: a table on stdout, progress on stderr, everything in the record."""
    out = tmp_path / "new" / "step.json"
    environment = {name: value for name, value in os.environ.items() if name != "PLUMBLINE_DATA"}
    done = subprocess.run(
        [sys.executable, STEP, "--rounds", "1", "--steps", "1", "--batch", "8", "--out", out],
        env=environment | {"PLUMBLINE_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "50,000 random images, because cifar10 cannot be had" in done.stdout
    assert "fast / plain: " in done.stdout
    assert "round 1 of 1: fast …" in done.stderr
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record["date"].endswith("+00:00")
    assert record["arguments"] == {"rounds": 1, "steps": 1, "batch": 8}
    assert {"torch", "torchvision", "python"} <= record["versions"].keys()
    (one,) = record["rounds"]
    assert [len(one[arm]["seconds"]) for arm in ("plain", "fast")] == [1, 1]
    assert one["fast"]["step_flops"] == 3 * 2 * 555_422_720 * 8
    assert one["plain"]["matrix_flops_per_second"] > 0
    assert record["ratio_median"] == one["plain"]["seconds"][0] / one["fast"]["seconds"][0]
