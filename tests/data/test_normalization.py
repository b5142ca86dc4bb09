import builtins
import sys
from typing import Any

import pytest
from small_cifar import real_cifar10

from plumbline.data.normalization import CIFAR10_MEAN, CIFAR10_STD, cifar10_normalization
from plumbline.errors import PlumblineError


def test_constants_are_those_of_the_data() -> None:
    """The rounded constants are the mean and deviation of the real training images."""
    dataset = real_cifar10()
    assert tuple(round(value, 4) for value in dataset.mean) == CIFAR10_MEAN
    assert tuple(round(value, 4) for value in dataset.std) == CIFAR10_STD


def test_mismatched_torchvision_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CUDA build of torchvision beside a CPU-only torch ends in advice, not in a riddle."""
    original = builtins.__import__

    def fail(name: str, *args: Any, **keywords: Any) -> Any:  # noqa: ANN401
        if name.startswith("torchvision"):
            raise RuntimeError("operator torchvision::nms does not exist")
        return original(name, *args, **keywords)

    for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(PlumblineError, match="torchvision"):
        cifar10_normalization()
