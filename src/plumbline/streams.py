"""Named random streams: every random number is a pure function of (seed, stream, position).

Nothing here keeps state, so a resumed run needs no saved generator, and an added evaluation or an added
stream changes no number that another stream draws.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Stream = Literal["split", "init", "order", "augment", "flip", "layers", "search"]


def stream_seed(seed: int, stream: Stream, *position: int) -> int:
    """Give the 63-bit seed of one stream at one position (an epoch, a step), the same on every machine.

    >>> stream_seed(7, "order", 0) == stream_seed(7, "order", 0)
    True
    >>> stream_seed(7, "order", 0) == stream_seed(7, "order", 1)
    False
    """
    text = "/".join([str(seed), stream, *map(str, position)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream_generator(seed: int, stream: Stream, *position: int) -> torch.Generator:
    """Give a fresh CPU generator that stands at the start of one stream at one position.

    >>> import torch
    >>> first = torch.randperm(5, generator=stream_generator(7, "order", 3))
    >>> torch.equal(first, torch.randperm(5, generator=stream_generator(7, "order", 3)))
    True
    """
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, stream, *position))
