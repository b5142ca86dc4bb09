"""`plumbline tune RECIPE`: search a recipe's values on the validation images alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def tune(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a recipe.json.", metavar="RECIPE")],
    trials: Annotated[int, typer.Option(min=1, help="Number of trials in all, those done already included.")],
    data: Annotated[str, typer.Option(help="As for fit: a data set's name, or a folder.")] = "cifar10",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of all trials; the same command goes on in it. Default: under runs/."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Search a field: path=low..high or path=a,b,c; or set it: path=value. Repeatable.",
            metavar="PATH=…",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the first phase.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every trial and of the search.")] = 7,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Trials at once; they share this machine's cores.")] = 1,
) -> None:
    """Search better values for a recipe; needs Optuna, which the extra `tune` brings.

    Each trial is a plumbline fit of its own, judged on validation images; no test image is looked at. Trials
    that fall behind are pruned. Without --set the space follows from the recipe. The best recipe goes to
    best.json, which fit and compare take.
    """
    from plumbline.cli.console import make_progress
    from plumbline.cli.fit import split_setting
    from plumbline.cli.tuning import announce, asked_for, print_tuned
    from plumbline.trials.tuning import tune as run

    asked = asked_for(
        recipe,
        settings=dict(split_setting(text) for text in settings or [])
        | ({"epochs": str(epochs)} if epochs is not None else {}),
        trials=trials,
        data=data,
        out=out,
        seed=seed,
        device=device,
        workers=workers,
    )
    progress = make_progress()
    for line in announce(asked):
        progress.say(line)
    print_tuned(run(asked, progress=progress), asked=asked, recipe=recipe)
