"""Sets of tiny pictures that the tests make."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def tiny(shade: int = 0, *, suffix: str = ".png") -> bytes:
    """Give a picture of 4 x 4 pixels of one colour."""
    stream = io.BytesIO()
    formats = {".png": "PNG", ".jpg": "JPEG", ".bmp": "BMP"}
    Image.new("RGB", (4, 4), (shade % 256, shade // 256, 7)).save(stream, formats[suffix])
    return stream.getvalue()


def fill(root: Path, *, names: Iterable[str]) -> Path:
    """Write a tiny picture under each name; a name that ends with a slash becomes an empty folder."""
    for number, name in enumerate(names):
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tiny(number))
    return root


def pack(path: Path, *, names: Iterable[str]) -> Path:
    """Pack a tiny picture under each name into a .zip, deflated."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, name in enumerate(names):
            archive.writestr(name, b"" if name.endswith("/") else tiny(number))
    return path
