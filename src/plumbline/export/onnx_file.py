"""ONNX: written by torch, run by onnxruntime."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from plumbline.errors import PlumblineError
from plumbline.export.about import missing_package
from plumbline.export.graph import PictureClassifier

INPUT, OUTPUT = "images", "probabilities"
Runner = Callable[[torch.Tensor], torch.Tensor]


def write_onnx(
    classifier: PictureClassifier, *, example: torch.Tensor, about: Mapping[str, str], path: Path
) -> None:
    """Write the module as ONNX with any number of pictures, and with strings as its metadata.

    Raises PlumblineError if a package is missing.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  # torch.onnx asks for it late and in its own words
    except ImportError as error:
        raise missing_package(error) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's and onnxscript's, to their own developers
        program = torch.onnx.export(
            classifier,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={INPUT: {0: torch.export.Dim("N")}},
            verbose=False,
        )
    if program is None:  # never with dynamo, but that is how torch types it
        raise PlumblineError(f"torch {torch.__version__} gave no ONNX program for this model.")
    model = program.model_proto
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]  # stack traces, with the folders of this machine
    onnx.helper.set_model_props(model, dict(about))
    onnx.save(model, path)


def onnx_runner(path: Path) -> Runner:
    """Give a function from uint8 (N, 3, S, S) to probabilities (N, C), on as many threads as torch has.

    Raises PlumblineError if onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_package(error) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: images.contiguous().numpy()})[0])

    return run
