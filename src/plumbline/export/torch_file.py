"""torch.export: a graph that torch runs without plumbline."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from plumbline.export.graph import PictureClassifier

ABOUT = "plumbline.json"


def write_torch_export(
    classifier: PictureClassifier, *, example: torch.Tensor, about: Mapping[str, str], path: Path
) -> None:
    """Write the module as `torch.export.save` does, for any number of pictures, with an extra file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, to its own developers
        program = torch.export.export(
            classifier, (example,), dynamic_shapes={"images": {0: torch.export.Dim("N")}}
        )
        with path.open("wb") as file:  # torch warns of names that do not end in .pt2
            torch.export.save(program, file, extra_files={ABOUT: json.dumps(dict(about), ensure_ascii=False)})


def torch_export_runner(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """Give a function from uint8 (N, 3, S, S) to probabilities (N, C)."""
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.export.load(file).module()

    def run(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = module(images)
            return found

    return run
