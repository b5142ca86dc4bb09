"""A small stand-in for CIFAR-10 in every form on disk, and the real one where the machine has it."""

from __future__ import annotations

import functools
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from plumbline.data.catalog import CIFAR10, CifarSpec
from plumbline.data.content import RawSplit, content_fingerprint, image_digests
from plumbline.data.images import Dataset
from plumbline.data.load import load_dataset

TRAIN_COUNT, TEST_COUNT = 50, 20


def small_split(count: int, *, seed: int) -> RawSplit:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return RawSplit(pixels, np.arange(count, dtype=np.int64) % 10)


TRAIN, TEST = small_split(TRAIN_COUNT, seed=1), small_split(TEST_COUNT, seed=2)
SPEC: CifarSpec = replace(
    CIFAR10,
    train_count=TRAIN_COUNT,
    test_count=TEST_COUNT,
    mirrors=(),
    fingerprint=content_fingerprint("cifar10", train=image_digests(TRAIN), test=image_digests(TEST)),
)


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], *, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(buffer, format=form)
    return buffer.getvalue()


def write_parquet(path: Path, *, raw: RawSplit, label_column: str = "label") -> None:
    images = [{"bytes": png(pixels), "path": f"{row}.png"} for row, pixels in enumerate(raw.pixels)]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {"img": pa.array(images, struct), label_column: pa.array(raw.labels.tolist(), pa.int64())}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def take(raw: RawSplit, rows: slice) -> RawSplit:
    return RawSplit(raw.pixels[rows], raw.labels[rows])


def write_shards(folder: Path, *, shards: int = 1) -> None:
    """Write the small set as parquet, rows dealt out to the shards in reverse order."""
    for split, raw in (("train", TRAIN), ("test", TEST)):
        for shard in range(shards):
            rows = slice(len(raw.labels) - 1 - shard, None, -shards)
            write_parquet(folder / f"{split}-{shard:05}-of-{shards:05}.parquet", raw=take(raw, rows))


def records(raw: RawSplit) -> bytes:
    labels = raw.labels.astype(np.uint8)[:, None]
    return np.concatenate([labels, raw.pixels.reshape(len(labels), -1)], axis=1).tobytes()


def binary_files() -> dict[str, bytes]:
    fifth = TRAIN_COUNT // 5
    files = {
        f"data_batch_{number + 1}.bin": records(take(TRAIN, slice(number * fifth, (number + 1) * fifth)))
        for number in range(5)
    }
    return {**files, "test_batch.bin": records(TEST)}


def write_binary(folder: Path) -> None:
    place = folder / CIFAR10.binary.folder
    place.mkdir(parents=True)
    for name, data in binary_files().items():
        (place / name).write_bytes(data)


def write_archive(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CIFAR10.binary.archive
    with tarfile.open(path, "w:gz") as archive:
        for name, data in binary_files().items():
            member = tarfile.TarInfo(f"{CIFAR10.binary.folder}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def real_data_folder() -> Path:
    """Give the folder of the real CIFAR-10, or skip the test where the machine has none."""
    given = os.environ.get("PLUMBLINE_DATA")
    folder = Path(given) if given else Path(__file__).parents[3] / "shared" / "data"
    if not (folder / "cifar10").is_dir():
        pytest.skip("no CIFAR-10 on this machine (PLUMBLINE_DATA)")
    return folder


@functools.cache
def real_cifar10() -> Dataset:
    return load_dataset("cifar10", data_dir=real_data_folder())
