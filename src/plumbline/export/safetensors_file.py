"""safetensors: the weights alone, and what is needed to build the model around them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from plumbline.errors import PlumblineError
from plumbline.export.about import missing_package
from plumbline.export.graph import PictureClassifier
from plumbline.models import create_model


@dataclass(frozen=True)
class Loaded:
    """A model from a file: uint8 (N, 3, stored, stored) to probabilities (N, C), in evaluation mode."""

    classifier: PictureClassifier
    classes: tuple[str, ...]
    about: Mapping[str, str]


def write_safetensors(classifier: PictureClassifier, *, about: Mapping[str, str], path: Path) -> None:
    """Write the network's weights with strings as metadata. Raises PlumblineError without the package."""
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise missing_package(error) from error
    tensors = {name: tensor.contiguous() for name, tensor in classifier.network.state_dict().items()}
    save_file(tensors, path, metadata=dict(about))


def load_safetensors(path: Path) -> Loaded:
    """Build the model that a file of `plumbline export --format safetensors` holds.

    Raises PlumblineError if safetensors is not installed, or the file is missing, damaged, or another's.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise missing_package(error) from error
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        classes = tuple(json.loads(about["classes"]))
        seen = int(about["image_size"])
        network = create_model(about["model"], num_classes=len(classes), image_size=seen)
        network.load_state_dict(weights)
        classifier = PictureClassifier(
            network,
            mean=json.loads(about["mean"]),
            std=json.loads(about["std"]),
            stored_size=int(about["stored_size"]),
            image_size=seen,
            temperature=float(about["temperature"]),
        )
    except KeyError as error:
        raise PlumblineError(
            f"{path} says nothing of {error}: expected a file of plumbline export --format safetensors."
        ) from error
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise PlumblineError(f"{path} cannot be used: {str(error)[:300]}.") from error
    return Loaded(classifier.eval(), classes, about)
