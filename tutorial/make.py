"""Make the tutorial's two notebooks from their one source, tutorial/baseline.py, and run them.

The source is a jupytext percent file. Text cells come in pairs, marked lang="ja" and lang="en"; code cells
stand once, and a comment in them that begins with `ja:` or `en:` stays in its own language only. So both
notebooks have the same code, and one execution gives the outputs of both.

Run: python -m tutorial.make          runs the code on CIFAR-10 in quick mode and writes both notebooks
     python -m tutorial.make --text   takes over changed text, and keeps outputs; refused if code has changed
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Literal

import jupytext  # type: ignore[import-untyped]
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from plumbline.durable import replacing
from plumbline.errors import PlumblineError

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, Language] = ("ja", "en")
FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER / "baseline.py"
# Where the repository is public: OWNER/NAME. The badge and the install cell follow from it.
REPOSITORY = "OWNER/plumbline"
# Leads nowhere until then.
BADGE = re.compile(r"\[!\[Open In Colab\]\(\S+\)\]\(\S+\) · ")
COMMENT = re.compile(r"^(?P<indent>\s*)# (?P<language>ja|en): (?P<words>.*)$")
BAR = re.compile(r"(?P<epoch>Epoch \d+:)|Validation(?: DataLoader \d+)?:")
CELL_SECONDS = 3600


def notebook_path(language: Language) -> Path:
    """Give where the notebook of a language lies."""
    return FOLDER / f"baseline.{language}.ipynb"


def in_language(code: str, *, language: Language) -> str:
    r"""Keep the comments of one language, without their mark.

    >>> in_language("# ja: 種\n# en: the seed\nseed = 7  # fixed", language="en")
    '# the seed\nseed = 7  # fixed'
    """
    kept = []
    for line in code.splitlines():
        found = COMMENT.match(line)
        if found is None:
            kept.append(line)
        elif found["language"] == language:
            kept.append(f"{found['indent']}# {found['words']}")
    return "\n".join(kept)


def bare_code(code: str) -> str:
    r"""Give code without lines of comment alone: what both languages share.

    >>> bare_code("# the seed\nseed = 7")
    'seed = 7'
    """
    return "\n".join(line for line in code.splitlines() if not line.lstrip().startswith("#"))


def build_notebook(source: str, *, language: Language) -> NotebookNode:
    """Give the notebook of one language, without outputs.

    Raises PlumblineError where text cells do not come in pairs, Japanese first.
    """
    text = BADGE.sub("", source) if REPOSITORY.startswith("OWNER/") else source
    read = jupytext.reads(text.replace("{repository}", REPOSITORY), fmt="py:percent")
    check_pairs([cell.metadata.get("lang") for cell in read.cells if cell.cell_type == "markdown"])
    cells: list[dict[str, object]] = []
    for cell in read.cells:
        if cell.cell_type == "markdown" and cell.metadata["lang"] != language:
            continue
        made = {
            "cell_type": cell.cell_type,
            "id": f"cell-{len(cells):03d}",
            "metadata": {name: value for name, value in cell.metadata.items() if name != "lang"},
            "source": cell.source,
        }
        if cell.cell_type == "code":
            made["source"] = in_language(cell.source, language=language)
            made |= {"execution_count": None, "outputs": []}
        cells.append(made)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "colab": {"provenance": [], "toc_visible": True},
        "accelerator": "GPU",
    }
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
    return as_notebook(whole)


def as_notebook(content: dict[str, object]) -> NotebookNode:
    """Give plain dictionaries the form that nbformat and nbclient want."""
    notebook: NotebookNode = nbformat.from_dict(content)  # type: ignore[no-untyped-call]
    return notebook


def check_pairs(languages: list[str | None]) -> None:
    """Refuse text that stands in one language only.

    >>> check_pairs(["ja", "en"])
    """
    pairs = list(zip(languages[::2], languages[1::2], strict=False))
    wrong = next((place for place, pair in enumerate(pairs) if pair != LANGUAGES), None)
    if len(languages) % 2 or wrong is not None:
        raise PlumblineError(
            f"tutorial/baseline.py: expected each text cell in Japanese and then in English, got "
            f"{languages} (pair {wrong})."
        )


def execute(notebook: NotebookNode, *, folder: Path, settings: dict[str, str]) -> NotebookNode:
    """Run a notebook in `folder` with `settings` in its environment, and give it with its outputs.

    Raises nbclient's CellExecutionError where a cell fails.
    """
    done = copy.deepcopy(notebook)
    client = NotebookClient(
        done,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
        # Times of execution would differ with every run, and say nothing to a reader.
        record_timing=False,
    )
    client.execute(env=os.environ | settings)
    return done


def plain_text(text: str, *, folder: Path) -> str:
    r"""Give what a cell printed as a reader wants it: no path of this machine, the last state of each bar.

    >>> bars = "Epoch 0: 9/9\nValidation: 0/2\x1b[A\nEpoch 0: 9/9, val\n"
    >>> plain_text(bars + "saved in /tmp/x/runs\n", folder=Path("/tmp/x"))
    'Epoch 0: 9/9, val\nsaved in runs\n'
    """
    kept: list[str] = []
    for path in (folder, Path(sys.prefix) / "bin"):
        text = text.replace(f"{path}/", "")
    for line in text.replace("\x1b[A", "").splitlines(keepends=True):
        bar = BAR.match(line)
        if bar is None:
            kept.append(line)
        elif bar["epoch"]:
            if kept and kept[-1].startswith(bar["epoch"]):
                kept.pop()
            kept.append(line)
    return "".join(kept)


def cleaned(notebook: NotebookNode, *, folder: Path) -> NotebookNode:
    """Give a notebook that was run in `folder` with plain text in the place of what was printed."""
    given = copy.deepcopy(notebook)
    for output in (output for cell in code_cells(given) for output in cell.outputs):
        if output.output_type == "stream":
            output.text = plain_text(output.text, folder=folder)
    return given


def with_outputs(notebook: NotebookNode, *, executed: NotebookNode) -> NotebookNode:
    """Give a notebook the outputs of another one with the same code.

    Raises PlumblineError if their code differs in more than comments.
    """
    if codes(notebook) != codes(executed):
        raise PlumblineError(
            "The code has changed since these outputs were made: run `make tutorial`, without --text."
        )
    given = copy.deepcopy(notebook)
    for cell, done in zip(code_cells(given), code_cells(executed), strict=True):
        cell.outputs = copy.deepcopy(done.outputs)
        cell.execution_count = done.execution_count
    return given


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Give the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook: NotebookNode) -> str:
    """Give all that the cells printed."""
    outputs = (output for cell in code_cells(notebook) for output in cell.outputs)
    return "\n".join(output.text for output in outputs if output.output_type == "stream")


def codes(notebook: NotebookNode) -> list[str]:
    """Give the code of each cell, comments of their own lines left out."""
    return [bare_code(cell.source) for cell in code_cells(notebook)]


def read_notebook(language: Language) -> NotebookNode:
    """Read the notebook of a language as it lies in tutorial/."""
    path = notebook_path(language)
    notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def write_notebook(notebook: NotebookNode, *, path: Path) -> None:
    """Write a notebook, whole or not at all."""
    with replacing(path) as file:
        file.write((nbformat.writes(notebook) + "\n").encode())  # type: ignore[no-untyped-call]


def run_on_cifar10(notebook: NotebookNode) -> NotebookNode:
    """Run a notebook in quick mode in a folder of its own, in which every path that it prints is relative."""
    with tempfile.TemporaryDirectory(prefix="plumbline-tutorial-") as name:
        settings = {"PLUMBLINE_QUICK": "1", "PLUMBLINE_TENSORBOARD": "0", "PLUMBLINE_LEDGER": "none"}
        settings["PLUMBLINE_CACHE"] = "cache"
        if given := os.environ.get("PLUMBLINE_DATA"):
            (Path(name) / "data").symlink_to(Path(given).resolve())
            settings["PLUMBLINE_DATA"] = "data"
        done = cleaned(execute(notebook, folder=Path(name), settings=settings), folder=Path(name))
    check_data(done)
    return done


def check_data(executed: NotebookNode) -> None:
    """Raise PlumblineError unless a notebook was run on CIFAR-10: by itself it goes on with the digits."""
    if "cifar10: 50,000 training images" not in printed(executed):
        raise PlumblineError(
            "tutorial/: expected outputs of CIFAR-10, and it could not be had. Nothing was written. "
            "Set PLUMBLINE_DATA to a folder that holds cifar10/, or go online, and run it again."
        )


def main() -> None:
    """Write both notebooks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", action="store_true", help="take over changed text only; run nothing")
    try:
        write_both(text_only=parser.parse_args().text)
    except PlumblineError as error:
        sys.exit(f"Error: {error}")


def write_both(*, text_only: bool) -> None:
    """Make both notebooks and write them, with new outputs or, `text_only`, with those they have."""
    made = {
        language: build_notebook(SOURCE.read_text(encoding="utf-8"), language=language)
        for language in LANGUAGES
    }
    executed = read_notebook("ja") if text_only else run_on_cifar10(made["ja"])
    for language, notebook in made.items():
        write_notebook(with_outputs(notebook, executed=executed), path=notebook_path(language))


if __name__ == "__main__":
    main()
