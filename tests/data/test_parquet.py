import io
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_cifar import TRAIN, png, write_parquet

from plumbline.data.parquet import decode_png, read_parquet
from plumbline.errors import PlumblineError


def test_pixels_and_labels_come_back(tmp_path: Path) -> None:
    """What was written as PNG is read back bit for bit, as planar RGB, in row order."""
    write_parquet(tmp_path / "a.parquet", raw=TRAIN)
    raw = read_parquet(tmp_path / "a.parquet", label_column="label")
    assert np.array_equal(raw.pixels, TRAIN.pixels)
    assert np.array_equal(raw.labels, TRAIN.labels)


@pytest.mark.parametrize("form", ["JPEG", "BMP", "GIF"])
def test_only_png_is_decoded(form: str) -> None:
    """A picture in any other format is refused, so that no other decoder ever sees the bytes."""
    with pytest.raises(PlumblineError, match="expected a PNG image"):
        decode_png(png(TRAIN.pixels[0], form=form))


def test_size_is_checked_before_decoding() -> None:
    """A PNG that claims 20,000 x 20,000 pixels is refused without its pixels being made."""
    header = b"IHDR" + (20_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    bomb = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    with pytest.raises(PlumblineError):
        decode_png(bomb)
    with pytest.raises(PlumblineError, match=r"expected an RGB image of 32x32, got RGB of \(31, 32\)"):
        decode_png(png(np.zeros((3, 32, 31), np.uint8)))


def test_grey_png_is_refused() -> None:
    """A grey picture has no three channels to train on."""
    buffer = io.BytesIO()
    Image.new("L", (32, 32)).save(buffer, format="PNG")
    with pytest.raises(PlumblineError, match="got L"):
        decode_png(buffer.getvalue())


def test_damaged_picture_names_file_and_row(tmp_path: Path) -> None:
    """A picture cut short inside an intact parquet file is reported with its row."""
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": png(TRAIN.pixels[0]), "path": ""}, {"bytes": png(TRAIN.pixels[1])[:900], "path": ""}]
    table = pa.table({"img": pa.array(images, struct), "label": pa.array([0, 1])})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(PlumblineError, match=r"a\.parquet, row 1: "):
        read_parquet(tmp_path / "a.parquet", label_column="label")


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_truncated_file(tmp_path: Path, keep: float) -> None:
    """A parquet file cut short anywhere is reported by name."""
    path = tmp_path / "a.parquet"
    write_parquet(path, raw=TRAIN)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(PlumblineError, match=r"a\.parquet cannot be read as parquet"):
        read_parquet(path, label_column="label")


def test_flipped_byte(tmp_path: Path) -> None:
    """A flipped byte is either seen while reading or changes the pixels, which the content hash sees."""
    path = tmp_path / "a.parquet"
    write_parquet(path, raw=TRAIN)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    try:
        raw = read_parquet(path, label_column="label")
    except PlumblineError:
        return
    assert not np.array_equal(raw.pixels, TRAIN.pixels)


def test_other_columns(tmp_path: Path) -> None:
    """A file that is laid out differently is reported with the columns that were expected."""
    write_parquet(tmp_path / "a.parquet", raw=TRAIN, label_column="other")
    with pytest.raises(PlumblineError, match=r"columns img \(bytes, path\) and label"):
        read_parquet(tmp_path / "a.parquet", label_column="label")
