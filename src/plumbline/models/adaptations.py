"""What is done to each family for small images; every change carries its reason."""

from __future__ import annotations

from torch import nn

from plumbline.models.surgery import Surgery

# What VGG's convolutions hand to its head, a stack of layers made for a map of 7x7 places.
_VGG_CHANNELS = 512

_HEAD = (
    "The network was made for the 1000 classes of ImageNet. A new layer is needed: setting `out_features` on "
    "the old one changes an attribute and leaves its weights 1000 rows wide."
)
_VGG_HEAD = (
    "The three layers of the ImageNet head hold 120 million weights, most of them for the 7x7 places of a "
    "larger map. Here one place is left, and one layer reads its 512 features."
)
_STEM = (
    "On 224 pixels the 7x7 convolution of stride 2 throws away little; of 32 pixels it leaves 16 before any "
    "feature is found. 3x3 with stride 1 reads every pixel and keeps all 32."
)
_POOL = (
    "It would halve the map again. Without it (and with a stem of stride 1) the last map of a 32-pixel image "
    "is 4x4 and not 1x1, so the average before the head has places to average over."
)
_STRIDE = (
    "Stride 2 would halve the image here. The kernel stays (and so do its weights); only the step becomes 1, "
    "so 32-pixel images keep their detail for longer."
)


def _small_stem(surgery: Surgery, where: str) -> nn.Conv2d:
    old = surgery.conv(where)
    stem = nn.Conv2d(old.in_channels, old.out_channels, kernel_size=3, stride=1, padding=1, bias=False)
    surgery.replace(where, stem, why=_STEM)
    return stem


def adapt_resnet(surgery: Surgery) -> None:
    """Read every pixel in the stem and keep the resolution: 3x3 of stride 1, no max-pooling."""
    stem = _small_stem(surgery, "conv1")
    # As torchvision initialises every convolution of this family.
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    surgery.replace("maxpool", nn.Identity(), why=_POOL)


def adapt_timm_resnet(surgery: Surgery) -> None:
    """Do the same to timm's relatives of ResNet, whose stem may be three 3x3 convolutions."""
    first = surgery.strided(1)[0]
    if surgery.conv(first).kernel_size == (7, 7):
        adapt_resnet(surgery)
        return
    surgery.keep_resolution(first, why=_STRIDE)
    surgery.replace("maxpool", nn.Identity(), why=_POOL)


def adapt_densenet(surgery: Surgery) -> None:
    """Change stem and pooling as in a ResNet."""
    stem = _small_stem(surgery, "features.conv0")
    # As torchvision initialises every convolution of this family.
    nn.init.kaiming_normal_(stem.weight)
    surgery.replace("features.pool0", nn.Identity(), why=_POOL)


def adapt_vgg(surgery: Surgery) -> None:
    """Average what the five poolings leave, which is one place of a 32-pixel image."""
    surgery.replace(
        "avgpool",
        nn.AdaptiveAvgPool2d(1),
        why="Five poolings leave one place of a 32-pixel image. Spreading it over 7x7, as the ImageNet head "
        "wants, would only copy it 49 times.",
    )


def adapt_convnext(surgery: Surgery) -> None:
    """Cut the image into patches of one pixel."""
    old = surgery.conv("features.0.0")
    stem = nn.Conv2d(old.in_channels, old.out_channels, kernel_size=1, stride=1)
    nn.init.trunc_normal_(stem.weight, std=0.02)  # as torchvision initialises this family
    nn.init.constant_(stem.get_parameter("bias"), 0.0)
    why = (
        "The patch stem cuts the image into 4x4 patches; of 32 pixels that leaves 8, and the three halvings "
        "after it leave 1. With patches of one pixel the last map is 4x4. The source tried patches of 2 "
        "and 4 pixels on CIFAR-10 and lost about 6 and 12 points."
    )
    surgery.replace("features.0.0", stem, why=why)


def adapt_regnet(surgery: Surgery) -> None:
    """Leave out the halvings of the stem and of the first two stages."""
    # The stem, and in the first block of stages 1 and 2 the shortcut and the 3x3 convolution beside it.
    for where in surgery.strided(5):
        surgery.keep_resolution(where, why=_STRIDE)


def adapt_shufflenet(surgery: Surgery) -> None:
    """Leave out the halvings of stem and pooling."""
    surgery.keep_resolution("conv1.0", why=_STRIDE)
    surgery.replace("maxpool", nn.Identity(), why=_POOL)


def adapt_two_strides(surgery: Surgery) -> None:
    """Leave out the first two halvings."""
    for where in surgery.strided(2):
        surgery.keep_resolution(where, why=_STRIDE)


def adapt_one_stride(surgery: Surgery) -> None:
    """Leave out the first halving."""
    for where in surgery.strided(1):
        surgery.keep_resolution(where, why=_STRIDE)


def adapt_nothing(_surgery: Surgery) -> None:
    """Leave a network that was made for small images as it is."""


def replace_head(surgery: Surgery, where: str, *, num_classes: int) -> None:
    """Put a fresh linear layer of `num_classes` outputs in the place of the last one."""
    old = surgery.model.get_submodule(where)
    if isinstance(old, nn.Linear):
        surgery.replace(where, nn.Linear(old.in_features, num_classes), why=_HEAD)
    else:
        surgery.replace(where, nn.Linear(_VGG_CHANNELS, num_classes), why=_VGG_HEAD)
