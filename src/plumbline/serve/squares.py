"""From a file's bytes to the square that the model sees, and from squares to what a page shows."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from plumbline.data.decode import BadImage, decode_picture, picture_size
from plumbline.serve.limits import Limits
from plumbline.serve.refusals import Refusal

_THUMBNAIL = 96  # pixels a side: sharp on a dense screen, and 20 kB at most


def read_square(content: bytes, *, name: str, size: int, limits: Limits) -> NDArray[np.uint8]:
    """Decode a picture to uint8 (size, size, 3).

    Raises Refusal where the file is empty, no picture, has too many pixels or is damaged, and where memory is
    too short for it now.
    """
    if not content:
        raise Refusal("empty")
    try:
        width, height = picture_size(content, name=name)
        if width * height > limits.pixels:
            raise _too_many_pixels(limits)
        return decode_picture(content, size=size, name=name)
    except BadImage as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            raise Refusal("no_picture") from error
        if error.__cause__ is None or isinstance(error.__cause__, Image.DecompressionBombError):
            raise _too_many_pixels(limits) from error  # even more than the decoder itself takes
        raise Refusal("damaged") from error
    except MemoryError as error:
        raise Refusal("busy", status=503, retry_after=2) from error


def _too_many_pixels(limits: Limits) -> Refusal:
    return Refusal(
        "too_many_pixels", most=limits.pixels // 1_000_000, most_in_man=f"{limits.pixels // 10_000:,}"
    )


def as_data_uri(picture: NDArray[np.uint8], *, thumbnail: bool = False) -> str:
    """Give uint8 (H, W, 3) as a PNG inside a data URI; a thumbnail has 96 pixels a side at most.

    >>> as_data_uri(np.zeros((2, 2, 3), np.uint8))[:22]
    'data:image/png;base64,'
    """
    image = Image.fromarray(picture)
    if thumbnail:
        image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=3)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
