"""The readers of files from strangers, each a function of bytes that may raise our own error and no other."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from plumbline.data.binary import parse_records, read_archive
from plumbline.data.catalog import CIFAR10
from plumbline.data.decode import decode_picture, picture_size
from plumbline.data.parquet import decode_png, read_parquet
from plumbline.data.picture_source import find_pictures
from plumbline.errors import PlumblineError
from plumbline.records.predictions import predictions_path, read_predictions
from plumbline.records.store import RunFolder

Members = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Reader:
    """One target: what reads the bytes, and valid input to begin with."""

    read: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


@cache
def folder() -> Path:
    """Give one folder for the files of this process, in memory where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108
    return Path(tempfile.mkdtemp(prefix="plumbline-fuzz-", dir=memory if memory.is_dir() else None))


def written(data: bytes, *, name: str) -> Path:
    path = folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def picture(form: str = "PNG", *, size: tuple[int, int] = (32, 32), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(buffer, form)
    return buffer.getvalue()


def try_all(*uses: Callable[[], object]) -> None:
    """Do all of it; raise our own error where none of it could be done."""
    errors = []
    for use in uses:
        try:
            use()
        except PlumblineError as error:
            errors.append(error)
    if len(errors) == len(uses):
        raise errors[0]


def with_right_sums(data: bytes) -> bytes:
    """Give a PNG's chunks their right sums, without which a decoder goes no further."""
    out, place = bytearray(data[:8]), 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        body = data[place + 4 : place + 8 + length]
        out += data[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return bytes(out + data[place:])


def read_picture(data: bytes) -> None:
    shown = with_right_sums(data) if data.startswith(b"\x89PNG") else data
    try_all(lambda: decode_picture(shown, size=32), lambda: picture_size(shown), lambda: decode_png(shown))


def picture_seeds() -> list[bytes]:
    plain = [picture(form) for form in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")]
    modes = [picture("PNG", mode=mode) for mode in ("L", "P", "RGBA", "1", "LA")]
    return [*plain, *modes, picture("TIFF", mode="F"), picture("JPEG", mode="CMYK"), picture(size=(40, 3))]


def read_parquet_file(data: bytes) -> None:
    read_parquet(written(data, name="some.parquet"), label_column="label")


def parquet_seeds() -> list[bytes]:
    struct_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    small = picture(size=(32, 32))
    images = pa.array([{"bytes": small, "path": "a"}, {"bytes": small, "path": "b"}], struct_type)
    table = pa.table({"img": images, "label": pa.array([1, 2], pa.int64())})
    seeds = []
    for options in (
        {"compression": "none"},
        {"compression": "snappy"},
        {"compression": "none", "use_dictionary": False, "data_page_version": "2.0"},
        {"compression": "zstd", "store_schema": False},
    ):
        sink = io.BytesIO()
        pq.write_table(table, sink, **options)
        seeds.append(sink.getvalue())
    return seeds


def read_table_file(data: bytes) -> None:
    for name in ("a.png", "b.png"):
        written(b"", name=f"table/{name}")
    try_all(
        lambda: find_pictures(written(data, name="table/some.parquet")),
        lambda: find_pictures(written(data, name="table/some.csv")),
    )


def table_seeds() -> list[bytes]:
    sink = io.BytesIO()
    pq.write_table(pa.table({"path": ["a.png", "b.png"], "label": ["x", "y"]}), sink, compression="none")
    return [sink.getvalue(), b"path,label,split\na.png,x,train\nb.png,y,train\n"]


def read_records(data: bytes) -> None:
    """Read an archive; the first byte says whether the rest is packed or is the tar inside."""
    packed = data[1:] if data[:1] == b"z" else gzip.compress(data[1:], 1)
    path = written(packed, name="some.tar.gz")
    with suppress(PlumblineError):
        parse_records(data, label_bytes=1)
    read_archive(path, layout=CIFAR10.binary, counts={"test_batch.bin": 2})


def archive_of(members: list[tarfile.TarInfo], data: bytes, *, form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(data[: member.size]))
    return buffer.getvalue()


def record_seeds() -> list[bytes]:
    member = tarfile.TarInfo(f"{CIFAR10.binary.folder}/test_batch.bin")
    member.size = 2 * 3073
    long = tarfile.TarInfo("x" * 300)
    plain = archive_of([long, member], bytes(member.size))
    pax = archive_of([long, member], bytes(member.size), form=tarfile.PAX_FORMAT)
    return [b"t" + plain, b"t" + pax, b"z" + gzip.compress(plain)]


def zipped(members: Members, *, how: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def read_checkpoint_file(data: bytes) -> None:
    """Read a checkpoint; the first byte says whether the rest is the file or the pickle inside of one."""
    from plumbline.tensor_files import read_checkpoint

    if data[:1] == b"p":
        parts = [
            ("a/data.pkl", data[1:]),
            ("a/byteorder", b"little"),
            ("a/data/0", bytes(64)),
            ("a/data/1", bytes(8)),
        ]
        data = b"z" + zipped([*parts, ("a/version", b"3\n")])
    path = written(data[1:], name="some.ckpt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_checkpoint(path)


def checkpoint_seeds() -> list[bytes]:
    import torch

    content = {
        "state_dict": {"model.w": torch.arange(16.0), "n": torch.tensor(3)},
        "step": 3,
        "x": [None, True],
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with zipfile.ZipFile(buffer) as archive:
        pickled = next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
    return [b"z" + buffer.getvalue(), b"p" + pickled]


def read_predictions_file(data: bytes) -> None:
    """Read predictions; the first byte says whether the rest is the file or the arrays inside of one."""
    if data[:1] == b"p":
        names = ("logits", "labels", "indices", "picture_indices", "pictures")
        data = b"z" + zipped(
            [(f"{name}.npy", part) for name, part in zip(names, split(data[1:]), strict=True)]
        )
    run = RunFolder(folder() / "run")
    path = predictions_path(run, split="test")
    written(data[1:], name=str(path.relative_to(folder())))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_predictions(run, split="test")


_MAGIC = b"\x93NUMPY"


def split(data: bytes) -> list[bytes]:
    """Cut five arrays apart where their magic words stand; what is missing is empty."""
    parts = [_MAGIC + part for part in data.split(_MAGIC)[1:6]]
    return parts + [b""] * (5 - len(parts))


def prediction_arrays() -> dict[str, Any]:
    return {
        "logits": np.zeros((4, 3), np.float32),
        "labels": np.array([0, 1, 2, 2]),
        "indices": np.array([9, 3, 5, 0]),
        "picture_indices": np.array([5]),
        "pictures": np.zeros((1, 4, 4, 3), np.uint8),
    }


def prediction_seeds() -> list[bytes]:
    whole, apart = io.BytesIO(), io.BytesIO()
    np.savez(whole, **prediction_arrays())
    for array in prediction_arrays().values():
        np.save(apart, array)
    return [b"z" + whole.getvalue(), b"p" + apart.getvalue()]


def read_picture_zip(data: bytes) -> None:
    source = find_pictures(written(data, name="some.zip"))
    for entry in source.entries[:5]:
        with suppress(PlumblineError):
            decode_picture(source.read(entry), size=8)


def picture_zip_seeds() -> list[bytes]:
    small = picture(size=(4, 4))
    members = [(f"{kind}/{number}.png", small) for kind in ("a", "b") for number in range(2)]
    table = [("t.csv", b"path,label\na/0.png,x\nb/0.png,y\n")]
    return [zipped(members), zipped(members + table), zipped(members, how=zipfile.ZIP_DEFLATED)]


READERS: dict[str, Reader] = {
    "pictures": Reader(read_picture, picture_seeds),
    "parquet": Reader(read_parquet_file, parquet_seeds),
    "tables": Reader(read_table_file, table_seeds),
    "archives": Reader(read_records, record_seeds),
    "checkpoints": Reader(read_checkpoint_file, checkpoint_seeds),
    "predictions": Reader(read_predictions_file, prediction_seeds),
    "zips": Reader(read_picture_zip, picture_zip_seeds),
}
