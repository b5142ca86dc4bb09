"""`plumbline fit [RECIPE]`: train, test, average, test again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from plumbline.cli.asked import FitArguments
    from plumbline.records import Record


def fit(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name, or a recipe.json.", metavar="RECIPE")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="cifar10, cifar100, digits, or the path of a folder that holds one.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the first phase.")] = None,
    average_epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of weight averaging; none: --set averaging=none.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Root of all randomness. Default 7.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Devices (processes, on a CPU) to train on.")] = 1,
    precision: Annotated[str | None, typer.Option(help="auto, fp32, bf16 or fp16.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field: path.to.field=value. Repeatable.", metavar="PATH=VALUE"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: a new one under runs/.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,  # noqa: FBT002
) -> None:
    """Train, test, average the weights, test again; everything is written to a run folder.

    Without arguments it takes CIFAR-10 and a recipe that suits this machine, and says which and why.
    """
    from plumbline.cli.asked import FitArguments, record_to_resume

    changes: dict[str, object] = dict(split_setting(text) for text in settings or [])
    flags = {"epochs": epochs, "averaging.epochs": average_epochs, "precision": precision}
    changes |= {path: value for path, value in flags.items() if value is not None}
    arguments = FitArguments(
        recipe=recipe,
        changes=changes,
        data=data,
        seed=seed,
        device=device,
        devices=devices,
        out=out,
        resume=resume,
    )
    before = record_to_resume(arguments)
    if before is not None and out is not None and before.status == "finished":
        _show_finished(before, out=out)
    else:
        _run(arguments, before=before)


def _show_finished(record: Record, *, out: Path) -> None:
    from plumbline.cli.summary import print_summary
    from plumbline.records import RunFolder

    typer.echo(f"The run in {out} is finished; there is nothing to resume.", err=True)
    print_summary(record, folder=RunFolder(out))


def _run(arguments: FitArguments, *, before: Record | None) -> None:
    from plumbline.cli.console import starting

    with starting():
        from plumbline.cli.fitting import run_fit
    run_fit(arguments, before=before)


def split_setting(text: str) -> tuple[str, str]:
    """Give the path and the value of one --set.

    >>> split_setting("schedule.max_rate=0.2")
    ('schedule.max_rate', '0.2')
    """
    from plumbline.errors import PlumblineError

    path, equals, value = text.partition("=")
    if not equals or not path or not value:
        raise PlumblineError(
            f"--set {text}: expected path.to.field=value, such as --set schedule.max_rate=0.2."
        )
    return path.strip(), value.strip()
