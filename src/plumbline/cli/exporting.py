"""What `plumbline export` does. Imports torch: only the command itself imports it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plumbline.cli.console import make_progress, results_console
from plumbline.cli.datasets import load_of_run
from plumbline.cli.testing import check_classes
from plumbline.data.images import Images
from plumbline.export.accept import SUFFIXES, Checks, Format, Refused, Request, export_model
from plumbline.export.card import model_card
from plumbline.export.int8 import FASTER, Int8Report
from plumbline.inference import TrainedModel, load_trained
from plumbline.progress import Progress
from plumbline.training.build import build_data
from plumbline.training.device import choose_compute


@dataclass(frozen=True)
class Pictures:
    """Which pictures the file is compared on, that in words, and those that set the ranges of eight bits."""

    checked_on: Images
    words: str
    calibration: Images


def run_export(
    run: Path, *, form: Format, is_int8: bool, out: Path | None, weights: str | None, data: str | None
) -> None:
    """Export a run, print how the file compares with it, and write the model card.

    Raises PlumblineError where the file is refused; what was measured is printed all the same.
    """
    progress = make_progress()
    trained = load_trained(run, weights=weights, device="cpu")
    request = Request(out or _default_path(trained, form=form, is_int8=is_int8), form, is_int8=is_int8)
    request.check()
    progress.say(f"{trained.name}, {trained.weights} weights, {trained.calibration}")
    pictures = _pictures(trained, data=data, progress=progress)
    try:
        made = export_model(
            trained,
            request=request,
            checked_on=pictures.checked_on,
            calibration=pictures.calibration,
            card=lambda checks: model_card(
                trained, request=request, checks=checks, checked_on=pictures.words
            ),
            progress=progress,
        )
    except Refused as refused:
        _print(refused.checks, words=pictures.words, files="")
        raise
    files = f"  File        {made.path} ({made.path.stat().st_size:,} bytes)\n  Model card  {request.card}"
    _print(made.checks, words=pictures.words, files=files)


def _default_path(trained: TrainedModel, *, form: Format, is_int8: bool) -> Path:
    eight = "-int8" * is_int8
    return trained.folder.path / "export" / f"{trained.name}-{trained.weights}{eight}{SUFFIXES[form]}"


def _pictures(trained: TrainedModel, *, data: str | None, progress: Progress) -> Pictures:
    record = trained.record
    dataset = load_of_run(record, data=data, progress=progress)
    check_classes(dataset, record=record)
    compute = choose_compute("cpu", precision="fp32")
    built = build_data(record.recipe, phase="fit", dataset=dataset, seed=record.seed, compute=compute)
    training = built.image_set("train")
    other = "" if dataset.fingerprint == record.dataset.fingerprint else ", not the data of the run"
    if len(built.splits.validation):
        held_out = built.image_set("validation")
        return Pictures(held_out, f"{len(held_out):,} validation images of {dataset.name}{other}", training)
    words = f"{len(training):,} training images of {dataset.name}, since the run held none out{other}"
    return Pictures(training, words, training)


def _print(checks: Checks, *, words: str, files: str) -> None:
    from rich import box
    from rich.table import Table

    console = results_console(width=100)
    table = Table(title=f"Compared with the run on {words}", box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ("pictures at once", "pictures", "same class", "largest difference"):
        table.add_column(heading, justify="right")
    for one in checks.agreements:
        table.add_row(str(one.batch), f"{one.count:,}", f"{one.same / one.count:.3%}", f"{one.largest:.1e}")
    console.print(table)
    for line in _eight_bits(checks.int8) if checks.int8 else ():
        console.print(line, soft_wrap=True)
    if files:
        console.print(files, soft_wrap=True)


def _eight_bits(report: Int8Report) -> list[str]:
    right, before = report.int8_correct / report.count, report.fp32_correct / report.count
    cost = (
        f"  Eight bits: {right:.2%} right instead of {before:.2%} ({-100 * report.lost:+.2f} points; at most "
        f"0.5 may be lost), {report.int8_bytes:,} bytes instead of {report.fp32_bytes:,}."
    )
    lines = [
        f"  Batch of {one.batch}: {one.int8 * 1e3:.2f} ms instead of {one.fp32 * 1e3:.2f} ms, "
        f"{one.factor:.2f} times as fast (medians of {one.rounds} runs in turn)."
        for one in report.speeds
    ]
    if not report.is_fast:
        lines.append(
            f"  That is less than {FASTER} times: eight bits pay in wide layers; the narrow ones of a small "
            "network spend their time on moving data."
        )
    return [cost, *lines, ""]
