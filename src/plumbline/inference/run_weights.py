"""Which weights of a run are meant, and the network that they make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from plumbline.errors import PlumblineError, nearest_of
from plumbline.models import create_model
from plumbline.records import RunFolder, WeightsName
from plumbline.tensor_files import WEIGHTS_SETTINGS, read_checkpoint

_SIZE_OF_OLD_FILES = 32  # those from before it was written down hold CIFAR or the digits
_PREFIX = "model."


@dataclass(frozen=True)
class StoredModel:
    """What a weights file holds: the network in evaluation mode, and what belongs to it.

    `stored_size` is the side in pixels of the uint8 pictures that it was trained on, before any resizing.
    """

    name: str
    model: nn.Module
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stored_size: int


def choose_weights(asked: str | None, *, folder: RunFolder) -> WeightsName:
    """Give the weights asked for, or else the averaged ones, or else the raw ones.

    Raises PlumblineError where the run does not have them.
    """
    names: tuple[WeightsName, ...] = ("averaged", "raw")
    there = [name for name in names if folder.checkpoint(name).is_file()]
    if asked is None and there:
        return there[0]
    for name in names:
        if asked == name and name in there:
            return name
    if asked is not None and asked not in names:
        raise PlumblineError(f"--weights {asked}: expected raw or averaged.{nearest_of(asked, names)}")
    raise PlumblineError(
        f"{folder.path} has no {asked or 'finished'} weights. It has: {', '.join(there) or 'none'}; "
        f"a run that was stopped goes on with plumbline fit --out {folder.path} --resume."
    )


def _what_is_wrong(missing: set[str], unknown: set[str]) -> str:
    if missing:
        return f"none of {', '.join(sorted(missing))}"
    return ", ".join(sorted(map(str, unknown))) or "another number of classes than of logits"


def read_model(path: Path, *, image_size: int | None = None) -> StoredModel:
    """Build the network that a weights file of `plumbline fit` holds, on the CPU, without Lightning.

    `image_size` is the side of what the network will see, where it is not that of the stored pictures.
    Raises PlumblineError if the file is missing, damaged, holds something else, or does not fit.
    """
    content = read_checkpoint(path)
    settings, about = content.get("hyper_parameters", {}), content.get("plumbline", {})
    state = content.get("state_dict", {})
    missing = {"model", "num_classes"} - set(settings) | {"classes", "mean", "std"} - set(about)
    unknown = set(settings) - WEIGHTS_SETTINGS
    if missing or unknown or len(about["classes"]) != settings["num_classes"]:
        raise PlumblineError(
            f"{path} holds no weights of a plumbline run: expected a model's name, its classes and their "
            f"normalisation and no more, got {_what_is_wrong(missing, unknown)}."
        )
    stored_size = int(about.get("image_size", _SIZE_OF_OLD_FILES))
    model = create_model(
        settings["model"], num_classes=settings["num_classes"], image_size=image_size or stored_size
    )
    try:
        model.load_state_dict(
            {name.removeprefix(_PREFIX): tensor for name, tensor in state.items() if name.startswith(_PREFIX)}
        )
    except RuntimeError as error:
        raise PlumblineError(f"The weights in {path} do not fit this model: {str(error)[:300]}") from error
    mean, std = (tuple(map(float, about[key])) for key in ("mean", "std"))
    return StoredModel(
        name=settings["model"],
        model=model.eval().requires_grad_(requires_grad=False),
        classes=tuple(about["classes"]),
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        stored_size=stored_size,
    )
