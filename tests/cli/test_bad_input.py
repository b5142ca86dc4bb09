"""Bad input gets one clear paragraph and exit code 2, and nothing is lost or left behind."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

if TYPE_CHECKING:
    from cli.runner import Outcome, Plumbline


NINE_SIZES = f"resolution.train={list(range(24, 33))}"


def refused(done: Outcome) -> str:
    """Check that a command was refused as users are to see it, and give the paragraph."""
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    last: str = done.err.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["resnet81"], "Did you mean 'resnet18'?"),
        (["no/such/recipe.json"], "no/such/recipe.json cannot be read"),
        (["--set", "model.nam=resnet18"], "Did you mean 'model.name'?"),
        (["--set", "schedule.maxrate=1"], "Did you mean 'schedule.max_rate'?"),
        (["--set", "batch_size"], "expected path.to.field=value"),
        (["--set", "batch_size=many"], 'batch_size: input should be a valid integer, got "many"'),
        (["--set", "batch_size=0"], "batch_size: input should be greater than or equal to 1, got 0"),
        (["--set", "augmentation.flip=perhaps"], "augmentation.flip: input should be a valid boolean"),
        (["--precision", "fp8"], "'auto', 'fp32', 'bf16' or 'fp16', got \"fp8\""),
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "-3"], "--epochs"),
        (["--average-epochs", "0"], "--average-epochs"),
        (["speed94", "--average-epochs", "2"], "speed94 has no second phase"),
        (["--seed", "-1"], "--seed"),
        (["--devices", "0"], "--devices"),
        (["--device", "gpu"], "Expected auto, cpu, cuda or mps."),
        (["--data", "digist"], "Did you mean 'digits'?"),
        (["--data", "no/such"], "--data no/such: the data folder no/such does not exist."),
        (["--set", "batch_size=2000"], "larger than the 1,293 training images of digits"),
        (["--set", "model.name=resnet81"], "Did you mean 'resnet18'?"),
        (["--set", "model.name=alexnet"], "Those that work: resnet18"),
        (["speed94", "--compile", "--set", NINE_SIZES], "expected at most 8 image sizes, got 9"),
        (["--set", "resolution.test=8", "--set", "model.name=vgg11_bn"], "pixels a side"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_word_gets_the_right_one(plumbline: Plumbline, typed: list[str], words: str) -> None:
    """Unknown names, keys and values out of range are refused, and no folder is left behind."""
    assert words in refused(plumbline("fit", "--device", "cpu", "--data", "digits", *typed, "--out", "run"))
    assert not Path("run").exists()


def test_resume_needs_a_folder(plumbline: Plumbline) -> None:
    """--resume alone cannot know which run is meant, and says so."""
    assert "--out DIR --resume" in refused(plumbline("fit", "--resume"))


def test_cuda_where_there_is_none(plumbline: Plumbline, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--device cuda` says that there is none, and which devices there are."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    text = refused(plumbline("fit", "--device", "cuda", "--data", "digits"))
    assert "--device cuda" in text
    assert "Available:" in text
    assert "cpu" in text


def test_a_folder_that_is_not_empty_is_never_touched(plumbline: Plumbline) -> None:
    """A file of the user's in --out is still there, alone, and the way out is named."""
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("dear")
    assert "nothing was overwritten" in refused(plumbline("fit", "--data", "digits", "--out", "mine"))
    assert "not a run folder" in refused(plumbline("fit", "--data", "digits", "--out", "mine", "--resume"))
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]


def test_a_place_that_cannot_be_written(plumbline: Plumbline) -> None:
    """A file as --out, or a folder below a file, is refused with its path."""
    Path("file").write_text("")
    assert "--out file is a file" in refused(plumbline("fit", "--data", "digits", "--out", "file"))
    text = refused(plumbline("fit", "--device", "cpu", "--data", "digits", "--out", "file/run"))
    assert "file/run cannot be written" in text


def write_parquet(path: Path, *, images: int) -> None:
    """Write a file in the mirror's layout."""
    png = io.BytesIO()
    Image.new("RGB", (32, 32)).save(png, "PNG")
    rows = [{"bytes": png.getvalue(), "path": f"{row}.png"} for row in range(images)]
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"img": rows, "label": [row % 10 for row in range(images)]}), path)


@pytest.fixture
def damaged(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Give a folder of CIFAR-10 that is damaged in the way that the test names."""
    folder = tmp_path / "damaged"
    for split in ("train", "test"):
        write_parquet(folder / f"{split}-00000-of-00001.parquet", images=20)
    first = folder / "train-00000-of-00001.parquet"
    if request.param == "truncated":
        first.write_bytes(first.read_bytes()[:-100])
    if request.param == "one file missing":
        first.unlink()
    if request.param == "wrong hash":
        sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        (folder / "SHA256SUMS").write_text("".join(f"{sums[name]}  {name}\n" for name in sums))
        write_parquet(first, images=21)
    if request.param == "empty":
        for path in folder.iterdir():
            path.unlink()
    return folder


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        ("truncated", "damaged"),
        ("one file missing", "get the missing files"),
        ("wrong size", "50,000"),
        ("wrong hash", ""),
        ("empty", "is empty; expected train-*.parquet"),
    ],
    indirect=["damaged"],
)
def test_damaged_data_is_refused(plumbline: Plumbline, damaged: Path, words: str) -> None:
    """`fit --data PATH`, `data verify` and `data info` name the path and what is wrong with it."""
    for typed in (
        ["fit", "--device", "cpu", "--data", str(damaged), "--out", "run"],
        ["data", "verify", "cifar10", "--data", str(damaged)],
        ["data", "info", "cifar10", "--data", str(damaged)],
    ):
        text = refused(plumbline(*typed))
        assert str(damaged) in text
        assert words in text
    assert not Path("run").exists()


@pytest.mark.parametrize("damaged", ["wrong hash"], indirect=True)
def test_verify_compares_with_the_sums_beside_the_files(plumbline: Plumbline, damaged: Path) -> None:
    """A file that is not what SHA256SUMS says is named with both hashes."""
    text = refused(plumbline("data", "verify", "cifar10", "--data", str(damaged)))
    assert "train-00000-of-00001.parquet differs from its SHA256SUMS" in text


def test_data_that_was_asked_for_is_never_replaced(plumbline: Plumbline) -> None:
    """`--data cifar10` without data and network fails, says what was tried, and starts no run."""
    done = plumbline("fit", "--device", "cpu", "--data", "cifar10")
    text = refused(done)
    for words in ("cache: nothing in", "huggingface.co", "cs.toronto.edu", "PLUMBLINE_DATA"):
        assert words in text
    assert "digits" not in done.err
    assert not Path("runs").exists()
