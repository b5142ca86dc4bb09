"""Every block of code in the docs runs, parses, or says why not."""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib.util import find_spec

import pytest
from markdown_pages import PAGES, ROOT, Block, blocks, commands

BLOCKS = [block for page in PAGES for block in blocks(page)]
SHELL = ("sh", "bash", "console", "")
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]


def chosen(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages and not block.marked]


def check_command(command: str) -> str:
    """Say what is wrong with a command line; nothing: ''."""
    from plumbline.cli import main

    words = shlex.split(command)
    if "plumbline" in words:
        with pytest.raises(SystemExit) as ended:
            main([*words[words.index("plumbline") + 1 :], "--help"])
        return "" if ended.value.code == 0 else f"plumbline refuses: {command}"
    if words[0] == "make":
        return "" if words[1] in TARGETS else f"the Makefile has no {words[1]}"
    if words[:2] == ["pip", "install"]:
        asked = {
            name for word in words[2:] for part in re.findall(r"\[(.+)\]", word) for name in part.split(",")
        }
        return "" if asked <= EXTRAS.keys() else f"no such extra: {asked - EXTRAS.keys()}"
    if words[:2] == ["python", "-m"]:
        return "" if find_spec(words[2]) else f"no module {words[2]}"
    if words[0] in {"export", "cd", "set"}:
        return ""
    return f"mark it `<!-- not run: reason -->`, or make it a command that can be checked: {command}"


@pytest.mark.parametrize("block", chosen(*SHELL), ids=lambda block: block.name)
def test_every_command_is_one(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line is accepted as far as its options go; targets, extras and modules are there."""
    wrong = [said for said in map(check_command, commands(block.code)) if said]
    assert not wrong, capsys.readouterr().err


@pytest.mark.parametrize(
    "block",
    [block for block in chosen("python") if block.page.parent != ROOT],
    ids=lambda block: block.name,
)
def test_every_python_block_runs(block: Block) -> None:
    """A block of Python in the docs runs by itself as it stands."""
    exec(compile(block.code, block.name, "exec"), {})  # noqa: S102


def test_other_blocks_say_why_they_are_not_run() -> None:
    """A block in another language is a directive of the site, or has its reason before it."""
    others = [
        block
        for block in BLOCKS
        if not (block.language in SHELL or block.language == "python" or block.language.startswith("{"))
    ]
    assert not [block.name for block in others if not block.marked]


def test_both_readmes_run_the_same_code() -> None:
    """README.md's Python is run by its own test; README.ja.md has the very same."""
    english, japanese = (
        [block.code for block in blocks(ROOT / name) if block.language == "python"]
        for name in ("README.md", "README.ja.md")
    )
    assert japanese == english
