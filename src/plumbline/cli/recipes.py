"""`plumbline recipes [NAME]`."""

from __future__ import annotations

from typing import Annotated

import typer


def recipes(
    name: Annotated[str | None, typer.Argument(help="Show this one in full.", metavar="NAME")] = None,
) -> None:
    """Show the recipes that exist, or one in full with its claim."""
    from plumbline.recipes import NAMED, claim, load_recipe

    if name is None:
        width = max(map(len, NAMED))
        for known in NAMED:
            typer.echo(f"{known:{width}}  {claim(known).splitlines()[0]}")
        typer.echo("\nOne in full: plumbline recipes NAME")
        return
    recipe = load_recipe(name)
    if name in NAMED:
        typer.echo(claim(name) + "\n")
    typer.echo(f"digest {recipe.digest}")
    typer.echo(recipe.model_dump_json(indent=2))
