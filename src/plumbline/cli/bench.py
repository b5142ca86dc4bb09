"""`plumbline bench step|overhead|fit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from plumbline.recipes import Recipe

app = typer.Typer(
    name="bench",
    help="Measure side by side in one run, each time beside the floor that the arithmetic sets.",
    no_args_is_help=True,
    add_completion=False,
)
RecipeName = Annotated[str, typer.Argument(help="A recipe's name, or a recipe.json.", metavar="RECIPE")]
Batch = Annotated[int | None, typer.Option(min=2, help="Images a step. Default: the recipe's.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Compile = Annotated[bool, typer.Option("--compile", help="As for fit: through torch.compile.")]
Out = Annotated[Path | None, typer.Option(help="A new JSON file for the record, every time included.")]


@app.command("step")
def step(
    recipe: RecipeName = "resnet18",
    rounds: Annotated[int, typer.Option(min=1, help="Processes of each arm.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Measured steps of each process.")] = 6,
    batch: Batch = None,
    device: Device = "auto",
    compiled: Compile = False,  # noqa: FBT002
    out: Out = None,
) -> None:
    """Measure one training step: as a script is usually written, and as fit builds it."""
    from plumbline.cli.console import make_progress, starting

    chosen = _recipe(recipe, batch=batch, compiled=compiled)
    with starting():
        from plumbline.benchmarks.kept import check_new, keep
        from plumbline.benchmarks.step import StepAsked, check_asked, measure_rounds, record_of
        from plumbline.cli.bench_tables import print_steps
        from plumbline.training.device import choose_compute
    check_new(out)
    kind = choose_compute(device, precision=chosen.precision).device.type
    asked = StepAsked(recipe=chosen, device=kind, rounds=rounds, steps=steps)
    check_asked(asked)
    measured = measure_rounds(asked, progress=make_progress())
    print_steps(measured, asked=asked)
    if out is not None:
        keep(record_of(measured, asked=asked), out=out)


@app.command("overhead")
def overhead(
    recipe: RecipeName = "resnet18",
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each side.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Measured steps of each run.")] = 20,
    batch: Batch = None,
    device: Device = "auto",
    compiled: Compile = False,  # noqa: FBT002
    out: Out = None,
) -> None:
    """Measure fit against a bare loop of the same step on the same batches."""
    from plumbline.cli.console import make_progress, starting

    chosen = _recipe(recipe, batch=batch, compiled=compiled)
    with starting():
        from plumbline.benchmarks.kept import check_new, keep
        from plumbline.benchmarks.overhead import OverheadAsked, measure_overhead, record_of
        from plumbline.cli.bench_tables import print_overhead
        from plumbline.training.device import choose_compute
    check_new(out)
    compute = choose_compute(device, precision=chosen.precision)
    asked = OverheadAsked(recipe=chosen, compute=compute, rounds=rounds, steps=steps)
    measured = measure_overhead(asked, progress=make_progress())
    print_overhead(measured, asked=asked)
    if out is not None:
        keep(record_of(measured, asked=asked), out=out)


@app.command("fit")
def fit(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a recipe.json.", metavar="RECIPE")],
    seeds: Annotated[str, typer.Option(help="Seeds, declared before the first run: 1-5, or 1,2,7.")],
    out: Annotated[Path, typer.Option(help="Folder of all runs; the same command goes on in it.")],
    data: Annotated[str, typer.Option(help="As for fit: a data set's name, or a folder.")] = "cifar10",
    device: Device = "auto",
    compiled: Compile = False,  # noqa: FBT002
    reference: Annotated[
        Path | None, typer.Option(help="Another training program to run in between, as it is.")
    ] = None,
    reference_results: Annotated[
        int | None, typer.Option(min=1, help="End each run of it after so many of its trainings.")
    ] = None,
) -> None:
    """Train every seed in a process of its own, and conclude: accuracy, time, and the floor beside it."""
    from plumbline.cli.console import make_progress, starting
    from plumbline.trials.seeds import read_seeds

    _recipe(recipe)
    numbers = read_seeds(seeds)
    with starting():
        from plumbline.benchmarks.trainings import FitsAsked, measure_fits
        from plumbline.cli.bench_tables import print_fits
    asked = FitsAsked(
        recipe=recipe,
        seeds=numbers,
        out=out,
        data=data,
        device=device,
        compiled=compiled,
        reference=reference,
        reference_results=reference_results,
    )
    print_fits(measure_fits(asked, progress=make_progress()), out=out)


def _recipe(name: str, *, batch: int | None = None, compiled: bool = False) -> Recipe:
    from plumbline.recipes import apply_settings, load_recipe

    changes = {"batch_size": batch, "compile": compiled or None}
    return apply_settings(load_recipe(name), {path: value for path, value in changes.items() if value})
