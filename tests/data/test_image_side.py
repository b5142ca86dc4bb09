"""The size that pictures are brought to follows from the pictures, or is what was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_pictures import write_pictures
from PIL import Image

from plumbline.data.image_side import choose_side
from plumbline.data.picture_source import find_pictures
from plumbline.errors import PlumblineError


@pytest.mark.parametrize(("size", "side"), [(20, 32), (60, 64), (300, 224)])
def test_the_side_follows_the_pictures(tmp_path: Path, size: int, side: int) -> None:
    """Small pictures get the smallest side, large ones the largest, and the reason is told."""
    source = find_pictures(write_pictures(tmp_path, counts={"a": 3, "b": 3}, size=size))
    found = choose_side(source, asked=None)
    assert found.side == side
    assert f"{side} x {side}" in found.note
    assert f"median of {size}" in found.note


def test_one_bad_header_does_not_matter_and_all_of_them_do(tmp_path: Path) -> None:
    """A broken picture has no say; where all are broken one of them is named."""
    root = write_pictures(tmp_path, counts={"a": 2, "b": 2}, size=50)
    (root / "a" / "0.png").write_bytes(b"x")
    assert choose_side(find_pictures(root), asked=None).side == 48
    for path in root.rglob("*.png"):
        path.write_bytes(b"x")
    with pytest.raises(PlumblineError, match=r"none of the 4 pictures.*a/0.png"):
        choose_side(find_pictures(root), asked=None)


def test_a_shortage_of_memory_is_no_bad_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, since a size chosen without that picture might be another."""

    def short(*_: object, **__: object) -> None:
        raise MemoryError

    source = find_pictures(write_pictures(tmp_path, counts={"a": 1, "b": 1}))
    monkeypatch.setattr(Image, "open", short)
    with pytest.raises(PlumblineError, match=r"a/0\.png: there is not enough memory"):
        choose_side(source, asked=None)


@pytest.mark.parametrize("asked", [7, 1025])
def test_a_side_that_makes_no_sense_is_refused(tmp_path: Path, asked: int) -> None:
    """The error names the flag and the limits."""
    source = find_pictures(write_pictures(tmp_path, counts={"a": 1, "b": 1}))
    with pytest.raises(PlumblineError, match="--image-size: expected from 8 to 1,024"):
        choose_side(source, asked=asked)
    assert choose_side(source, asked=8).side == 8
