"""Export a model, compare the file with the run on whole pictures, and keep it only if they agree."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from plumbline.data.images import Images
from plumbline.durable import disk_fault, flush_folder
from plumbline.errors import PlumblineError
from plumbline.export.about import describe
from plumbline.export.agreement import BATCH, Agreement, Classify, classify_all, classify_singly, compare
from plumbline.export.graph import example_images, picture_classifier
from plumbline.export.int8 import Int8Report, measure_speed, quantize
from plumbline.export.onnx_file import onnx_runner, write_onnx
from plumbline.export.safetensors_file import load_safetensors, write_safetensors
from plumbline.export.torch_file import torch_export_runner, write_torch_export
from plumbline.inference import TrainedModel, probabilities
from plumbline.progress import SILENT, Progress

Format = Literal["onnx", "torch-export", "safetensors"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch-export": ".pt2", "safetensors": ".safetensors"}


class Refused(PlumblineError):  # noqa: N818
    """An export that does not agree with its run well enough; `checks` says how well it does."""

    def __init__(self, text: str, *, checks: Checks) -> None:
        super().__init__(text)
        self.checks = checks


@dataclass(frozen=True)
class Request:
    """Which file is wanted; its model card takes the suffix .md."""

    path: Path
    format: Format = "onnx"
    is_int8: bool = False

    @property
    def card(self) -> Path:
        """Where the model card goes."""
        return self.path.with_suffix(".md")

    def check(self) -> None:
        """Raise PlumblineError if this cannot be: eight bits in another format, or a file in the way."""
        if self.is_int8 and self.format != "onnx":
            raise PlumblineError(f"--quantize int8 goes with --format onnx, not with {self.format}.")
        if self.card == self.path:
            raise PlumblineError(f"--out {self.path}: the model card takes the suffix .md, give another.")
        for path in (self.path, self.card):
            if path.exists():
                raise PlumblineError(f"{path} is there already; nothing was overwritten. Give another --out.")


@dataclass(frozen=True)
class Checks:
    """How the file compares with its run: in batches and one picture at a time, and what eight bits do."""

    agreements: tuple[Agreement, ...]
    int8: Int8Report | None = None


@dataclass(frozen=True)
class Exported:
    """A file that is there and has been accepted."""

    path: Path
    checks: Checks


def export_model(
    trained: TrainedModel,
    *,
    request: Request,
    checked_on: Images,
    calibration: Images,
    card: Callable[[Checks], str],
    progress: Progress = SILENT,
) -> Exported:
    """Write the file and its card once the file has agreed with the run on every picture of a set.

    Args:
        trained: the run's model, on the CPU.
        request: which file.
        checked_on: pictures with labels, best the validation images.
        calibration: training images, for the ranges of eight bits.
        card: gives the text of the model card.
        progress: told of every batch.

    Raises:
        Refused: the file disagrees with the run, or loses too much accuracy with eight bits; nothing is
            left behind then.
        PlumblineError: a file is there already, a package is missing, or the folder cannot be written.

    """
    request.check()
    try:
        request.path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=request.path.parent, prefix=".export-") as folder:
            made = Path(folder) / request.path.name
            checks = _make(
                trained,
                request=request,
                path=made,
                checked_on=checked_on,
                calibration=calibration,
                progress=progress,
            )
            described = Path(folder) / request.card.name
            described.write_text(card(checks), encoding="utf-8")
            request.check()  # another process may have been as quick
            for source, target in ((made, request.path), (described, request.card)):
                with source.open("rb") as file:
                    os.fsync(file.fileno())
                source.replace(target)
            flush_folder(request.path.parent)
    except OSError as error:
        raise disk_fault(error, folder=request.path.parent) or error from error
    return Exported(request.path, checks)


def _make(
    trained: TrainedModel,
    *,
    request: Request,
    path: Path,
    checked_on: Images,
    calibration: Images,
    progress: Progress,
) -> Checks:
    plain = path.with_name(f"fp32-{path.name}") if request.is_int8 else path
    progress.say(f"writing {request.format}")
    run = _write(trained, form=request.format, path=plain)
    original, found = (
        classify_all(classify, images=checked_on, progress=progress) for classify in (_original(trained), run)
    )
    chosen, alone = classify_singly(run, images=checked_on)
    checks = Checks(
        (compare(original, other=found, batch=BATCH), compare(original[chosen], other=alone, batch=1))
    )
    if not all(agreement.is_enough for agreement in checks.agreements):
        raise Refused("The exported file does not agree with the run; no file was kept.", checks=checks)
    if not request.is_int8:
        return checks
    progress.say("quantising to eight bits")
    quantize(plain, calibration=calibration, to=path)
    small = onnx_runner(path)
    answers = classify_all(small, images=checked_on, progress=progress)
    labels = checked_on.labels.cpu()
    report = Int8Report(
        count=len(labels),
        fp32_correct=int((found.argmax(1) == labels).sum()),
        int8_correct=int((answers.argmax(1) == labels).sum()),
        agreement=compare(original, other=answers, batch=BATCH),
        speeds=measure_speed(run, int8=small, images=checked_on),
        fp32_bytes=plain.stat().st_size,
        int8_bytes=path.stat().st_size,
    )
    checks = Checks(checks.agreements, report)
    if not report.is_accurate:
        raise Refused(
            f"Eight bits lose {report.lost:.2%} of accuracy, more than 0.5 points; no file was kept. "
            "Export without --quantize.",
            checks=checks,
        )
    return checks


def _original(trained: TrainedModel) -> Classify:
    return lambda images: probabilities(trained, images=images)


def _write(trained: TrainedModel, *, form: Format, path: Path) -> Classify:
    """Write the file, and give what it computes when it is read again."""
    classifier, about = picture_classifier(trained), describe(trained)
    match form:
        case "onnx":
            write_onnx(classifier, example=example_images(trained), about=about, path=path)
            return onnx_runner(path)
        case "torch-export":
            write_torch_export(classifier, example=example_images(trained), about=about, path=path)
            return torch_export_runner(path)
        case "safetensors":
            write_safetensors(classifier, about=about, path=path)
            return load_safetensors(path).classifier.requires_grad_(requires_grad=False)
