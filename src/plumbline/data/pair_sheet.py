"""Pairs of images side by side on one picture, with names and numbers under them, for a person to judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

_PICTURE = 96
_GAP, _MARGIN, _LINE = 4, 12, 15
_TEXT = 12


@dataclass(frozen=True)
class SheetPair:
    """Two uint8 images (3, H, W) and the lines under each; `note` stands under both."""

    left: torch.Tensor
    right: torch.Tensor
    left_lines: tuple[str, str]
    right_lines: tuple[str, str]
    note: str


def draw_sheet(pairs: Sequence[SheetPair], *, title: str, columns: int = 6) -> Image.Image:
    """Draw the pairs row by row on white, each image 96 pixels a side, under one line of title."""
    columns = max(1, min(columns, len(pairs)))
    width = 2 * _PICTURE + _GAP + _MARGIN
    height = _PICTURE + 3 * _LINE + _MARGIN
    rows = -(-len(pairs) // columns)
    sheet = Image.new(
        "RGB", (max(columns * width + _MARGIN, 480), rows * height + 2 * _MARGIN + _LINE), "white"
    )
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT)
    pen.text((_MARGIN, _MARGIN // 2), title, fill="black", font=font)
    for place, pair in enumerate(pairs):
        x = _MARGIN + place % columns * width
        y = 2 * _MARGIN + _LINE + place // columns * height
        sides = ((pair.left, pair.left_lines), (pair.right, pair.right_lines))
        for side, (image, lines) in enumerate(sides):
            left = x + side * (_PICTURE + _GAP)
            picture = Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())
            sheet.paste(picture.resize((_PICTURE, _PICTURE), Image.Resampling.BICUBIC), (left, y))
            for number, line in enumerate(lines):
                pen.text((left, y + _PICTURE + 1 + number * _LINE), line, fill="black", font=font)
        pen.text((x, y + _PICTURE + 1 + 2 * _LINE), pair.note, fill="#555555", font=font)
    return sheet
