"""Files are whole or not there, at every moment at which the plug may be pulled."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plumbline import durable
from plumbline.durable import FAIL_POINTS, disk_fault, flush_folder, held, remove_unfinished, replacing
from plumbline.errors import PlumblineError


def write(path: Path, text: str) -> None:
    """Replace a file, keeping the old one as `previous`."""
    with replacing(path, previous=path.with_name("previous")) as file:
        file.write(text.encode())


def test_at_every_fail_point_a_whole_file_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All points are passed in their order, and at each the old or the new file stands under a final name."""
    path, previous = tmp_path / "last", tmp_path / "previous"
    for text in ("first", "second"):
        write(path, text)
    seen = []

    def look(point: str, where: Path) -> None:
        assert where == path
        found = {file.read_text() for file in (path, previous) if file.is_file()}
        assert found <= {"first", "second", "third"}
        assert found & {"second", "third"}
        seen.append(point)

    monkeypatch.setattr(durable, "reached", look)
    write(path, "third")
    assert tuple(seen) == FAIL_POINTS
    assert (path.read_text(), previous.read_text()) == ("third", "second")


@pytest.mark.parametrize("point", FAIL_POINTS)
def test_what_fails_leaves_a_whole_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """An error at any point: the newest whole file is found under one of its names, and nothing beside it."""
    path, previous = tmp_path / "last", tmp_path / "previous"
    write(path, "old")

    def fail(at: str, where: Path) -> None:  # noqa: ARG001
        if at == point:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(durable, "reached", fail)
    with pytest.raises(OSError, match="Input/output"):
        write(path, "new")
    assert (path if path.is_file() else previous).read_text() in {"old", "new"}
    assert {file.name for file in tmp_path.iterdir()} <= {"last", "previous"}


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    """Its unfinished file goes, in folders below too; other hidden files stay."""
    inner = tmp_path / "checkpoints"
    inner.mkdir()
    code = (
        "import os, sys; from pathlib import Path; from plumbline import durable\n"
        "durable.reached = lambda point, path: point == 'before flush' and os.kill(os.getpid(), 9)\n"
        "with durable.replacing(Path(sys.argv[1])) as file: file.write(b'half')\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, inner / "last.ckpt"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in inner.iterdir()] == [".unfinished"]
    (tmp_path / ".mine-12345678").write_text("")
    remove_unfinished(tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"checkpoints", ".mine-12345678"}


def test_a_name_as_long_as_names_can_be_is_written(tmp_path: Path) -> None:
    """The name of the file beside it is shorter than that."""
    path = tmp_path / ("語" * 85)
    assert len(path.name.encode()) == 255
    write(path, "text")
    assert path.read_text() == "text"


def test_a_folder_is_held_by_one_process_until_it_ends(tmp_path: Path) -> None:
    """A second one is refused with what to do; when the first is killed, the folder is free."""
    code = (
        "import sys, time; from pathlib import Path; from plumbline.durable import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(PlumblineError, match="Another process is at work on the run in"), held(tmp_path):
            pass
        other.kill()
    with held(tmp_path):
        pass


def test_a_file_system_that_cannot_flush_folders_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EINVAL says that it cannot; any other error is one."""

    def refuse(number: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("plumbline.durable.os.fsync", lambda _: refuse(errno.EINVAL))
    flush_folder(tmp_path)
    monkeypatch.setattr("plumbline.durable.os.fsync", lambda _: refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        flush_folder(tmp_path)


def test_a_fault_of_the_disk_is_told_with_its_place() -> None:
    """The file is named where it is known, else the folder; other errors are left alone."""
    full = OSError(errno.ENOSPC, "No space left on device", "/data/run/record.json")
    assert str(disk_fault(full, folder=Path("run"))).startswith("/data/run/record.json cannot be written: No")
    assert disk_fault(ValueError("else"), folder=Path("run")) is None
