"""`plumbline compare A B [C …]`: say whether recipes differ."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def compare(
    arms: Annotated[
        list[str],
        typer.Argument(
            help="Recipes, recipes with changes, or folders of saved runs; each is compared with the first.",
            metavar="ARM...",
        ),
    ],
    seeds: Annotated[
        str | None,
        typer.Option(
            help="How many, 10 for 1 to 10, or which: 1-5, or 1,2,7. Default: 10, or the saved ones."
        ),
    ] = None,
    data: Annotated[str, typer.Option(help="As for fit: a data set's name, or a folder.")] = "cifar10",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of all runs; the same command goes on in it. Default: under runs/."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field of every recipe. Repeatable.", metavar="PATH=VALUE"),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="For arms that name none: final, raw, averaged, fit-raw, average-raw, ...")
    ] = "final",
    split: Annotated[str, typer.Option(help="test or validation.")] = "test",
    views: Annotated[
        str, typer.Option(help="quoted: with test-time augmentation where there is one; one: images alone.")
    ] = "quoted",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at once; they share this machine's cores. Default 1.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Spread the runs over this Ray cluster; local starts one.", metavar="ADDRESS"),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables instead.")] = False,  # noqa: FBT002
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX tables instead.")] = False,  # noqa: FBT002
) -> None:
    """Run recipes over the same seeds, and say whether they differ.

    An ARM is a recipe's name, a recipe.json, or a folder of saved runs. A recipe may be changed and weights
    be chosen: NAME@path=value,path=value:WEIGHTS. So resnet18-quick:raw resnet18-quick:averaged compares two
    scores of the same runs. A finished run is never made again, and the same command goes on where it was.
    """
    from plumbline.cli.compare_tables import print_comparison
    from plumbline.cli.console import make_progress
    from plumbline.cli.fit import split_setting
    from plumbline.report import write_comparison_report
    from plumbline.trials.arms import read_arms
    from plumbline.trials.compare import CompareAsked, run_comparison
    from plumbline.trials.seeds import read_count_or_seeds

    changes: dict[str, object] = dict(split_setting(text) for text in settings or [])
    asked = CompareAsked(
        arms=read_arms(arms, settings=changes, weights=weights, data=data),
        seeds=None if seeds is None else read_count_or_seeds(seeds),
        out=out,
        data=data,
        device=device,
        split="validation" if _one_of(split, "--split", "test", "validation") == "validation" else "test",
        views=1 if _one_of(views, "--views", "quoted", "one") == "one" else None,
        workers=workers,
        ray=ray,
        command=shlex.join(["plumbline", *sys.argv[1:]]),
    )
    compared = run_comparison(asked, progress=make_progress())
    write_comparison_report(compared.out)
    print_comparison(compared.comparison, out=compared.out, markdown=markdown, latex=latex)


def _one_of(value: str, flag: str, *known: str) -> str:
    from plumbline.errors import PlumblineError, nearest_of

    if value not in known:
        raise PlumblineError(f"{flag} {value}: expected {' or '.join(known)}.{nearest_of(value, known)}")
    return value
