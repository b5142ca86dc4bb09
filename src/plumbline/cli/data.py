"""`plumbline data fetch|verify|info NAME`, and `plumbline data check SOURCE`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.check import check

if TYPE_CHECKING:
    from plumbline.data.verify import DataReport, FileReport

app = typer.Typer(
    help="Fetch, verify, describe and check data sets: cifar10, cifar100, digits.", no_args_is_help=True
)
app.command()(check)

Name = Annotated[str, typer.Argument(help="cifar10, cifar100 or digits.")]
Folder = Annotated[Path | None, typer.Option("--data", help="Look in this folder and nowhere else.")]


@app.command()
def fetch(name: Name, data: Folder = None) -> None:
    """See that the files are on this machine, and download them if need be."""
    from plumbline.cli.console import make_progress
    from plumbline.data.verify import fetch_dataset

    files = fetch_dataset(name, data_dir=data, progress=make_progress())
    if not files:
        typer.echo(f"{name} is built in: there is nothing to fetch.")
    _print_files(files)


@app.command()
def verify(name: Name, data: Folder = None) -> None:
    """Hash every file and check every image; nothing is downloaded."""
    from plumbline.cli.console import make_progress
    from plumbline.data.verify import verify_dataset

    report = verify_dataset(name, data_dir=data, progress=make_progress())
    _print_files(report.files)
    typer.echo(
        f"{report.name} is whole: {report.train_count:,} training and {report.test_count:,} test images, "
        f"fingerprint {report.fingerprint}"
    )


@app.command()
def info(name: Name, data: Folder = None) -> None:
    """Describe the images: counts by class, mean, deviation, fingerprint; nothing is downloaded."""
    from plumbline.cli.console import make_progress
    from plumbline.data.verify import verify_dataset

    _print_report(verify_dataset(name, data_dir=data, progress=make_progress()))


def _print_files(files: tuple[FileReport, ...]) -> None:
    for file in files:
        typer.echo(f"{file.path}  {file.size:,} bytes  sha256 {file.sha256}  {file.state}")


def _print_report(report: DataReport) -> None:
    width = max(map(len, report.per_class))
    typer.echo(f"{report.name}, from {report.source}")
    typer.echo(f"{'class':{width}}  {'training':>8}  {'test':>6}")
    for name, (train, test) in report.per_class.items():
        typer.echo(f"{name:{width}}  {train:8,}  {test:6,}")
    typer.echo(f"{'all':{width}}  {report.train_count:8,}  {report.test_count:6,}")
    typer.echo("mean of the training images       " + " ".join(f"{value:.4f}" for value in report.mean))
    typer.echo("deviation of the training images  " + " ".join(f"{value:.4f}" for value in report.std))
    typer.echo(f"fingerprint {report.fingerprint}")
