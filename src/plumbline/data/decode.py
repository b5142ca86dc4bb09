"""Decode one picture of somebody else's making: any of six formats, whatever is in it, to square RGB.

Whatever the bytes are, the only error that leaves this file is a `PlumblineError`, and no warning does. A
`MemoryError` leaves it too: what passes is no fault of the picture's, and must not be remembered as one.
"""

from __future__ import annotations

import io
import stat
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from plumbline.errors import PlumblineError, StopRequested

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES: frozenset[str] = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"}
)
MAX_FILE_BYTES: int = 200_000_000
# Pillow holds up to 4 bytes a pixel, and twice that while a picture is cut or changes its mode.
MAX_PIXELS: int = 64_000_000

_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})
_BITS_PER_SAMPLE = 258  # the TIFF tag
_STRIP = 64  # rows


class BadImage(PlumblineError):  # noqa: N818
    """A picture that cannot be used; the text names the file and says what is wrong with it."""


def decode_picture(source: Path | bytes, *, size: int, name: str | None = None) -> NDArray[np.uint8]:
    """Give the middle of a picture as uint8 (size, size, 3): RGB, upright, its first frame, alpha on white.

    The largest square in the middle is brought to `size` pixels with a bicubic filter that widens as the
    picture shrinks, so nothing aliases; a picture of size x size keeps its pixels exactly. 16-bit grey is
    divided by 257. Large JPEGs are decoded at an eighth to a half of their size where that is still twice
    what is asked for. `name` stands for the file in errors; for a path it is the path where none is given.

    Raises `BadImage` where the file is too large (`MAX_FILE_BYTES`), has too many pixels (`MAX_PIXELS`, told
    before any is decoded), is cut short, or cannot be decoded.
    """
    with _opened(source, name=name) as image:
        image.draft(None, (2 * size, 2 * size))
        image.load()
        turn = _ORIENTATIONS.get(_orientation(image))
        square = _with_eight_bits(_middle(image), white=_white(image))
        scaled = square
        if square.size != (size, size):
            scaled = square.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
        upright = _on_white(scaled if turn is None else scaled.transpose(turn))
        return np.array(upright, dtype=np.uint8)


def picture_size(source: Path | bytes, *, name: str | None = None) -> tuple[int, int]:
    """Give (width, height) of a picture as it is seen, from its header alone.

    Raises `BadImage` as `decode_picture` does, except for what only decoding can find.
    """
    with _opened(source, name=name) as image:
        width, height = image.size
        # A TIFF's size is upright already. For a PNG without EXIF in its header Pillow decodes all of it to
        # look behind the pixels.
        told = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
        return (height, width) if told and _orientation(image) in _SIDEWAYS else (width, height)


def read_picture_file(path: Path, *, name: str | None = None) -> bytes:
    """Give the bytes of a picture file; `BadImage` where it is missing, no file, empty or too large."""
    with _opened_file(path, name=name or str(path)) as file:
        return file.read(MAX_FILE_BYTES)


@contextmanager
def _opened_file(path: Path, *, name: str) -> Iterator[BinaryIO]:
    try:
        found = path.stat()
        # A pipe would be waited for without end.
        if not stat.S_ISREG(found.st_mode):
            raise BadImage(f"{name}: expected a picture, got something that is no file")
        _check_bytes(found.st_size, name=name)
        with path.open("rb") as file:
            yield file
    except (OSError, ValueError) as error:
        if isinstance(error, PlumblineError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise BadImage(f"{name}: the picture cannot be read ({reason})") from error


def _check_bytes(count: int, *, name: str) -> None:
    if count == 0:
        raise BadImage(f"{name}: the file is empty")
    if count > MAX_FILE_BYTES:
        raise BadImage(
            f"{name}: expected at most {MAX_FILE_BYTES:,} bytes in a picture, got {count:,}; make it smaller"
        )


@contextmanager
def _opened(source: Path | bytes, *, name: str | None) -> Iterator[Image.Image]:
    """Open a picture, its pixels capped; whatever Pillow stumbles on until it is closed is a `BadImage`."""
    if isinstance(source, Path):
        name = name or str(source)
        with _opened_file(source, name=name) as file, _checked(file, name=name) as image:
            yield image
    else:
        name = name or "the picture"
        _check_bytes(len(source), name=name)
        with _checked(io.BytesIO(source), name=name) as image:
            yield image


@contextmanager
def _checked(file: BinaryIO, *, name: str) -> Iterator[Image.Image]:
    try:
        with SILENCE, Image.open(file, formats=FORMATS) as image:
            _check_pixels(image.size, name=name)
            yield image
    except (PlumblineError, StopRequested, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise BadImage(f"{name}: {error}; make it smaller") from error
    except UnidentifiedImageError as error:
        raise BadImage(
            f"{name}: expected a picture ({', '.join(FORMATS)}), got bytes that are none of these"
        ) from error
    except Exception as error:  # Pillow's decoders raise whatever their parsing stumbles on
        raise BadImage(f"{name}: the picture is damaged or cut short ({_first_line(error)})") from error


def _check_pixels(size: tuple[int, int], *, name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadImage(
            f"{name}: expected at most {MAX_PIXELS:,} pixels in a picture, got {width:,} x {height:,}; "
            "make it smaller"
        )


class _Silence:
    """Keep Pillow's warnings to itself while any thread decodes; others' warnings are left alone.

    The filters belong to the whole process: threads that each saved and restored them would restore one
    another's, so the first to come sets them and the last to go puts them back. Whoever decodes many small
    pictures enters it around all of them: setting filters takes a tenth of the time of one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


SILENCE = _Silence()


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (StopRequested, MemoryError):
        raise
    except Exception:  # broken EXIF beside whole pixels: cameras and editors write it
        return 1


def _middle(image: Image.Image) -> Image.Image:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image if width == height else image.crop((left, top, left + side, top + side))


def _white(image: Image.Image) -> int:
    # Pillow reads the 12 bits of a microscope's TIFF into 16 and leaves them as they are.
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE)
    return 4095 if bits == (12,) else 65535


def _with_eight_bits(image: Image.Image, *, white: int) -> Image.Image:
    """Give the loaded picture in mode RGB or RGBA; grey of more than 8 bits reaches from 0 to `white`."""
    if image.mode in {"I;16", "I;16B", "I;16L", "I;16N", "I"}:
        return _scaled_grey(image, white=white).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known white; save it with 8 or 16 bits")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _scaled_grey(image: Image.Image, *, white: int) -> Image.Image:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > white:
        raise ValueError("its grey values are not those of 16 bits; save it with 8 or 16 bits")
    grey = np.empty(values.shape, np.uint8)
    # In strips, since the products need four times the room of what is read.
    for start in range(0, len(values), _STRIP):
        strip = values[start : start + _STRIP].astype(np.int64)
        grey[start : start + _STRIP] = (strip * 255 + white // 2) // white
    return Image.fromarray(grey)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
