"""`plumbline serve RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    weights: Annotated[
        str | None, typer.Option(help="raw or averaged. Default: averaged, if the run has them.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. The default is for this machine only.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")
    ] = 8000,
    data: Annotated[
        str | None,
        typer.Option(
            help="Where the run's training pictures are now: a name or a folder. Default: its record's."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, help="Requests a second that one client may send; 0: as many as it likes.")
    ] = 10.0,
) -> None:
    """Open a web page on this machine to show a run pictures: drop, paste or photograph them.

    It gives classes with their probabilities (calibrated where the run held validation images out), what the
    model looked at, and the nearest training pictures. The same as JSON: POST /api/predict, documented at
    /docs. Pictures are never stored. Ctrl-C ends it.
    """
    from plumbline.cli.console import starting
    from plumbline.records import read_record

    read_record(run)
    with starting():
        from plumbline.cli.serving import run_server
    run_server(run, weights=weights, host=host, port=port, data=data, rate=rate)
