"""`plumbline data check SOURCE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    source: Annotated[str, typer.Argument(help="What --data takes: a data set's name, or a folder.")],
    run: Annotated[
        Path | None,
        typer.Option(help="A run on this data: list likely wrong labels, and score without the duplicates."),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write all of it to this new file.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw the pairs across the splits into this new .png file.")
    ] = None,
) -> None:
    """Look for what is wrong with the images: balance, duplicates inside and across splits, wrong labels.

    Near duplicates of CIFAR-10 take minutes the first time; what was found is kept in the cache.
    """
    from plumbline.cli.console import starting
    from plumbline.records import read_record

    _refuse_bad_files(json=json, sheet=sheet)
    record = read_record(run) if run is not None else None
    with starting():
        from plumbline.cli.checking import run_check
    run_check(source, run=run, record=record, json=json, sheet=sheet)


def _refuse_bad_files(*, json: Path | None, sheet: Path | None) -> None:
    from plumbline.errors import PlumblineError

    for option, path in (("--json", json), ("--sheet", sheet)):
        if path is None:
            continue
        if path.exists():
            raise PlumblineError(f"{option} {path} exists; nothing was overwritten. Give a new name.")
        if not path.parent.is_dir():
            raise PlumblineError(f"{option} {path}: the folder {path.parent} does not exist. Make it first.")
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise PlumblineError(f"--sheet {sheet}: expected a name that ends in .png.")
