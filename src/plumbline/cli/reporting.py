"""What `plumbline report` does. Imports no torch."""

from __future__ import annotations

from pathlib import Path

import typer

from plumbline.errors import PlumblineError
from plumbline.records import RunFolder, write_text
from plumbline.report import csv_of, is_comparison, json_of, write_comparison_report, write_run_report


def give_report(path: Path, *, as_json: bool, csv: str | None) -> None:
    """Write the page of a run or comparison and print its path, or give the numbers instead.

    `path` is its folder, or the record.json or comparison.json in it.
    """
    if as_json and csv == "-":
        raise PlumblineError("--json and --csv - would both print: give --csv the name of a file.")
    folder = path.parent if path.is_file() else path
    comparison = is_comparison(folder)
    try:
        if as_json:
            typer.echo(json_of(folder))
        if csv == "-":
            typer.echo(csv_of(folder), nl=False)
        elif csv is not None:
            write_text(Path(csv), csv_of(folder))
        if not as_json and csv is None:
            typer.echo(write_comparison_report(folder) if comparison else write_run_report(RunFolder(folder)))
    except OSError as error:
        where = error.filename or csv or folder
        raise PlumblineError(f"{where} cannot be read or written: {error.strerror}.") from error
