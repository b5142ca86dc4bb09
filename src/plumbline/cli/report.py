"""`plumbline report RUN_OR_COMPARE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run_or_compare: Annotated[Path, typer.Argument(help="A run folder, or a folder of plumbline compare.")],
    json: Annotated[  # noqa: FBT002
        bool, typer.Option("--json", help="Print all numbers as JSON, and write no page.")
    ] = False,
    csv: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write all numbers as one table, every misclassified image by its index among them, and no "
            "page; - prints it.",
        ),
    ] = None,
) -> None:
    """Write what a run or a comparison showed as one HTML page, report.html in its folder.

    The page needs no network, follows the light or dark scheme of the reader, and can be printed. Runs write
    it themselves when they end; this command writes it anew.
    """
    from plumbline.cli.reporting import give_report

    give_report(run_or_compare, as_json=json, csv=csv)
