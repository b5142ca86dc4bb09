"""What can be typed, and how fast help answers."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from importlib import metadata
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
import typer

from cli.runner import run_process
from plumbline.cli.main import app

if TYPE_CHECKING:
    from pathlib import Path

    from cli.runner import Plumbline

# Changing this list changes what scripts of users rely on.
SURFACE = {
    "": ["--debug", "--version"],
    "fit": [
        *("RECIPE", "--average-epochs", "--compile", "--data", "--device", "--devices", "--epochs"),
        *(
            "--image-size",
            "--model",
            "--no-test",
            "--nodes",
            "--on-bad-image",
            "--out",
            "--precision",
            "--pretrained",
        ),
        *("--resume", "--seed", "--set"),
    ],
    "test": ["RUN", "--data", "--device", "--weights"],
    "report": ["RUN_OR_COMPARE", "--csv", "--json"],
    "compare": [
        *("ARMS", "--data", "--device", "--latex", "--markdown", "--out", "--ray", "--seeds", "--set"),
        *("--split", "--views", "--weights", "--workers"),
    ],
    "predict": [
        *("RUN", "PATHS", "--batch-size", "--device", "--format", "--reject", "--top", "--weights"),
    ],
    "export": ["RUN", "--data", "--format", "--out", "--quantize", "--weights"],
    "serve": ["RUN", "--data", "--host", "--port", "--rate", "--weights"],
    "tune": [
        *("RECIPE", "--data", "--device", "--epochs", "--out", "--seed", "--set", "--trials", "--workers"),
    ],
    "recipes": ["NAME"],
    "models": ["NAME", "--classes"],
    "bench": [],
    "bench fit": [
        *("RECIPE", "--compile", "--data", "--device", "--out", "--reference", "--reference-results"),
        "--seeds",
    ],
    "bench overhead": ["RECIPE", "--batch", "--compile", "--device", "--out", "--rounds", "--steps"],
    "bench step": ["RECIPE", "--batch", "--compile", "--device", "--out", "--rounds", "--steps"],
    "data": [],
    "data check": ["SOURCE", "--json", "--run", "--sheet"],
    "data fetch": ["NAME", "--data"],
    "data info": ["NAME", "--data"],
    "data verify": ["NAME", "--data"],
}


def surface(command: Any, path: str = "") -> dict[str, list[str]]:  # noqa: ANN401
    """Give arguments and options of a command and of all below it."""
    arguments = [p.name.upper() for p in command.params if p.param_type_name == "argument"]
    options = sorted(o for p in command.params if p.param_type_name == "option" for o in p.opts)
    found = {path: [*arguments, *(option for option in options if option != "--help")]}
    for name, below in getattr(command, "commands", {}).items():
        found |= surface(below, f"{path} {name}".strip())
    return found


def descriptions(command: Any, path: str = "") -> dict[str, str]:  # noqa: ANN401
    """Give what a command says it does, and all below it."""
    found = {path: command.help or ""}
    for name, below in getattr(command, "commands", {}).items():
        found |= descriptions(below, f"{path} {name}".strip())
    return found


def test_the_surface_is_frozen() -> None:
    """Commands, arguments and options are those of the list above: no more, no less."""
    assert surface(typer.main.get_command(app)) == SURFACE


def processor_seconds(*words: str) -> float:
    """Run Python on `words`, and give what the process has cost."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.alone
@pytest.mark.parametrize("command", SURFACE)
def test_help_answers_at_once(command: str) -> None:
    """`--help` of every command costs half a second at most where importing typer and rich costs 0.2 s.

    Those two imports cost 0.2 s on the quiet machine that the bound was set on, and their cost is measured
    beside each command, by turns: neighbours on the same processor were seen to double both alike. Processor
    time is counted, medians of three processes.
    """
    costs = [
        (
            processor_seconds("-m", "plumbline", *command.split(), "--help"),
            processor_seconds("-c", "import typer.rich_utils"),
        )
        for _ in range(3)
    ]
    seconds, floor = (median(column) for column in zip(*costs, strict=True))
    assert seconds <= 0.5 * max(1.0, floor / 0.2)


@pytest.mark.parametrize(
    ("typed", "unneeded"),
    [
        (["fit", "--help"], ["torch", "torchvision", "lightning"]),
        (["fit", "resnet81"], ["torch", "torchvision", "lightning"]),
        (["recipes"], ["torch", "torchvision", "lightning"]),
        (["fit", "--data", "digitz"], ["torchvision", "lightning"]),
    ],
    ids=" ".join,
)
def test_what_needs_no_training_waits_for_none_of_its_imports(typed: list[str], unneeded: list[str]) -> None:
    """No torch for help or to refuse a recipe that does not exist; no Lightning to refuse such data."""
    code = (
        f"import sys\nfrom plumbline.cli import main\ntry: main({typed})\nexcept SystemExit: pass\n"
        f"assert not sys.modules.keys() & set({unneeded})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_words_of_a_help_flow(plumbline: Plumbline) -> None:
    """A line ends where the terminal does, not where the source's did: the next word would not fit."""
    before_options = plumbline("serve", "--help").out.split("\u256d")[0].strip()
    last = [line.strip() for line in re.split(r"\n\s*\n", before_options)[-1].splitlines()]
    assert len(last) > 2
    for line, following in pairwise(last):
        assert len(line) + 1 + len(following.split()[0]) > 78


def test_the_version_is_that_of_the_package(plumbline: Plumbline) -> None:
    """It is what pip says, and what records say."""
    done = plumbline("--version")
    assert (done.code, done.out) == (0, f"plumbline {metadata.version('plumbline')}\n")


def test_exit_codes_are_documented(plumbline: Plumbline) -> None:
    """`plumbline --help` says what each exit code means."""
    text = " ".join(plumbline("--help").out.split())
    known = ("0 done", "1 an error in plumbline", "2 a problem with what was asked", "130 stopped", "143")
    for words in known:
        assert words in text


def test_help_shows_brackets_and_every_option(plumbline: Plumbline) -> None:
    """Nothing that stands in brackets is swallowed as markup, and each option has words."""
    text = plumbline("fit", "--help").out
    for words in ("[RECIPE]", "PATH=VALUE", "path.to.field=value", "default: auto", "under runs/"):
        assert words in text
    assert not [path for path, words in descriptions(typer.main.get_command(app)).items() if "[" in words]


@pytest.mark.parametrize(
    ("typed", "near"),
    [(["ftt"], "'fit'"), (["fit", "--epoch", "3"], "--epochs"), (["data", "fecth"], "fetch")],
)
def test_a_slip_gets_the_nearest_right_word(plumbline: Plumbline, typed: list[str], near: str) -> None:
    """A mistyped command or option exits with 2 and names the one that was meant."""
    done = plumbline(*typed)
    assert done.code == 2
    assert near in done.err


def test_a_traceback_is_shown_with_debug_only(tmp_path: Path) -> None:
    """The same error is one paragraph without --debug, and a traceback with it, wherever it stands."""
    plain = run_process("fit", "resnet81", cwd=tmp_path)
    assert plain.code == 2
    assert plain.err.startswith("Error: There is no recipe 'resnet81'. Did you mean 'resnet18'?")
    assert plain.err.count("\n") == 1
    for words in (["--debug", "fit", "resnet81"], ["fit", "resnet81", "--debug"]):
        assert "Traceback" in run_process(*words, cwd=tmp_path).err
