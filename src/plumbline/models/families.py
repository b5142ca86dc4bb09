"""Which families of networks work on small images, by which rule, and where the rule comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from plumbline.models.adaptations import (
    adapt_convnext,
    adapt_densenet,
    adapt_nothing,
    adapt_one_stride,
    adapt_regnet,
    adapt_resnet,
    adapt_shufflenet,
    adapt_two_strides,
    adapt_vgg,
)
from plumbline.models.speed_nets import SMALLEST_IMAGE, SPEED_NETS, speed_net
from plumbline.models.surgery import Surgery


@dataclass(frozen=True)
class Family:
    """Networks that are changed in the same way.

    Attributes:
        name: what people call the family.
        members: their names; torchvision's, but for networks of our own and timm's.
        adapt: makes the changes for small images.
        head: path of the last linear layer; empty where it is made with the right number of classes.
        smallest_image: side in pixels that the remaining halvings bring down to a map of one place.
        rule: what is changed and what it achieves, in a sentence or two.
        source: where the rule is documented.
        build: makes a network of our own, called with a name and `num_classes`; None takes torchvision's,
            adapts it and replaces its head.

    """

    name: str
    members: tuple[str, ...]
    adapt: Callable[[Surgery], None]
    head: str
    smallest_image: int
    rule: str
    source: str
    build: Callable[..., nn.Module] | None = None


_KUANGLIU = "github.com/kuangliu/pytorch-cifar, models/"

FAMILIES: tuple[Family, ...] = (
    Family(
        name="ResNet",
        members=("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
        adapt=adapt_resnet,
        head="fc",
        smallest_image=8,
        rule="3x3 stem of stride 1, no max-pooling: the maps of a 32-pixel image are 32, 16, 8 and 4 wide.",
        source="He et al., arXiv 1512.03385 (3x3 first layer on CIFAR-10); Chen et al., SimCLR, "
        "arXiv 2002.05709 (stem and pooling as here)",
    ),
    Family(
        name="ResNeXt",
        members=("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
        adapt=adapt_resnet,
        head="fc",
        smallest_image=8,
        rule="As ResNet: 3x3 stem of stride 1, no max-pooling.",
        source="Xie et al., arXiv 1611.05431 (3x3 first layer on CIFAR); stem and pooling as ResNet",
    ),
    Family(
        name="Wide ResNet",
        members=("wide_resnet50_2", "wide_resnet101_2"),
        adapt=adapt_resnet,
        head="fc",
        smallest_image=8,
        rule="As ResNet: 3x3 stem of stride 1, no max-pooling. These are torchvision's ImageNet layouts with "
        "doubled inner width, not the WRN-28-10 of the paper's CIFAR experiments.",
        source="Zagoruyko and Komodakis, arXiv 1605.07146 (3x3 first layer); stem and pooling as ResNet",
    ),
    Family(
        name="DenseNet",
        members=("densenet121", "densenet161", "densenet169", "densenet201"),
        adapt=adapt_densenet,
        head="classifier",
        smallest_image=8,
        rule="3x3 stem of stride 1, no max-pooling: the dense blocks see maps 32, 16, 8 and 4 wide.",
        source="Huang et al., arXiv 1608.06993 (3x3 first layer on CIFAR; three blocks there); "
        f"{_KUANGLIU}densenet.py",
    ),
    Family(
        name="VGG with batch normalisation",
        members=("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
        adapt=adapt_vgg,
        head="classifier",
        smallest_image=32,
        rule="The convolutions stay as they are; the head of three layers for a 7x7 map becomes one linear "
        "layer on the 512 features that are left.",
        source=f"Zagoruyko, torch.ch/blog/2015/07/30/cifar.html (VGG with batch normalisation on CIFAR-10); "
        f"{_KUANGLIU}vgg.py (one linear layer)",
    ),
    Family(
        name="MobileNetV2",
        members=("mobilenet_v2",),
        adapt=adapt_two_strides,
        head="classifier.1",
        smallest_image=8,
        rule="The first two halvings are left out: the last map of a 32-pixel image is 4x4.",
        source=f"{_KUANGLIU}mobilenetv2.py",
    ),
    Family(
        name="MobileNetV3",
        members=("mobilenet_v3_small", "mobilenet_v3_large"),
        adapt=adapt_two_strides,
        head="classifier.3",
        smallest_image=8,
        rule="The first two halvings are left out: the last map of a 32-pixel image is 4x4.",
        source=f"by analogy with MobileNetV2 ({_KUANGLIU}mobilenetv2.py), whose blocks these are; no rule "
        "for small images is published",
    ),
    Family(
        name="EfficientNet",
        members=tuple(f"efficientnet_b{size}" for size in range(5)),
        adapt=adapt_one_stride,
        head="classifier.1",
        smallest_image=16,
        rule="The stem steps by 1: the last map of a 32-pixel image is 2x2.",
        source=f"{_KUANGLIU}efficientnet.py (B0; the larger ones by the same rule)",
    ),
    Family(
        name="EfficientNetV2",
        members=("efficientnet_v2_s",),
        adapt=adapt_one_stride,
        head="classifier.1",
        smallest_image=16,
        rule="The stem steps by 1: the last map of a 32-pixel image is 2x2.",
        source=f"by analogy with EfficientNet ({_KUANGLIU}efficientnet.py), whose stem it shares; no rule "
        "for small images is published",
    ),
    Family(
        name="RegNet",
        members=tuple(
            f"regnet_{kind}_{size}" for kind in "xy" for size in ("400mf", "800mf", "1_6gf", "3_2gf")
        ),
        adapt=adapt_regnet,
        head="fc",
        smallest_image=4,
        rule="Stem and first two stages step by 1: the last map of a 32-pixel image is 8x8.",
        source=f"{_KUANGLIU}regnet.py (strides 1, 1, 2, 2)",
    ),
    Family(
        name="ShuffleNetV2",
        members=tuple(f"shufflenet_v2_x{width}" for width in ("0_5", "1_0", "1_5", "2_0")),
        adapt=adapt_shufflenet,
        head="fc",
        smallest_image=8,
        rule="The stem steps by 1, no max-pooling: the last map of a 32-pixel image is 4x4.",
        source=f"{_KUANGLIU}shufflenetv2.py",
    ),
    Family(
        name="ConvNeXt",
        members=("convnext_tiny", "convnext_small"),
        adapt=adapt_convnext,
        head="classifier.2",
        smallest_image=8,
        rule="Patches of 1 pixel in place of 4x4: the last map of a 32-pixel image is 4x4.",
        source="github.com/filipbasara0/simple-convnext (patch sizes 1, 2 and 4 compared on CIFAR-10)",
    ),
    Family(
        name="SpeedNet",
        members=SPEED_NETS,
        adapt=adapt_nothing,
        head="head",
        smallest_image=SMALLEST_IMAGE,
        rule="Made for small images, to train fast: a fixed 2x2 layer whitens the patches, three groups of "
        "3x3 convolutions halve the map each (31, 15, 7 and 3 wide for 32 pixels), and the head reads the "
        "maximum of each channel. Filters start as copies of their input, norms have a bias and no scale.",
        source="Jordan, arXiv 2404.00498; github.com/KellerJordan/cifar10-airbench, airbench94_muon.py "
        "(speednet_s) and airbench96_faster.py (the shortcuts of speednet_l); speednet_xs is ours, narrower "
        "still, for many runs on a CPU",
        build=speed_net,
    ),
)
