"""Files as they are, cut, and with changed bytes: they are read, or refused with our own error."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from fuzz.readers import READERS
from plumbline.errors import PlumblineError


@pytest.mark.parametrize("name", READERS)
def test_only_our_own_error_is_raised(name: str) -> None:
    """Valid files are read; every eighth of one, and 300 with some bytes changed, raise no other error."""
    reader, drawn = READERS[name], random.Random(name)  # noqa: S311
    seeds = reader.seeds()
    for seed in seeds:
        reader.read(seed)
        for eighth in range(8):
            with suppress(PlumblineError):
                reader.read(seed[: len(seed) * eighth // 8])
    for _ in range(300):
        changed = bytearray(drawn.choice(seeds))
        for _ in range(drawn.choice((1, 3, 10))):
            changed[drawn.randrange(len(changed))] = drawn.choice((0, 1, 0x7F, 0x80, 0xFF))
        with suppress(PlumblineError):
            reader.read(bytes(changed))
