"""`plumbline test RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def test(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    weights: Annotated[
        str | None, typer.Option(help="raw or averaged. Default: averaged, if the run has them.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Other data than the run's: a name or a folder.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Score a run's weights on the test images again, and compare with what its record says.

    With a recipe that has test-time augmentation (tta), that score too.
    """
    from plumbline.cli.console import starting
    from plumbline.records import RunFolder, read_record

    record = read_record(run)
    with starting():
        from plumbline.cli.testing import run_test
    folder = RunFolder(run if run.is_dir() else run.parent)
    run_test(record, folder=folder, weights=weights, data=data, device=device)
