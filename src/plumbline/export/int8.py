"""Eight-bit weights and activations: onnxruntime's static quantisation, and what it costs and gives."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch

from plumbline.data.images import Images
from plumbline.export.about import missing_package
from plumbline.export.agreement import Agreement, Classify
from plumbline.export.onnx_file import INPUT

MOST_LOST = 0.005  # of accuracy
FASTER = 1.5
_CALIBRATION_IMAGES, _CALIBRATION_BATCH = 512, 64
# Rounds at each batch size: an alternating run of both takes a second or so on two cores.
_ROUNDS = {64: 11, 1: 101}


@dataclass(frozen=True)
class Speed:
    """Median seconds of a batch, of `rounds` runs of each in turn."""

    batch: int
    rounds: int
    fp32: float
    int8: float

    @property
    def factor(self) -> float:
        """How many times as fast eight bits are."""
        return self.fp32 / self.int8


@dataclass(frozen=True)
class Int8Report:
    """What eight bits cost and give: right answers of `count` before and after, agreement, and speeds."""

    count: int
    fp32_correct: int
    int8_correct: int
    agreement: Agreement
    speeds: tuple[Speed, ...]
    fp32_bytes: int
    int8_bytes: int

    @property
    def lost(self) -> float:
        """The share of pictures, from 0 to 1, that are no longer right on balance."""
        return (self.fp32_correct - self.int8_correct) / self.count

    @property
    def is_accurate(self) -> bool:
        """Whether at most half a point of accuracy is lost."""
        return self.lost <= MOST_LOST

    @property
    def is_fast(self) -> bool:
        """Whether it is 1.5 times as fast or more at every batch size."""
        return all(speed.factor >= FASTER for speed in self.speeds)


def quantize(path: Path, *, calibration: Images, to: Path) -> None:
    """Quantise an ONNX file of `write_onnx`, activations as uint8, weights as int8 per output channel.

    What comes before the first convolution and from the last matrix product on stays in float: it is cheap,
    and its rounding would cost accuracy. Weights have 7 bits: on a CPU without VNNI products of pairs are
    added in 16 bits, and saturate with 8 (SpeedNet XS fell from 86.9 to 54.5 % on an AVX2 machine).
    The ranges come from up to 512 training images. Raises PlumblineError if a package is missing.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise missing_package(error) from error
    before = logging.root.level
    with TemporaryDirectory(prefix="plumbline-int8-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.root.setLevel(logging.ERROR)  # onnxruntime advises on the root logger
        try:
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(path, prepared, skip_symbolic_shape=True)
            quantize_static(
                prepared,
                to,
                _reader(calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_kept_in_float(onnx.load(prepared)),
            )
        finally:
            logging.root.setLevel(before)


def measure_speed(fp32: Classify, *, int8: Classify, images: Images) -> tuple[Speed, ...]:
    """Time both in turn on the same pictures, at a batch of 64 and of 1."""
    found = []
    for batch, rounds in _ROUNDS.items():
        pictures = images.take(torch.arange(batch) % len(images))
        seconds: dict[str, list[float]] = {"fp32": [], "int8": []}
        for _ in range(rounds):
            for name, classify in (("fp32", fp32), ("int8", int8)):
                began = perf_counter()
                classify(pictures)
                seconds[name].append(perf_counter() - began)
        found.append(Speed(batch, rounds, median(seconds["fp32"]), median(seconds["int8"])))
    return tuple(found)


def _kept_in_float(model: Any) -> list[str]:  # noqa: ANN401  # onnx is optional
    """Name the nodes before the first convolution, and those from the last matrix product on."""
    nodes = list(model.graph.node)
    first = next((place for place, node in enumerate(nodes) if node.op_type == "Conv"), 0)
    products = [place for place, node in enumerate(nodes) if node.op_type in {"Gemm", "MatMul"}]
    last = max([place for place in products if place > first], default=len(nodes))
    return [node.name for node in (*nodes[:first], *nodes[last:])]


def _reader(images: Images) -> Any:  # noqa: ANN401  # onnxruntime is optional
    from onnxruntime.quantization import CalibrationDataReader

    count = min(len(images), _CALIBRATION_IMAGES)
    chosen = torch.arange(count) * len(images) // count

    class Reader(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self._batches: Iterator[torch.Tensor] = images.take_each(torch.split(chosen, _CALIBRATION_BATCH))

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self._batches, None)
            return None if batch is None else {INPUT: batch.contiguous().numpy()}

    return Reader()
