"""`plumbline bench`: what is printed, and what is refused before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plumbline.benchmarks.step import Measured, StepAsked
from plumbline.cli.bench_tables import caveat, print_steps
from plumbline.recipes import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from cli.runner import Plumbline


def test_the_table_of_steps_says_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Recipe, batch, device, data, warm-up, both arms, their floors and the ratio stand in it."""
    plain = Measured([8.0, 8.0], 2e12, 1e12, "fp32", "", 2, "100 images")
    fast = Measured([2.0, 4.0], 2e12, 2e12, "bf16", "A CPU (amx_bf16)", 2, "100 images")
    recipe = load_recipe("resnet18").model_copy(update={"batch_size": 8})
    print_steps([{"plain": plain, "fast": fast}], asked=StepAsked(recipe=recipe))
    text = " ".join(capsys.readouterr().out.split())
    for words in ("A step of resnet18", "batch 8, 32 pixels", "plain fp32 1.0 1.0 1.0 2 4.0 25%"):
        assert words in text
    for words in ("fast / plain: 2.67", "A CPU (amx_bf16), 2 threads. Data: 100 images.", "first 2 steps"):
        assert words in text
    assert "NOTE" not in text


@pytest.mark.parametrize(
    ("device", "precision", "words"),
    [("X (avx2)", "fp32", "has no bf16 arithmetic"), ("X (avx512_bf16)", "bf16", "bf16 without AMX")],
)
def test_a_cpu_without_amx_is_told(device: str, precision: str, words: str) -> None:
    """The promised factor is for a CPU with AMX, and the output says so elsewhere."""
    assert words in caveat(device, precision=precision)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["step", "resnet81"], "Did you mean 'resnet18'?"),
        (["overhead", "resnet81"], "Did you mean 'resnet18'?"),
        (["fit", "speed49", "--seeds", "1", "--out", "x"], "There is no recipe 'speed49'"),
        (["fit", "speed94", "--seeds", "1-3,2", "--out", "x"], "--seeds names 2 twice"),
        (["fit", "speed94", "--seeds", "3-1", "--out", "x"], "'3-1' is no seed"),
        (["fit", "speed94", "--seeds", "1", "--out", "x", "--reference", "y.py"], "--reference y.py"),
        (["step", "--batch", "50000"], "exceed one epoch"),
        (["step", "--out", "taken"], "--out taken exists"),
        (["overhead", "--out", "taken"], "--out taken exists"),
        (["step", "--device", "tpu"], "--device tpu is not known"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(
    plumbline: Plumbline, tmp_path: Path, typed: list[str], words: str
) -> None:
    """One paragraph, exit code 2, and nothing is written."""
    (tmp_path / "taken").write_text("mine")
    done = plumbline("bench", *typed)
    assert done.code == 2
    assert words in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert (tmp_path / "taken").read_text() == "mine"
