"""`plumbline predict RUN PATHS…`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, folders, patterns in quotes ('**/*.jpg'), or - for a list of them on standard "
            "input, one a line.",
            metavar="PATHS...",
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 1,
    form: Annotated[Literal["table", "json", "csv"], typer.Option("--format")] = "table",
    weights: Annotated[
        str | None, typer.Option(help="raw or averaged. Default: averaged, if the run has them.")
    ] = None,
    reject: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Name no class that is less probable than this, from 0 to 1."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures that are classified at once.")] = 128,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Say what pictures show, and how probably, in the order in which they are given.

    Probabilities are calibrated where the run held validation images out. The answers go to standard
    output. A picture that cannot be used is reported on standard error and the rest is done; the exit code is
    2 then.
    """
    from plumbline.cli.console import starting

    # Threads of torch that wait by spinning take the processors from those that decode. Read at its import.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with starting():
        from plumbline.cli.predicting import Wanted, run_predict
    wanted = Wanted(words=tuple(paths), top=top, form=form, reject=reject, batch_size=batch_size)
    run_predict(run, wanted=wanted, weights=weights, device=device)
