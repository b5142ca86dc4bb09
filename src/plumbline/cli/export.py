"""`plumbline export RUN --format onnx|torch-export|safetensors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    form: Annotated[Literal["onnx", "torch-export", "safetensors"], typer.Option("--format")] = "onnx",
    quantize: Annotated[
        Literal["int8"] | None, typer.Option(help="Eight-bit weights and activations; ONNX only.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file. Default: export/ in the run folder.", metavar="FILE")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="raw or averaged. Default: averaged, if the run has them.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Where the run's data are now: a name or a path.")] = None,
) -> None:
    """Write a model for other programs: raw uint8 pictures in, probabilities out (safetensors: the weights).

    The file is kept only if it agrees with the run on all of its validation images (on training images where
    none were held out): the same class for 99.9 % of them, and no probability further off than 0.001. Eight
    bits may lose half a point of accuracy instead. A model card is written beside it.
    """
    from plumbline.cli.console import starting

    with starting():
        from plumbline.cli.exporting import run_export
    run_export(run, form=form, is_int8=quantize is not None, out=out, weights=weights, data=data)
