"""Files that somebody made to do harm, by the reader that they are for.

As a script it reads every one and prints, as JSON, what was said and how far the memory went up for it (MB).
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from fuzz.readers import READERS, prediction_arrays, zipped
from plumbline.data.catalog import CIFAR10
from plumbline.errors import PlumblineError

Made = tuple[str, bytes]
DATA = f"{CIFAR10.binary.folder}/test_batch.bin"


class Calls:
    """Is a call when it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


def checkpoint(content: object) -> Made:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return "checkpoints", b"z" + buffer.getvalue()


def packed_checkpoint() -> Made:
    with zipfile.ZipFile(io.BytesIO(checkpoint({"a": torch.zeros(20_000_000)})[1][1:])) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    return "checkpoints", b"z" + zipped(members, how=zipfile.ZIP_DEFLATED)


def predictions(**changes: np.ndarray[Any, Any]) -> Made:
    buffer = io.BytesIO()
    np.savez(buffer, **(prediction_arrays() | changes))
    return "predictions", b"z" + buffer.getvalue()


def packed_predictions() -> Made:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **(prediction_arrays() | {"logits": np.zeros((10**7, 3), np.float32)}))
    return "predictions", b"z" + buffer.getvalue()


def prediction_header(text: str) -> Made:
    head = text.encode() + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    names = ("labels", "indices", "picture_indices", "pictures", "logits")
    return "predictions", b"z" + zipped([(f"{name}.npy", array) for name in names])


def archive(*, name: str = DATA, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> Made:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, size
    # The header alone: what is said to follow need not be there.
    return "archives", b"t" + member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(min(width * height * 3, 10_000_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def parquet(images: pa.Array, labels: pa.Array, **options: Any) -> Made:  # noqa: ANN401
    buffer = io.BytesIO()
    pq.write_table(pa.table({"img": images, "label": labels}), buffer, **options)
    return "parquet", buffer.getvalue()


def images(values: list[Any], kind: pa.DataType | None = None) -> pa.Array:
    typed = pa.array(values, kind or pa.binary())
    return pa.StructArray.from_arrays([typed, pa.array([""] * len(values))], ["bytes", "path"])


def repeated(value: bytes, count: int) -> pa.Array:
    """Give images that are all the same, without taking the memory that they claim."""
    same = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([value]))
    return pa.StructArray.from_arrays([same], ["bytes"])


def labels(count: int) -> pa.Array:
    return pa.array([0] * count, pa.int64())


def hostile_files(marker: Path) -> dict[str, Callable[[], Made]]:
    """Give each file by what it tries; `marker` is what their code would write."""
    small = torch.zeros(4)
    return {
        "code in a checkpoint": lambda: checkpoint({"state_dict": Calls(open, str(marker), "w")}),
        "memory by bytearray": lambda: checkpoint({"a": Calls(bytearray, 3_000_000_000)}),
        "a shape that is not stored": lambda: checkpoint({"a": small[:1].expand(10**10)}),
        "a sparse tensor": lambda: checkpoint({"a": torch.zeros(2, 2).to_sparse()}),
        "a packed checkpoint": packed_checkpoint,
        "two pickles": lambda: (
            "checkpoints",
            b"z" + zipped([("a/data.pkl", b"."), ("b/data.pkl", b".")]),
        ),
        "a pickle": lambda: ("checkpoints", b"z" + b"cposix\nsystem\n(S'touch " + bytes(marker) + b"'\ntR."),
        "code in predictions": lambda: predictions(labels=np.array([Calls(open, str(marker), "w")] * 4)),
        "packed predictions": packed_predictions,
        "elements of no size": lambda: prediction_header(
            "{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000,)}"
        ),
        "a huge shape": lambda: prediction_header(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000)}"
        ),
        "a deep header": lambda: prediction_header("{'descr': " + "-" * 9000 + "1}"),
        "a name above": lambda: archive(name=f"../{DATA}"),
        "an absolute name": lambda: archive(name=str(marker)),
        "a symbolic link": lambda: archive(kind=tarfile.SYMTYPE, link="/etc/passwd"),
        "a hard link": lambda: archive(kind=tarfile.LNKTYPE, link="/etc/passwd"),
        "a device": lambda: archive(kind=tarfile.CHRTYPE),
        "a pipe": lambda: archive(kind=tarfile.FIFOTYPE),
        "a huge header": lambda: archive(kind=tarfile.XHDTYPE, size=8 * 10**9),
        "a packed gigabyte": lambda: ("archives", b"z" + gzip.compress(bytes(2**20)) * 1100),
        "a picture of 400 million pixels": lambda: parquet(images([png(20_000, 20_000)]), labels(1)),
        "a picture of 100 million pixels": lambda: parquet(images([png(10_000, 10_000)]), labels(1)),
        "a repeated long value": lambda: parquet(
            repeated(bytes(3_000_000), 2000), labels(2000), compression="none", store_schema=False
        ),
        "a long dictionary": lambda: parquet(
            repeated(bytes(200_000_000), 100), labels(100), compression="zstd", store_schema=False
        ),
        "a packed page": lambda: parquet(
            images([bytes(200_000_000)]), labels(1), compression="zstd", use_dictionary=False
        ),
        "shared beginnings": lambda: parquet(
            images([bytes(90_000)] * 300),
            labels(300),
            use_dictionary=False,
            column_encoding={"img.bytes": "DELTA_BYTE_ARRAY", "label": "PLAIN"},
        ),
        "text for bytes": lambda: parquet(images(["text"], pa.string()), labels(1)),
        "numbers for bytes": lambda: parquet(images([10**12], pa.int64()), labels(1)),
        "no struct": lambda: parquet(pa.array([b"img"]), labels(1)),
        "lists for a struct": lambda: parquet(pa.array([[{"bytes": b""}]]), labels(1)),
        "labels of text": lambda: parquet(images([png(32, 32)]), pa.array(["1"])),
        "labels of fractions": lambda: parquet(images([png(32, 32)]), pa.array([0.5])),
        "labels that are nested": lambda: parquet(images([png(32, 32)]), pa.array([[1]])),
        "no picture": lambda: parquet(images([None]), labels(1)),
        "no label": lambda: parquet(images([png(32, 32)]), pa.array([None], pa.int64())),
        "too many rows": lambda: parquet(images([None] * 300_000), labels(300_000)),
    }


def peak_in_megabytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    marker = Path(sys.argv[1])
    found = {}
    for name, make in hostile_files(marker).items():
        reader, data = make()
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak is now what is in use
        before, said = peak_in_megabytes(), "read"
        try:
            READERS[reader].read(data)
        except PlumblineError as error:
            said = str(error)
        found[name] = {"said": said, "megabytes": peak_in_megabytes() - before}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
