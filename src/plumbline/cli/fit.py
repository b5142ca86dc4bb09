"""`plumbline fit [RECIPE]`: train, test, average, test again."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from plumbline.cli.asked import FitArguments
    from plumbline.records import Record


class OnBadImage(StrEnum):
    """What a picture that cannot be read means: the end, or one picture less."""

    ERROR = "error"
    SKIP = "skip"


def fit(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name, or a recipe.json.", metavar="RECIPE")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="cifar10, cifar100, digits, or the path of a folder, table or zip of pictures."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Another network: a name of `plumbline models`.")] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Start from ImageNet weights.")] = False,  # noqa: FBT002
    image_size: Annotated[
        int | None, typer.Option(min=8, max=1024, help="Side in pixels. Default: chosen from the pictures.")
    ] = None,
    on_bad_image: Annotated[
        OnBadImage, typer.Option(help="What to do with a picture that cannot be read.")
    ] = OnBadImage.ERROR,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the first phase.")] = None,
    average_epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of weight averaging; none: --set averaging=none.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Root of all randomness. Default 7.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[
        int | None, typer.Option(min=1, help="Devices (processes, on a CPU) of each machine. Default 1.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Machines; torchrun or srun starts the processes on them.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32, bf16 or fp16.")] = None,
    compiled: Annotated[  # noqa: FBT002
        bool, typer.Option("--compile", help="Train through torch.compile, on one device.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field: path.to.field=value. Repeatable.", metavar="PATH=VALUE"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: a new one under runs/.")] = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Score no test image.")] = False,  # noqa: FBT002
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,  # noqa: FBT002
) -> None:
    """Train, test, average the weights, test again; everything is written to a run folder.

    Without arguments it takes CIFAR-10 and a recipe that suits this machine, and says which and why.
    """
    from plumbline.cli.asked import FitArguments, record_to_resume
    from plumbline.training.launched import is_first_process

    changes: dict[str, object] = dict(split_setting(text) for text in settings or [])
    flags = {
        "model.name": model,
        "model.pretrained": pretrained or None,
        "epochs": epochs,
        "averaging.epochs": average_epochs,
        "precision": precision,
        "compile": compiled or None,
    }
    changes |= {path: value for path, value in flags.items() if value is not None}
    arguments = FitArguments(
        recipe=recipe,
        changes=changes,
        data=data,
        image_size=image_size,
        skips_bad_images=on_bad_image is OnBadImage.SKIP,
        leaves_test_alone=no_test,
        seed=seed,
        device=device,
        devices=devices,
        nodes=nodes,
        out=out,
        resume=resume,
    )
    before = record_to_resume(arguments)
    if before is not None and out is not None and before.status == "finished":
        if is_first_process():
            _show_finished(before, out=out)
    else:
        _run(arguments, before=before)


def _show_finished(record: Record, *, out: Path) -> None:
    from plumbline.cli.summary import print_summary
    from plumbline.durable import held, remove_unfinished
    from plumbline.records import RunFolder
    from plumbline.report import write_run_report

    typer.echo(f"The run in {out} is finished; there is nothing to resume.", err=True)
    folder = RunFolder(out)
    if not folder.report.is_file():  # it was killed after its last score
        with held(out):
            remove_unfinished(out)
            write_run_report(folder)
    print_summary(record, folder=folder)


def _run(arguments: FitArguments, *, before: Record | None) -> None:
    from plumbline.cli.console import starting

    with starting():
        if arguments.data is not None:  # a wrong word is told before Lightning is there
            from plumbline.cli.datasets import check_named_or_path

            check_named_or_path(arguments.data)
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
