"""`plumbline models [NAME]`."""

from __future__ import annotations

from typing import Annotated

import typer


def models(
    name: Annotated[str | None, typer.Argument(help="Print this one.", metavar="NAME")] = None,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the head.")] = 10,
) -> None:
    """Show the models that exist, or print one with what was changed for small images and why."""
    from plumbline.models import describe_model, list_models

    if name is None:
        for known in list_models():
            typer.echo(known)
        typer.echo("\nOne printed, with what was changed for small images: plumbline models NAME", err=True)
        typer.echo(
            "Any network of timm as well, named timm/NAME, once it is there: pip install 'plumbline[timm]'",
            err=True,
        )
        return
    description = describe_model(name, num_classes=classes)
    typer.echo(description.text)
    typer.echo(
        f"\n{description.name}: {description.parameters:,} parameters, "
        f"{description.multiply_accumulates / 1e6:,.1f} million multiply-accumulates for an image of "
        f"{description.image_size} pixels."
    )
    typer.echo(f"{description.rule}\nSource: {description.source}")
    if description.changes:
        typer.echo("Changed for small images:")
    for change in description.changes:
        typer.echo(f"\n  {change.where}\n    before  {change.before}\n    after   {change.after}")
        typer.echo(f"    why     {change.why}")
