"""Read images and labels from parquet files in the layout of the Hugging Face mirror."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from plumbline.data.catalog import IMAGE_SIZE
from plumbline.data.content import RawSplit
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from plumbline.progress import Progress

_CHUNK = 1000


def decode_png(data: bytes, *, size: int = IMAGE_SIZE) -> bytes:
    """Decode one RGB PNG of `size` x `size` pixels into its bytes, row by row, RGB interleaved.

    No other format is tried, and a picture of another size is refused before its pixels are decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.size != (size, size) or image.mode != "RGB":
                raise PlumblineError(
                    f"expected an RGB image of {size}x{size}, got {image.mode} of {image.size}"
                )
            return image.tobytes()
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, PlumblineError):
            raise
        raise PlumblineError(f"expected a PNG image, got bytes that cannot be decoded ({error})") from error


def read_parquet(path: Path, *, label_column: str, progress: Progress = SILENT) -> RawSplit:
    """Read one parquet file: a column `img` (struct of `bytes`, `path`; PNG) and a column of integer labels.

    Raises `PlumblineError`, with the file (and row) in the text, where it is damaged or laid out differently.
    """
    try:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=["img.bytes", label_column])
        images = table.column("img").combine_chunks().field("bytes")
        labels = table.column(label_column).to_numpy().astype(np.int64, casting="safe")
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise PlumblineError(
            f"{path} cannot be read as parquet with the columns img (bytes, path) and {label_column}: "
            f"{_first_line(error)}; get the file anew"
        ) from error
    return RawSplit(_decode_all(images, path=path, progress=progress), labels)


def _decode_all(images: pa.Array, *, path: Path, progress: Progress) -> NDArray[np.uint8]:
    # One thread: the work is mostly Pillow's Python, which holds the interpreter lock (two threads: no gain).
    pixels = np.empty((len(images), 3, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    with progress.task(f"reading {path.name}", total=len(images), unit="images") as task:
        for start in range(0, len(images), _CHUNK):
            chunk = images.slice(start, _CHUNK).to_pylist()
            decoded = [_decode_row(data, path=path, row=start + offset) for offset, data in enumerate(chunk)]
            interleaved = np.frombuffer(b"".join(decoded), np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE, 3)
            pixels[start : start + len(chunk)] = interleaved.transpose(0, 3, 1, 2)
            task.advance(len(chunk))
    return pixels


def _decode_row(data: bytes | None, *, path: Path, row: int) -> bytes:
    if data is None:
        raise PlumblineError(f"{path}, row {row:,}: expected an image, got nothing; get the file anew")
    try:
        return decode_png(data)
    except PlumblineError as error:
        raise PlumblineError(f"{path}, row {row:,}: {error}; get the file anew") from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
