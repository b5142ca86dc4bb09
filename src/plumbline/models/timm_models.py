"""Networks of the optional package timm, named `timm/NAME`. The only place that calls it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from plumbline.errors import PlumblineError, nearest_of
from plumbline.models.adaptations import adapt_nothing, adapt_timm_resnet
from plumbline.models.families import Family

if TYPE_CHECKING:
    from plumbline.models.surgery import Surgery

PREFIX = "timm/"
_SOURCE = "Wightman, github.com/huggingface/pytorch-image-models (timm)"


def timm_family(name: str) -> Family:
    """Give the rule for a name that begins with `timm/`: only networks like ResNet are changed.

    Raises PlumblineError where timm is not installed or has no such network, with the nearest right name.
    """
    known = _known_name(name)
    entry = _timm("timm.models").model_entrypoint(known)
    if entry.__module__.rpartition(".")[2] == "resnet":
        return Family(
            name="timm, like ResNet",
            members=(name,),
            adapt=adapt_timm_resnet,
            head="",
            smallest_image=8,
            rule="The stem steps by 1 (a 7x7 one becomes 3x3) and nothing is pooled after it: the maps of a "
            "32-pixel image are 32, 16, 8 and 4 wide. timm makes the head.",
            source=f"{_SOURCE}; stem and pooling as ResNet: Chen et al., SimCLR, arXiv 2002.05709",
        )
    return Family(
        name="timm, as it is",
        members=(name,),
        adapt=adapt_nothing,
        head="",
        smallest_image=1,
        rule="Left as timm builds it, mostly for 224 pixels: on small images its first layers leave a small "
        "map or few patches, so larger images (resolution) suit it better. timm makes the head.",
        source=_SOURCE,
    )


def timm_model(name: str, *, num_classes: int, pretrained: bool) -> nn.Module:
    """Build `timm/NAME` with a head of `num_classes`, able to read images of any size where it can be.

    Raises PlumblineError where `pretrained` weights were never published or cannot be had.
    """
    timm, known = _timm("timm"), _known_name(name)
    if pretrained and not timm.is_model_pretrained(known):
        raise PlumblineError(
            f"pretrained: timm has no weights for {known}. Start from random ones with pretrained=False."
        )
    settings: dict[str, Any] = {"num_classes": num_classes, "pretrained": pretrained}
    if _timm("timm.models").get_pretrained_cfg(known).fixed_input_size:
        # Else it would read images of 224 pixels only; position embeddings are resized to each image.
        settings["dynamic_img_size"] = True
    try:
        model: nn.Module = timm.create_model(known, **settings)
    except TypeError as error:
        if "dynamic_img_size" not in settings:
            raise
        raise PlumblineError(
            f"{name}: not supported, since timm builds it for images of one size only. Take another."
        ) from error
    except Exception as error:
        if not pretrained:
            raise
        # Which error it is depends on the libraries under timm's download.
        raise PlumblineError(
            f"pretrained: timm could not get or load its weights of {known}: {type(error).__name__}: {error} "
            "Connect to the network and try again (they come from the Hugging Face hub, into its cache, "
            "which HF_HOME moves); or start from random weights with pretrained=False."
        ) from error
    return model


@torch.no_grad()
def check_reads(surgery: Surgery, *, name: str, image_size: int, num_classes: int) -> None:
    """Raise PlumblineError if a network of timm's gives no logits (N, C) for images of that size."""
    model = surgery.model
    trouble = ""
    model.eval()
    try:
        output = model(torch.zeros(2, 3, image_size, image_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        trouble = str(error)
    else:
        shape = tuple(getattr(output, "shape", ()))
        if shape != (2, num_classes):
            trouble = (
                f"it gives {type(output).__name__} of shape {shape}, not logits of {num_classes} classes"
            )
    model.train()
    if trouble:
        raise PlumblineError(
            f"image_size: {name} does not read images of {image_size} pixels a side: {trouble} Enlarge the "
            "images (resolution.train and resolution.test), or choose another model."
        )


def _known_name(name: str) -> str:
    timm, asked = _timm("timm"), name.removeprefix(PREFIX)
    if ":" in asked or not timm.is_model(asked):
        known = timm.list_models()
        raise PlumblineError(
            f"timm has no network '{asked}'.{nearest_of(asked.partition('.')[0], known)} It has "
            f"{len(known):,}; python -c 'import timm; print(*timm.list_models())' shows them."
        )
    network, _, tag = asked.partition(".")
    try:
        _timm("timm.models").get_pretrained_cfg(asked)
    except RuntimeError as error:
        hint = nearest_of(asked, timm.list_pretrained(f"{network}.*"))
        raise PlumblineError(
            f"timm has no weights '{tag}' of '{network}'.{hint} '{network}' alone takes its usual ones."
        ) from error
    return asked


def _timm(module: str) -> Any:  # noqa: ANN401  (a package that may not be there)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "timm":
            raise
        raise PlumblineError(
            "Models named timm/NAME need the package timm, which is not installed: "
            "pip install 'plumbline[timm]'."
        ) from error
