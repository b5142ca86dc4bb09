"""`plumbline export`: a file and its card, compared with the run on the run's own validation images."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from plumbline.export import load_safetensors

if TYPE_CHECKING:
    from pathlib import Path

    from cli.runner import FinishedRun, Plumbline


def test_a_run_is_exported_with_its_card_and_the_comparison_is_shown(
    plumbline: Plumbline, finished: FinishedRun, tmp_path: Path
) -> None:
    """All validation images of the run are compared, and file and card are named; twice is refused."""
    arguments = ("export", str(finished.folder.path), "--format", "safetensors", "--out", "out/m.safetensors")
    done = plumbline(*arguments)
    assert done.code == 0, done.err
    assert "Compared with the run on 144 validation images of digits" in done.out
    assert done.out.count("100.000%") == 2
    loaded = load_safetensors(tmp_path / "out" / "m.safetensors")
    assert json.loads(loaded.about["record"])["dataset"] == "digits"
    card = (tmp_path / "out" / "m.md").read_text(encoding="utf-8")
    assert "144 validation images of digits" in card
    assert "95 % interval" in card
    again = plumbline(*arguments)
    assert again.code == 2
    assert "m.safetensors is there already; nothing was overwritten" in again.err


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    plumbline: Plumbline, finished: FinishedRun, monkeypatch: pytest.MonkeyPatch, package: str, tmp_path: Path
) -> None:
    """No file is left, and the sentence can be copied."""
    monkeypatch.setitem(sys.modules, package, None)
    done = plumbline("export", str(finished.folder.path), "--out", "out/m.onnx")
    assert done.code == 2
    assert f"needs the package {package}: pip install 'plumbline[export]'" in done.err
    assert list((tmp_path / "out").iterdir()) == []


def test_int8_is_for_onnx(plumbline: Plumbline, finished: FinishedRun) -> None:
    """Asked of another format it is refused before any data are read."""
    done = plumbline(
        "export", str(finished.folder.path), "--format", "safetensors", "--quantize", "int8", "--out", "m.st"
    )
    assert done.code == 2
    assert "--quantize int8 goes with --format onnx" in done.err
