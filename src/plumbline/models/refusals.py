"""Why torchvision's other classification networks are not supported."""

from __future__ import annotations

from plumbline.models.torchvision_models import torchvision_names

_TOO_LARGE = "it is so large that nobody would train it on 32-pixel images, and it is not tested here"
# The first prefix that fits decides, after the supported names have been found.
_REFUSED: tuple[tuple[str, str], ...] = (
    (
        "vgg",
        "without batch normalisation it does not train reliably from random weights; add _bn to the name",
    ),
    ("alexnet", "its 11x11 stem of stride 4 and its poolings leave nothing of a 32-pixel image"),
    ("squeezenet", "no rule for small images is published, and its head is not a linear layer"),
    (
        "googlenet",
        "it gives three outputs in training, of which two are auxiliary heads for 224-pixel images",
    ),
    ("inception", "it gives two outputs in training and reads no image below 75 pixels"),
    ("mnasnet", "no rule for small images is published; mobilenet_v2 is its nearest relative"),
    ("vit", "its patches of 14 to 32 pixels cut a 32-pixel image into at most 4 pieces"),
    ("swin", "its windows of 7 or 8 patches do not fit the maps of a 32-pixel image"),
    ("maxvit", "its windows of 7 do not fit the maps of a 32-pixel image"),
    ("efficientnet", _TOO_LARGE),
    ("regnet", _TOO_LARGE),
    ("convnext", _TOO_LARGE),
)


def refusal(name: str) -> str | None:
    """Say why a torchvision classification network is not supported; None where the name is not one."""
    if name not in torchvision_names():
        return None
    reasons = (reason for prefix, reason in _REFUSED if name.startswith(prefix))
    return next(reasons, "no rule for small images is documented for it")
