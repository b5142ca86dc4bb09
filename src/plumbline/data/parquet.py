"""Read images and labels from parquet files in the layout of the Hugging Face mirror."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from plumbline.data.catalog import IMAGE_SIZE
from plumbline.data.content import RawSplit
from plumbline.data.parquet_pages import check_pages
from plumbline.errors import PlumblineError, StopRequested, printable
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from plumbline.progress import Progress

# A PNG that spares no byte has 3,072 of pixels; the rest is room for what cameras and editors add.
MAX_PNG_BYTES = 100_000
MAX_ROWS = 200_000
_IMAGES = "img.bytes"
_CHUNK = 100


def decode_png(data: bytes, *, size: int = IMAGE_SIZE) -> bytes:
    """Decode one RGB PNG of `size` x `size` pixels into its bytes, row by row, RGB interleaved.

    No other format is tried, and a picture of another size is refused before its pixels are decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            _check_picture(image, size=size)
            return image.tobytes()
    except (PlumblineError, StopRequested):
        raise
    except Exception as error:  # Pillow names no class for what a stranger's bytes raise
        raise PlumblineError(f"expected a PNG image, got bytes that cannot be decoded ({error})") from error


def _check_picture(image: Image.Image, *, size: int) -> None:
    if image.size != (size, size) or image.mode != "RGB":
        raise PlumblineError(f"expected an RGB image of {size}x{size}, got {image.mode} of {image.size}")


def read_parquet(path: Path, *, label_column: str, progress: Progress = SILENT) -> RawSplit:
    """Read one parquet file: a column `img` (struct of `bytes`, `path`; PNG) and a column of integer labels.

    Of a file from a stranger no claim is believed: pages, rows and pictures have limits, and are read a few
    at a time. Raises `PlumblineError`, with the file (and row) in the text, where it is damaged or laid out
    differently.
    """
    try:
        check_pages(path, columns=(_IMAGES, label_column))
        with pq.ParquetFile(path) as file:
            _check_layout(file, label_column=label_column)
            return _read_rows(file, path=path, label_column=label_column, progress=progress)
    except _BadRowError as error:
        raise PlumblineError(f"{path}, {error}; get the file anew") from error
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise PlumblineError(
            f"{path} cannot be read as parquet with the columns img (bytes, path) and {label_column}: "
            f"{_first_line(error)}; get the file anew"
        ) from error


class _BadRowError(Exception):
    """A row that is not what it must be."""


def _check_layout(file: pq.ParquetFile, *, label_column: str) -> None:
    schema = file.schema_arrow
    images, labels = schema.field("img").type, schema.field(label_column).type
    if not pa.types.is_struct(images) or images.get_field_index("bytes") < 0:
        raise PlumblineError(f"expected img as a struct with bytes, got {printable(str(images))}")
    kind = images.field("bytes").type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise PlumblineError(f"expected img.bytes as bytes, got {printable(str(kind))}")
    if not pa.types.is_integer(labels):
        raise PlumblineError(f"expected {label_column} as whole numbers, got {printable(str(labels))}")
    if not 0 <= file.metadata.num_rows <= MAX_ROWS:
        raise PlumblineError(f"expected at most {MAX_ROWS:,} rows, got {file.metadata.num_rows:,}")


def _read_rows(file: pq.ParquetFile, *, path: Path, label_column: str, progress: Progress) -> RawSplit:
    # One thread: the work is mostly Pillow's Python, which holds the interpreter lock (two threads: no gain).
    count = file.metadata.num_rows
    pixels = np.empty((count, 3, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    labels = np.empty(count, np.int64)
    begin = 0
    batches = file.iter_batches(_CHUNK, columns=[_IMAGES, label_column], use_threads=False)
    with progress.task(f"reading {path.name}", total=count, unit="images") as task:
        for batch in batches:
            end = begin + len(batch)
            if end > count:
                raise PlumblineError(f"it holds more than the {count:,} rows that it says")
            labels[begin:end] = _labels(batch.column(label_column), first_row=begin)
            _decode(batch.column("img"), into=pixels[begin:end], first_row=begin)
            task.advance(len(batch))
            begin = end
    if begin != count:
        raise PlumblineError(f"it holds {begin:,} of the {count:,} rows that it says")
    return RawSplit(pixels, labels)


def _labels(column: pa.Array, *, first_row: int) -> NDArray[np.int64]:
    if column.null_count:
        raise _BadRowError(f"rows from {first_row:,}: expected a label in each, got nothing in some")
    labels: NDArray[np.int64] = column.to_numpy(zero_copy_only=False).astype(np.int64, casting="safe")
    return labels


def _decode(images: pa.StructArray, *, into: NDArray[np.uint8], first_row: int) -> None:
    packed = images.flatten()[0]
    longest = pc.max(pc.binary_length(packed)).as_py()
    if longest is not None and longest > MAX_PNG_BYTES:
        raise _BadRowError(f"rows from {first_row:,}: expected small PNG images, got {longest:,} bytes")
    for offset, data in enumerate(packed.to_pylist()):
        row = first_row + offset
        if data is None:
            raise _BadRowError(f"row {row:,}: expected an image, got nothing")
        try:
            decoded = np.frombuffer(decode_png(data), np.uint8)
        except PlumblineError as error:
            raise _BadRowError(f"row {row:,}: {error}") from error
        into[offset] = decoded.reshape(IMAGE_SIZE, IMAGE_SIZE, 3).transpose(2, 0, 1)


def _first_line(error: BaseException) -> str:
    return printable((str(error).splitlines() or [type(error).__name__])[0])
