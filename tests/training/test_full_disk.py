"""Disks that fill up, folders that cannot be written or that move: checkpoints are intact, no run is lost.

Where this machine lets the test mount a small file system it does; a limit on the size of files does the same
without rights.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from plumbline.data import Dataset
from plumbline.errors import PlumblineError, StopRequested
from plumbline.models import create_model
from plumbline.recipes import NAMED, Recipe, apply_settings
from plumbline.records import RunFolder, create_run_folder, read_record
from plumbline.tensor_files import read_checkpoint
from plumbline.training import callbacks
from plumbline.training.checkpoints import DurableCheckpointIO
from plumbline.training.disk import check_disk, disk_need
from plumbline.training.run import Run
from training.runs import StopsAt, ask, figures_of, same_weights

CHECKPOINT_BYTES = 1_000_000


@pytest.fixture(scope="module")
def tiny() -> Recipe:
    """Give a recipe that trains in a second, with checkpoints of about one MB."""
    settings = {
        "model.name": "speednet_xs",
        "batch_size": 30,
        "epochs": 2,
        "averaging.epochs": 1,
        "resolution": {"train": [12], "test": 12},
    }
    return apply_settings(NAMED["resnet18-quick"](), settings)


@pytest.fixture(scope="module")
def whole(few_digits: Dataset, tiny: Recipe, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Run it once, without interruption."""
    folder = create_run_folder(tmp_path_factory.mktemp("runs") / "whole")
    Run.start(ask(tiny, few_digits), folder=folder).execute()
    return folder


@contextmanager
def small_disk(at: Path, *, megabytes: float) -> Iterator[None]:
    """Mount a file system of that size, or skip the test where it may not."""
    at.mkdir(exist_ok=True)
    size = f"size={int(megabytes * 2**20)}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(at)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", at], check=True)


@contextmanager
def read_only(at: Path, *, how: str) -> Iterator[None]:
    """Make a folder that not even root may write to, or skip the test where that cannot be done."""
    if how == "immutable":
        commands = (["chattr", "+i", str(at)], ["chattr", "-i", str(at)])
    else:
        commands = (["mount", "-o", "remount,ro", str(at)], ["mount", "-o", "remount,rw", str(at)])
    try:
        made = subprocess.run(commands[0], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip(f"{' '.join(commands[0])} cannot be done here")
    try:
        yield
    finally:
        subprocess.run(commands[1], check=True)


def checkpoint(value: float) -> dict[str, object]:
    """Give one of a megabyte."""
    return {"state_dict": {"w": torch.full((CHECKPOINT_BYTES // 4,), value)}}


def held_value(path: Path) -> float:
    """Read what `checkpoint` was made of, from a file that is whole."""
    return float(read_checkpoint(path)["state_dict"]["w"][0])


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    """There is room for two and not for three: the newest two stay, whole, and nothing half beside them."""
    disk = tmp_path / "disk"
    with small_disk(disk, megabytes=2.5):
        writer, last = DurableCheckpointIO(), disk / "last.ckpt"
        for value in (1.0, 2.0):
            writer.save_checkpoint(checkpoint(value), last)
        with pytest.raises(PlumblineError, match=r"last\.ckpt cannot be written: .*The one before is kept"):
            writer.save_checkpoint(checkpoint(3.0), last)
        assert (held_value(last), held_value(disk / "previous.ckpt")) == (2.0, 1.0)
        assert {path.name for path in disk.iterdir()} == {"last.ckpt", "previous.ckpt"}


def test_a_limit_on_the_size_of_files_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    """Needs no rights: the write ends half-way with EFBIG, and the file before it is whole."""
    writer, last = DurableCheckpointIO(), tmp_path / "last.ckpt"
    writer.save_checkpoint(checkpoint(1.0), last)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHECKPOINT_BYTES // 2, before[1]))  # Python ignores SIGXFSZ
    try:
        with pytest.raises(PlumblineError, match="The one before is kept"):
            writer.save_checkpoint(checkpoint(2.0), last)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert held_value(last) == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("how", ["immutable", "remounted"])
def test_a_folder_that_root_cannot_write_leaves_the_old_checkpoint(tmp_path: Path, how: str) -> None:
    """An error that names the file, and the checkpoint in it is as it was."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, megabytes=8) if how == "remounted" else contextlib.nullcontext():
        writer, last = DurableCheckpointIO(), folder / "last.ckpt"
        writer.save_checkpoint(checkpoint(1.0), last)
        with read_only(folder, how=how), pytest.raises(PlumblineError, match=r"last\.ckpt cannot be written"):
            writer.save_checkpoint(checkpoint(2.0), last)
        assert held_value(last) == 1.0


def test_a_temporary_folder_on_another_full_disk_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning stages a checkpoint in TMPDIR; here a full one, on another file system, changes nothing."""
    disk = tmp_path / "tmp"
    with small_disk(disk, megabytes=0.1):
        monkeypatch.setenv("TMPDIR", str(disk))
        monkeypatch.setattr("tempfile.tempdir", None)
        DurableCheckpointIO().save_checkpoint(checkpoint(1.0), tmp_path / "last.ckpt")
        assert list(disk.iterdir()) == []
    assert held_value(tmp_path / "last.ckpt") == 1.0


class FillsTheDisk(StopsAt):
    """A watcher who fills the disk at a step."""

    def __init__(self, step: int, *, disk: Path) -> None:
        super().__init__(step)
        self._disk = disk

    def advance(self, amount: int = 1) -> None:
        """Count, and fill it when it is time."""
        self._left -= amount * self._training
        if self._left == 0:
            with contextlib.suppress(OSError), (self._disk / "filler").open("wb") as file:
                for size in (100_000, 1000, 1):
                    with contextlib.suppress(OSError):
                        while True:
                            file.write(b"x" * size)
                            file.flush()


def test_a_disk_that_fills_up_costs_no_run(
    whole: RunFolder, few_digits: Dataset, tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with an error; with room again it ends on the bits of one that was left alone."""
    monkeypatch.setattr(callbacks, "SAVE_EVERY_SECONDS", 0.0)
    disk = tmp_path / "disk"
    with small_disk(disk, megabytes=40):
        folder = create_run_folder(disk / "run")
        with pytest.raises(PlumblineError, match="cannot be written: "):
            Run.start(ask(tiny, few_digits), folder=folder, progress=FillsTheDisk(4, disk=disk)).execute()
        read_checkpoint(folder.checkpoint("last"))
        (disk / "filler").unlink()
        Run.resume(ask(tiny, few_digits), record=read_record(folder.path), folder=folder).execute()
        for name in ("fit", "raw", "averaged"):
            assert same_weights(whole, folder, name)
        assert figures_of(read_record(folder.path)) == figures_of(read_record(whole.path))
        assert folder.metrics.read_text() == whole.metrics.read_text()


def test_too_small_a_disk_is_told_before_training(few_digits: Dataset, tiny: Recipe, tmp_path: Path) -> None:
    """Nothing was trained, and the words say how much is needed, how much is free and what to do."""
    disk = tmp_path / "disk"
    with small_disk(disk, megabytes=5):
        folder = create_run_folder(disk / "run")
        with pytest.raises(PlumblineError, match=r"needs up to 0\.0\d GB in .* 0\.0\d GB are free .* --out"):
            Run.start(ask(tiny, few_digits), folder=folder).execute()
        assert not folder.checkpoint("last").exists()
        assert read_record(folder.path).status == "failed"


def test_what_a_run_has_written_counts_as_room(tmp_path: Path) -> None:
    """A run that is resumed writes over its own files."""
    disk = tmp_path / "disk"
    with small_disk(disk, megabytes=10):
        (disk / "old").write_bytes(bytes(3_000_000))
        check_disk(9_500_000, folder=disk)
        with pytest.raises(PlumblineError, match=r"up to 0\.02 GB .* 0\.01 GB are free there"):
            check_disk(20_000_000, folder=disk)


def test_the_need_covers_what_a_run_writes(whole: RunFolder) -> None:
    """All that a whole run leaves, and one more checkpoint, is no more than was told."""
    written = sum(path.stat().st_size for path in whole.path.rglob("*") if path.is_file())
    model = create_model("speednet_xs", num_classes=10)
    need = disk_need(model, is_averaged=True, images=60, classes=10)
    assert written + whole.checkpoint("last").stat().st_size <= need


class Moves(StopsAt):
    """A watcher who goes to another folder at once, and presses Ctrl-C at a step."""

    def __init__(self, step: int, *, to: Path) -> None:
        super().__init__(step)
        self._to = to

    def say(self, text: str) -> None:  # noqa: ARG002
        """Go there."""
        os.chdir(self._to)


def test_a_run_may_be_moved_and_its_folder_named_in_any_way(
    whole: RunFolder, few_digits: Dataset, tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder, another working folder meanwhile, then moved and reached by a link."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(StopRequested):
        Run.start(
            ask(tiny, few_digits),
            folder=create_run_folder(Path("run")),
            progress=Moves(5, to=tmp_path / "elsewhere"),
        ).execute()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (tmp_path / "run").rename(tmp_path / "moved % 日本")
    (tmp_path / "link").symlink_to(tmp_path / "moved % 日本")
    folder = RunFolder(Path("../link"))
    Run.resume(ask(tiny, few_digits), record=read_record(folder.path), folder=folder).execute()
    for name in ("fit", "raw", "averaged"):
        assert same_weights(whole, folder, name)
    assert folder.metrics.read_text() == whole.metrics.read_text()
