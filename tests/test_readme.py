"""What the README says is so: commands parse and library code runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning
import pytest
from bench.table import ROOT
from lightning.pytorch import Trainer

from plumbline.data import load_dataset
from plumbline.errors import PlumblineError

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("plumbline")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_is_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command line is accepted as far as its options go: help is asked for with all of them."""
    from plumbline.cli import main

    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(command)[1:], "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


def test_make_has_every_target_the_readme_names() -> None:
    """No `make …` of the README is a target that is not there."""
    targets = set(re.findall(r"make ([a-z]+)", README))
    known = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    assert {"run", "test", "lint", "bench", "lock"} <= targets <= known


@pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers")
def test_the_library_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both blocks of Python run one after the other as they stand, on two batches of each split."""
    try:
        load_dataset("cifar10", download=False)
    except PlumblineError as error:
        pytest.skip(f"needs CIFAR-10: {error}")

    class ShortTrainer(Trainer):
        """The Trainer of the README, stopped after two batches."""

        def __init__(self, **settings: Any) -> None:  # noqa: ANN401
            limits = dict.fromkeys(("limit_train_batches", "limit_val_batches", "limit_test_batches"), 2)
            quiet = dict.fromkeys(("enable_progress_bar", "enable_checkpointing", "logger"), False)
            super().__init__(**settings | limits | quiet | {"accelerator": "cpu", "log_every_n_steps": 1})

    monkeypatch.setattr(lightning, "Trainer", ShortTrainer)
    code = "\n".join(block for language, block in BLOCKS if language == "python")
    small = code.replace("CIFAR10DataModule()", "CIFAR10DataModule(batch_size=8, val_split=64)")
    assert small != code
    names: dict[str, object] = {}
    exec(compile(small.replace("train_dataloader()", "val_dataloader()"), "README.md", "exec"), names)  # noqa: S102
    assert names["averaged"] is not names["model"]


def test_a_plain_install_brings_the_whole_package(tmp_path: Path) -> None:
    """What `pip install .` builds can be imported from elsewhere and answers on the command line."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", tmp_path, ROOT], check=True)
    answer = subprocess.run(
        [sys.executable, "-m", "plumbline", "recipes"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "resnet18-quick" in answer.stdout
    assert (tmp_path / "plumbline" / "py.typed").is_file()
