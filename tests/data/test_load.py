import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from https_server import https_server
from small_cifar import (
    SPEC,
    TEST,
    TRAIN,
    png,
    real_cifar10,
    small_split,
    write_archive,
    write_binary,
    write_parquet,
    write_shards,
)

from plumbline.data.catalog import CIFAR10, CIFAR100, CifarSpec, Mirror, PublishedFile
from plumbline.data.content import RawSplit, channel_statistics
from plumbline.data.folders import DataFiles
from plumbline.data.load import DataUnavailable, fetch_cifar, load_cifar, load_dataset
from plumbline.data.read import file_sha256, read_files
from plumbline.errors import PlumblineError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the person's own data and cache."""
    monkeypatch.delenv("PLUMBLINE_DATA", raising=False)
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"


def write(form: str, folder: Path) -> None:
    if form == "binary":
        write_binary(folder)
    elif form == "archive":
        write_archive(folder)
    else:
        write_shards(folder, shards=int(form))


@pytest.mark.parametrize("form", ["1", "3", "archive", "binary"])
def test_every_form_gives_the_same_data(tmp_path: Path, form: str) -> None:
    """Parquet in any number of shards and row order, the archive and its files give the same tensors."""
    write("1", tmp_path / "reference")
    write(form, tmp_path / "data")
    expected = load_cifar(SPEC, data_dir=tmp_path / "reference")
    got = load_cifar(SPEC, data_dir=tmp_path / "data")
    assert got.fingerprint == SPEC.fingerprint
    assert torch.equal(got.train.images, expected.train.images)
    assert torch.equal(got.train.labels, expected.train.labels)
    assert torch.equal(got.test.images, expected.test.images)
    assert (got.mean, got.std) == (expected.mean, expected.std)


def test_given_folder_is_the_only_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is named and lacks the data is an error, even where PLUMBLINE_DATA has it."""
    write_shards(tmp_path / "good")
    monkeypatch.setenv("PLUMBLINE_DATA", str(tmp_path / "good"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("x")
    with pytest.raises(PlumblineError, match="holds no cifar10"):
        load_cifar(SPEC, data_dir=tmp_path / "other")
    with pytest.raises(PlumblineError, match="does not exist"):
        load_cifar(SPEC, data_dir=tmp_path / "missing")
    assert "good" in load_cifar(SPEC).source


def test_damaged_copies_are_never_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged copy that the person pointed at is an error, though the cache has a good one."""
    write_shards(tmp_path / "cache" / "cifar10")
    write_binary(tmp_path / "data")
    (tmp_path / "data" / CIFAR10.binary.folder / "test_batch.bin").write_bytes(bytes(3073 * 20))
    monkeypatch.setenv("PLUMBLINE_DATA", str(tmp_path / "data"))
    with pytest.raises(PlumblineError, match="are not those of cifar10: expected the content hash"):
        load_cifar(SPEC)
    monkeypatch.setenv("PLUMBLINE_DATA", str(tmp_path / "missing"))
    with pytest.raises(PlumblineError, match=r"PLUMBLINE_DATA: .* does not exist"):
        load_cifar(SPEC)
    monkeypatch.delenv("PLUMBLINE_DATA")
    assert load_cifar(SPEC).source.startswith("cache")


def test_everything_that_was_tried_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing has the data, each thing tried has its line."""
    (tmp_path / "data" / "cifar100").mkdir(parents=True)
    monkeypatch.setenv("PLUMBLINE_DATA", str(tmp_path / "data"))
    with pytest.raises(DataUnavailable) as caught:
        load_cifar(SPEC, download=False)
    assert [line.split(":")[0] for line in caught.value.attempts] == ["PLUMBLINE_DATA", "cache", "mirrors"]
    assert "--data PATH" in str(caught.value)


def test_wrong_count_and_label(tmp_path: Path) -> None:
    """A split with other counts or labels is refused, and the text says which numbers were expected."""
    write_shards(tmp_path)
    with pytest.raises(PlumblineError, match="expected 51 training images, got 50"):
        load_cifar(replace(SPEC, train_count=51), data_dir=tmp_path)
    with pytest.raises(PlumblineError, match="expected labels from 0 to 4 in the training split"):
        load_cifar(replace(SPEC, classes=SPEC.classes[:5]), data_dir=tmp_path)


def test_wrong_image_size(tmp_path: Path) -> None:
    """Images that are not 32x32 are refused, with file and row."""
    write_shards(tmp_path)
    large = RawSplit(np.zeros((1, 3, 64, 64), np.uint8), np.zeros(1, np.int64))
    write_parquet(tmp_path / "test-00000-of-00001.parquet", raw=large)
    with pytest.raises(PlumblineError, match=r"row 0: expected an RGB image of 32x32, got RGB of \(64, 64\)"):
        load_cifar(SPEC, data_dir=tmp_path)
    assert len(png(large.pixels[0])) > 0


def spec_with_mirrors(base: str, tmp_path: Path) -> tuple[CifarSpec, dict[str, bytes]]:
    """Offer the small set at two mirrors of a local server, as Hugging Face and Toronto do."""
    write_shards(tmp_path / "offered")
    write_archive(tmp_path / "offered")
    names = ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet", CIFAR10.binary.archive)
    contents = {name: (tmp_path / "offered" / name).read_bytes() for name in names}
    files = [
        PublishedFile(f"{base}/{name}", len(data), hashlib.sha256(data).hexdigest())
        for name, data in contents.items()
    ]
    mirrors = (Mirror("first", "plain_text", tuple(files[:2])), Mirror("second", ".", (files[2],)))
    return replace(SPEC, mirrors=mirrors), contents


def with_path(spec: CifarSpec, behaviour: str) -> CifarSpec:
    """Let the first mirror misbehave."""
    first = spec.mirrors[0]
    files = tuple(
        replace(file, url=file.url.replace(file.name, f"{behaviour}/{file.name}")) for file in first.files
    )
    return replace(spec, mirrors=(replace(first, files=files), *spec.mirrors[1:]))


def test_mirrors_in_order(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first mirror is used, then the cache; a damaged file in the cache is downloaded anew."""
    with https_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        spec, server.files = spec_with_mirrors(server.base, tmp_path)
        assert load_cifar(spec).source.startswith("first")
        assert load_cifar(spec).source.startswith("cache")
        assert len(server.asked) == 2
        damaged = cache / "cifar10" / "plain_text" / "test-00000-of-00001.parquet"
        damaged.write_bytes(damaged.read_bytes()[:-100])
        assert load_cifar(spec).source.startswith("first")
        assert len(server.asked) == 3
        assert load_cifar(spec, download=False).source.startswith("cache")


@pytest.mark.parametrize("behaviour", ["503", "corrupt", "longer", "to-http"])
def test_next_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> None:
    """A mirror that is down, sends other bytes or wants http is passed over, and the next one is used."""
    with https_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        spec, server.files = spec_with_mirrors(server.base, tmp_path)
        assert load_cifar(with_path(spec, behaviour)).source.startswith("second")
        assert load_cifar(spec, download=False).source.startswith("cache")


def test_all_mirrors_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every mirror fails, each has its line with the reason, and nothing counts as a copy."""
    with https_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        spec, _ = spec_with_mirrors(server.base, tmp_path)
        broken = replace(with_path(spec, "503"), mirrors=with_path(spec, "503").mirrors[:1])
        with pytest.raises(DataUnavailable, match="first: localhost answers 503") as caught:
            fetch_cifar(broken)
        assert len(caught.value.attempts) == 2
    with pytest.raises(DataUnavailable, match="second: localhost cannot be reached"):
        fetch_cifar(spec)


def test_unknown_content_needs_published_files(tmp_path: Path) -> None:
    """Without a known content hash (CIFAR-100), only files with a published sha256 are accepted."""
    write_shards(tmp_path)
    files = DataFiles(
        "parquet",
        train=(tmp_path / "train-00000-of-00001.parquet",),
        test=(tmp_path / "test-00000-of-00001.parquet",),
    )
    with pytest.raises(PlumblineError, match="is not a published file of cifar10"):
        read_files(files, spec=replace(SPEC, fingerprint=None), source="here")
    published = tuple(PublishedFile(f"https://x/{path.name}", 1, file_sha256(path)) for path in files.all)
    accepting = replace(SPEC, fingerprint=None, mirrors=(Mirror("x", ".", published),))
    assert read_files(files, spec=accepting, source="here").fingerprint == SPEC.fingerprint
    assert CIFAR100.fingerprint is None


def test_real_cifar10() -> None:
    """The real CIFAR-10 has the pinned fingerprint, equal classes and the known statistics."""
    dataset = real_cifar10()
    assert dataset.fingerprint == CIFAR10.fingerprint
    assert torch.bincount(dataset.train.labels).tolist() == [5000] * 10
    assert torch.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert dataset.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=5e-5)
    assert dataset.std == pytest.approx((0.2470, 0.2435, 0.2616), abs=5e-5)
    assert channel_statistics(dataset.test.images).mean != dataset.mean


def test_real_cifar10_from_binary_files(tmp_path: Path) -> None:
    """The real data, written as the official binary files, is the same data set, in the same order."""
    dataset = real_cifar10()
    place = tmp_path / CIFAR10.binary.folder
    place.mkdir()
    order = torch.randperm(50_000, generator=torch.Generator().manual_seed(1))
    shuffled = dataset.train.select(order)
    for number, name in enumerate((*CIFAR10.binary.train, *CIFAR10.binary.test)):
        part = shuffled if number < 5 else dataset.test
        rows = slice(number * 10_000, (number + 1) * 10_000) if number < 5 else slice(None)
        labels = part.labels[rows].to(torch.uint8)[:, None]
        records = torch.cat([labels, part.images[rows].flatten(1)], dim=1)
        (place / name).write_bytes(records.numpy().tobytes())
    again = load_dataset("cifar10", data_dir=tmp_path)
    assert again.fingerprint == dataset.fingerprint
    assert torch.equal(again.train.images, dataset.train.images)
    assert torch.equal(again.test.labels, dataset.test.labels)


def test_raw_splits_are_what_the_tests_say() -> None:
    """The stand-in is made of distinct images, so that an order can be wrong at all."""
    for raw in (TRAIN, TEST, small_split(3, seed=9)):
        assert len(np.unique(raw.pixels.reshape(len(raw.labels), -1), axis=0)) == len(raw.labels)
