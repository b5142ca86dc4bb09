"""Change single layers of a built network, and keep a list of what was changed and why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from torch import nn


@dataclass(frozen=True)
class Change:
    """One change to a torchvision network.

    Attributes:
        where: dotted path of the layer, as in `model.get_submodule(where)`.
        before: the layer as torchvision builds it, printed.
        after: the layer that took its place, printed.
        why: the reason, for a reader who learns.

    """

    where: str
    before: str
    after: str
    why: str


class Surgery:
    """A network under change; `changes` lists what was done, in order."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.changes: list[Change] = []

    def conv(self, where: str) -> nn.Conv2d:
        """Give the convolution at a path."""
        layer = self.model.get_submodule(where)
        if not isinstance(layer, nn.Conv2d):
            raise TypeError(f"{where} is a {type(layer).__name__}: torchvision has changed its layout")
        return layer

    def replace(self, where: str, layer: nn.Module, *, why: str) -> None:
        """Put another layer at a path."""
        before = self.model.get_submodule(where)
        parent, _, name = where.rpartition(".")
        setattr(self.model.get_submodule(parent), name, layer)
        self._note(where, before=_printed(before), after=_printed(layer), why=why)

    def keep_resolution(self, where: str, *, why: str) -> None:
        """Let a convolution step by one pixel; its weights stay."""
        layer = self.conv(where)
        before = _printed(layer)
        layer.stride = (1, 1)
        self._note(where, before=before, after=_printed(layer), why=why)

    def strided(self, count: int) -> list[str]:
        """Give the paths of the first `count` convolutions that halve the image, from input to output."""
        paths = (
            path
            for path, layer in self.model.named_modules()
            if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2)
        )
        return list(islice(paths, count))

    def _note(self, where: str, *, before: str, after: str, why: str) -> None:
        self.changes.append(Change(where=where, before=before, after=after, why=why))


def _printed(layer: nn.Module) -> str:
    return " ".join(str(layer).split())
