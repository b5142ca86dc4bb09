"""The whole notebook, run on the digits as a reader would run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tutorial.make import SOURCE, build_notebook, code_cells, execute

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {
    "PLUMBLINE_QUICK": "1",
    "PLUMBLINE_TENSORBOARD": "0",
    "PLUMBLINE_TUTORIAL_DATA": "digits",
    "PLUMBLINE_TUTORIAL_SEEDS": "2",
}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_cell_runs_on_the_digits(tmp_path: Path) -> None:
    """From set-up to the server every cell runs, in a folder that was empty, without a network."""
    notebook = build_notebook(SOURCE.read_text(encoding="utf-8"), language="en")
    done = execute(notebook, folder=tmp_path, settings=SETTINGS)
    assert all(cell.execution_count for cell in code_cells(done))
    runs = tmp_path / "tutorial-runs"
    assert (runs / "average-001" / "checkpoints" / "averaged.ckpt").is_file()
    assert (runs / "compare-001" / "runs" / "comparison.json").is_file()
    assert (runs / "mine-001" / "run" / "report.html").is_file()
    assert (runs / "export-001" / "model.onnx").is_file()


def test_a_cell_out_of_order_says_what_to_do(tmp_path: Path) -> None:
    """With set-up alone done, a later cell names what is missing, and new_folder takes a free number."""
    notebook = build_notebook(SOURCE.read_text(encoding="utf-8"), language="en")
    install, setup = code_cells(notebook)[:2]
    later = next(cell for cell in code_cells(notebook) if 'needs("averaged", "data")' in cell.source)
    later.source = (
        f"try:\n    {later.source.splitlines()[0]}\nexcept RuntimeError as error:\n    print(error)\n"
    )
    later.source += "print(new_folder('fit').name, new_folder('fit').name)"
    notebook.cells = [install, setup, later]
    done = execute(notebook, folder=tmp_path, settings=SETTINGS)
    said = done.cells[2].outputs[0].text
    assert "run the cells above first; not there yet: averaged, data" in said
    assert "fit-001 fit-002" in said
