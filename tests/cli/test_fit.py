"""`plumbline fit` as a new user meets it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cli.runner import TINY, run_process
from plumbline.cli.asked import FitArguments
from plumbline.cli.fitting import _request
from plumbline.progress import SILENT
from plumbline.records import RunFolder, read_record

if TYPE_CHECKING:
    from cli.runner import FinishedRun, Plumbline
    from plumbline.records import Record


def scores(record: Record) -> list[tuple[object, ...]]:
    return [(s.phase, s.weights, s.split, s.correct, s.count, s.loss) for s in record.scores]


def test_a_run_explains_itself(finished: FinishedRun) -> None:
    """Three rows of scores, where the run is, TensorBoard's command and the command that repeats it."""
    out = finished.printed.out
    rows = [line.split("  ")[1] for line in out.splitlines() if line.startswith("  after phase")]
    assert rows == ["after phase one", "after phase two, raw", "after phase two, averaged"]
    assert re.search(r"Run folder +run\n", out)
    assert re.search(r"TensorBoard .*tensorboard --logdir run/tensorboard\n", out)
    assert re.search(r"Again .*plumbline fit run/recipe\.json --data digits --seed 7\n", out)
    assert "on digits, seed 7" in out
    names = {path.name for path in finished.folder.path.iterdir()}
    assert names == {
        *("record.json", "recipe.json", "checkpoints", "tensorboard", "metrics.csv", "log.txt"),
        *("predictions", "report.html"),
    }
    assert re.search(r"Report +run/report\.html\n", out)
    assert "after phase average, averaged weights" in finished.folder.log.read_text()


def test_output_is_plain_where_there_is_no_terminal(finished: FinishedRun) -> None:
    """Neither stream holds a control character, and results alone go to stdout."""
    for text in (finished.printed.out, finished.printed.err):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert "fit 1/2  train loss" in finished.printed.err
    assert "fit 1/2" not in finished.printed.out


def test_without_cifar10_it_goes_on_with_digits(plumbline: Plumbline) -> None:
    """Two lines say what was tried and what is taken instead; folder, table and record say digits."""
    done = plumbline("fit", *TINY[1:])
    assert done.code == 0, done.err
    lines = done.err.splitlines()
    (tried,) = [number for number, line in enumerate(lines) if line.startswith("CIFAR-10 cannot be had here")]
    for words in ("cache: nothing in", "huggingface.co", "cs.toronto.edu"):
        assert words in lines[tried]
    assert "built-in digits" in lines[tried + 1]
    (folder,) = Path("runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-resnet18(-quick)?-changed-digits-seed7", folder.name)
    record = read_record(folder)
    assert record.dataset.name == "digits"
    assert "on digits, seed 7" in done.out


def test_the_recipe_of_a_run_repeats_it(plumbline: Plumbline, finished: FinishedRun) -> None:
    """recipe.json given back gives the same digest, the same title and the very same scores."""
    done = plumbline(
        "fit", str(finished.folder.recipe), "--data", "digits", "--device", "cpu", "--out", "again"
    )
    assert done.code == 0, done.err
    first, again = read_record(finished.folder.path), read_record(Path("again"))
    assert (again.digest, again.title, again.recipe) == (first.digest, first.title, first.recipe)
    assert scores(again) == scores(first)


def test_a_finished_run_is_shown_again(plumbline: Plumbline, finished: FinishedRun) -> None:
    """--resume of a finished run says that there is nothing to do, and prints its table."""
    done = plumbline("fit", "--out", str(finished.folder.path), "--resume")
    assert done.code == 0
    assert "is finished; there is nothing to resume" in done.err
    assert "after phase two, averaged" in done.out


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["resnet18"], "epochs=50, label_smoothing=0.1"),
        (["--epochs", "3"], "different now: epochs=3"),
        (["--set", "averaging=none"], "different now: averaging=null"),
        (["--seed", "8"], "has seed 7, --seed 8 was asked for"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_run_is_not_resumed_as_another(
    plumbline: Plumbline, finished: FinishedRun, typed: list[str], words: str
) -> None:
    """Another recipe or seed with --resume is refused, and what differs is named."""
    done = plumbline("fit", *typed, "--out", str(finished.folder.path), "--resume")
    assert done.code == 2
    assert words in done.err


def test_a_run_is_not_resumed_on_other_data(
    plumbline: Plumbline, finished: FinishedRun, tmp_path: Path
) -> None:
    """Data of another fingerprint is refused."""
    shutil.copytree(finished.folder.path, tmp_path / "run")
    record = tmp_path / "run" / "record.json"
    fingerprint = read_record(finished.folder.path).dataset.fingerprint
    text = record.read_text().replace('"finished",', '"interrupted",', 1).replace(fingerprint, "0" * 64)
    record.write_text(text)
    done = plumbline("fit", "--out", "run", "--resume", "--device", "cpu")
    assert done.code == 2
    assert "Resume with the same data" in done.err


@pytest.mark.parametrize("winograd", [True, False])
def test_a_run_goes_on_with_the_convolutions_it_began_with(
    finished: FinishedRun, monkeypatch: pytest.MonkeyPatch, *, winograd: bool
) -> None:
    """The record says by which algorithm; the rest is trained so, whatever would be chosen now."""
    before = read_record(finished.folder.path)
    device = before.device.model_copy(update={"winograd": winograd, "precision": "fp32"})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT" if winograd else "AVX2")
    asked = FitArguments(
        recipe=None,
        changes={},
        data=None,
        image_size=None,
        skips_bad_images=False,
        leaves_test_alone=False,
        seed=None,
        device="cpu",
        devices=None,
        nodes=None,
        out=finished.folder.path,
        resume=True,
    )
    request = _request(asked, before=before.model_copy(update={"device": device}), progress=SILENT)
    assert request.compute.winograd is winograd


@pytest.mark.parametrize("leftovers", [(), ("checkpoints/", "log.txt")], ids=["empty", "killed at once"])
def test_a_run_that_was_killed_at_once_starts_anew(plumbline: Plumbline, leftovers: tuple[str, ...]) -> None:
    """--resume in a folder without a checkpoint starts the run from its beginning, and says so."""
    Path("run").mkdir()
    for name in leftovers:
        Path("run", name).mkdir() if name.endswith("/") else Path("run", name).touch()
    changes = ("model.name=speednet_xs", "batch_size=256", "epochs=1", "averaging=none")
    typed = [word for change in changes for word in ("--set", change)]
    done = plumbline("fit", *typed, "--device", "cpu", "--data", "digits", "--out", "run", "--resume")
    assert done.code == 0, done.err
    assert "the run starts anew" in done.err
    assert read_record(Path("run")).status == "finished"


@pytest.mark.parametrize("command", [["fit", "--data", "digits"], ["models", "resnet18"]])
def test_a_torchvision_of_another_build_is_explained(tmp_path: Path, command: list[str]) -> None:
    """The CUDA build of torchvision beside a CPU-only torch ends in one paragraph that says what to do."""
    fake = tmp_path / "fake" / "torchvision"
    fake.mkdir(parents=True)
    fake.joinpath("__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    done = run_process(*command, cwd=tmp_path, PYTHONPATH=str(fake.parent))
    assert done.code == 2
    assert done.err.startswith("Error: torch ")
    assert "do not fit together" in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["fake"]


def test_the_folder_of_the_data_is_remembered(finished: FinishedRun, tmp_path: Path) -> None:
    """The command that repeats a run names the folder that its data came from."""
    from plumbline.cli.summary import summary_footer

    record = read_record(finished.folder.path)
    elsewhere = record.dataset.model_copy(update={"source": str(tmp_path)})
    footer = summary_footer(record.model_copy(update={"dataset": elsewhere}), folder=RunFolder(tmp_path))
    assert f"--data {tmp_path} --seed 7" in footer
