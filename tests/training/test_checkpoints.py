"""Checkpoint files are whole or not there, and cannot run code."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.plugins import TorchCheckpointIO

from plumbline.errors import PlumblineError
from plumbline.tensor_files import read_checkpoint, write_checkpoint
from plumbline.training.checkpoints import DurableCheckpointIO, newest_checkpoint, not_finite, set_aside


def content(value: float = 1.0) -> dict[str, Any]:
    """Give what a checkpoint may hold."""
    return {"state_dict": {"w": torch.full((1000,), value)}, "step": 3, "names": ["a", "b"]}


def test_a_checkpoint_reads_back(tmp_path: Path) -> None:
    """Tensors and plain values survive, and nothing else is left in the folder."""
    path = tmp_path / "checkpoints" / "last.ckpt"
    write_checkpoint(content(), path=path)
    back = read_checkpoint(path)
    assert torch.equal(back["state_dict"]["w"], torch.ones(1000))
    assert back["names"] == ["a", "b"]
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_one_flipped_byte_is_seen(tmp_path: Path) -> None:
    """`torch.load` would load wrong weights; the sha256 tells, and in a file without one the check sum."""
    path = tmp_path / "last.ckpt"
    for is_sealed, told in ((True, "its sha256"), (False, "the check sum of")):
        if is_sealed:
            write_checkpoint(content(), path=path)
        else:
            torch.save(content(), path)
        raw = bytearray(path.read_bytes())
        at = raw.find(torch.ones(4).numpy().tobytes()) + 8
        raw[at] ^= 0x40
        path.write_bytes(raw)
        assert not torch.equal(torch.load(path)["state_dict"]["w"], torch.ones(1000))
        with pytest.raises(PlumblineError, match=told):
            read_checkpoint(path)


def test_no_flipped_bit_passes(tmp_path: Path) -> None:
    """Wherever it is, in the last bytes with the sha256 above all, the file is refused."""
    path = tmp_path / "last.ckpt"
    write_checkpoint(content(), path=path)
    whole = path.read_bytes()
    places = {*range(0, len(whole), 97), *range(len(whole) - 110, len(whole))}
    for place in places:
        raw = bytearray(whole)
        raw[place] ^= 1 << place % 8
        path.write_bytes(raw)
        with pytest.raises(PlumblineError, match="damaged"):
            read_checkpoint(path)


def test_the_sha256_stands_in_no_reader_s_way(tmp_path: Path) -> None:
    """Plain torch.load, mapped or not, Lightning and unzip read the file; and we read one without."""
    path = tmp_path / "last.ckpt"
    write_checkpoint(content(), path=path)
    with path.open("rb") as file:
        loaded = [torch.load(path), torch.load(path, mmap=True), torch.load(file)]
    for read in (*loaded, TorchCheckpointIO().load_checkpoint(path)):
        assert torch.equal(read["state_dict"]["w"], torch.ones(1000))
    with zipfile.ZipFile(path) as archive:
        assert archive.comment.startswith(b"plumbline-sha256:")
        assert archive.testzip() is None
    torch.save(content(), path)
    assert read_checkpoint(path)["step"] == 3


def test_a_damaged_file_never_takes_the_place_of_the_whole_one(tmp_path: Path) -> None:
    """`last` is damaged and `previous` gone on from: with the plug pulled in the next save, one is whole."""
    last, previous = tmp_path / "last.ckpt", tmp_path / "previous.ckpt"
    writer = DurableCheckpointIO()
    for value in (1.0, 2.0):
        writer.save_checkpoint(content(value), last)
    last.write_bytes(last.read_bytes()[:1000])
    found = newest_checkpoint((last, previous))
    assert found is not None
    assert (found.path, list(found.damaged)) == (previous, [last])
    set_aside(found.damaged)

    def pull(point: str, path: Path) -> None:  # noqa: ARG001
        if point == "before rename":
            raise OSError(5, "Input/output error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plumbline.durable.reached", pull)
        with pytest.raises(PlumblineError, match="cannot be written"):
            writer.save_checkpoint(content(3.0), last)
    kept = newest_checkpoint((last, previous))
    assert kept is not None
    assert torch.equal(kept.content["state_dict"]["w"], torch.ones(1000))
    assert (tmp_path / "last.damaged").is_file()


def test_what_is_not_finite_is_named() -> None:
    """Infinite values too; whole numbers and empty sets of weights have none."""
    weights = {"a": torch.tensor([1.0, float("-inf")]), "b": torch.ones(2), "c": torch.tensor(3)}
    assert not_finite(weights) == ["a"]
    assert not_finite({}) == []


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    """Half a checkpoint is no checkpoint."""
    path = tmp_path / "last.ckpt"
    write_checkpoint(content(), path=path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PlumblineError, match="damaged"):
        read_checkpoint(path)


class Payload:
    """Would create a file when unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = str(victim)

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.victim, "w"))


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    """A stranger's file that would run code is refused, and the code did not run."""
    victim, path = tmp_path / "owned", tmp_path / "last.ckpt"
    torch.save({"state_dict": Payload(victim)}, path)
    with pytest.raises(PlumblineError, match="refused"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Payload(victim)))
    with pytest.raises(PlumblineError, match="damaged or is no checkpoint"):
        read_checkpoint(path)
    assert not victim.exists()


def test_a_failed_save_keeps_the_old_file_and_leaves_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full during a save, the checkpoint before it is whole."""
    path = tmp_path / "last.ckpt"
    write_checkpoint(content(1.0), path=path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("plumbline.durable.os.fsync", full)
    with pytest.raises(PlumblineError, match="No space left on device"):
        write_checkpoint(content(2.0), path=path)
    assert torch.equal(read_checkpoint(path)["state_dict"]["w"], torch.ones(1000))
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_an_unwritable_folder_is_an_error_not_a_silence(tmp_path: Path) -> None:
    """Lightning's own saving returns without a file there."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PlumblineError, match="cannot be written"):
        DurableCheckpointIO().save_checkpoint(content(), tmp_path / "file" / "last.ckpt")


@pytest.mark.parametrize("name", ["a b.ckpt", "日本.ckpt", "a::b.ckpt", "%d#.ckpt", "-leading.ckpt"])
def test_odd_names_are_only_names(tmp_path: Path, name: str) -> None:
    """A path is taken as it is, with no meaning read into it."""
    writer = DurableCheckpointIO()
    writer.save_checkpoint(content(), tmp_path / name)
    assert writer.load_checkpoint(tmp_path / name)["step"] == 3
    writer.remove_checkpoint(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
