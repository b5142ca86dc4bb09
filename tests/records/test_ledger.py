"""Looks at test scores are counted, by several processes at once, and a bad ledger stops nobody."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from plumbline.errors import PlumblineError
from plumbline.records.ledger import count_look, ledger_path, looks_at


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "below" / "ledger.sqlite"
    monkeypatch.setenv("PLUMBLINE_LEDGER", str(path))
    return path


def look(fingerprint: str = "f") -> str | None:
    return count_look(fingerprint, dataset="digits", run="run", digest="d", views=1, weights="raw")


def test_looks_are_counted_by_fingerprint(ledger: Path) -> None:
    """Each look counts for its own data set; before the first there are none, and asking makes no file."""
    assert looks_at("f") == 0
    assert not ledger.parent.exists()
    assert [look(), look(), look("other")] == [None, None, None]
    assert (looks_at("f"), looks_at("other"), looks_at("third")) == (2, 1, 0)
    assert [path.name for path in ledger.parent.iterdir()] == ["ledger.sqlite"]


def test_eight_processes_count_at_once(ledger: Path) -> None:
    """Eight processes of 25 looks each, begun together on no file, lose none."""
    code = (
        "import sys; from plumbline.records.ledger import count_look\n"
        "sys.stdin.readline()\n"
        "for _ in range(25):\n"
        "    told = count_look('f', dataset='d', run='r', digest='d', views=1, weights='raw')\n"
        "    assert told is None, told\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    assert looks_at("f") == 200
    assert [path.name for path in ledger.parent.iterdir()] == ["ledger.sqlite"]


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be one" * 50, b"SQLite format 3\0"]
)
def test_a_damaged_ledger_says_so(ledger: Path, content: bytes) -> None:
    """What is no ledger is told of in one line, is not counted in, and is left as it is."""
    ledger.parent.mkdir()
    ledger.write_bytes(content)
    told = look()
    assert told is not None
    assert str(ledger) in told
    assert "\n" not in told
    assert "PLUMBLINE_LEDGER" in told
    with pytest.raises(PlumblineError, match="cannot be used"):
        looks_at("f")
    assert ledger.read_bytes() == content


def test_another_programs_database_is_refused(ledger: Path) -> None:
    """A table of the same name with other columns stops nothing either."""
    ledger.parent.mkdir()
    with closing(sqlite3.connect(ledger)) as base, base:
        base.execute("CREATE TABLE looks (something TEXT)")
    assert "was not counted" in (look() or "")
    with pytest.raises(PlumblineError, match="cannot be used"):
        looks_at("f")


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, or a path below a file, gets the line; nothing is raised."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "ledger.sqlite"):
        monkeypatch.setenv("PLUMBLINE_LEDGER", str(path))
        assert "was not counted" in (look() or "")


def test_a_read_only_ledger_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that may only be read can be asked, and a look is told not to count."""
    # Root may write anywhere, so it becomes nobody, who cannot enter pytest's folders.
    as_nobody = (
        "import os\n"
        "from plumbline.records.ledger import count_look, looks_at\n"
        "if os.geteuid() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(count_look('f', dataset='d', run='r', digest='d', views=1, weights='raw'), looks_at('f'))"
    )
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "ledger.sqlite"
        monkeypatch.setenv("PLUMBLINE_LEDGER", str(path))
        look()
        path.chmod(0o444)
        Path(name).chmod(0o555)
        done = subprocess.run([sys.executable, "-c", as_nobody], capture_output=True, text=True, check=False)
        Path(name).chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "was not counted" in done.stdout
    assert done.stdout.strip().endswith(" 1")


def test_none_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `none` nothing is counted, and the count is None: not known, rather than zero."""
    monkeypatch.setenv("PLUMBLINE_LEDGER", "none")
    assert ledger_path() is None
    assert look() is None
    assert looks_at("f") is None


def test_the_default_is_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PLUMBLINE_LEDGER it lies below XDG_DATA_HOME, or the folder that macOS has for it."""
    monkeypatch.delenv("PLUMBLINE_LEDGER")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert ledger_path() == tmp_path / "plumbline" / "ledger.sqlite"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert ledger_path() == tmp_path / "Library" / "Application Support" / "plumbline" / "ledger.sqlite"


@pytest.mark.parametrize(
    "hostile",
    [
        "CREATE TRIGGER t AFTER INSERT ON looks BEGIN DELETE FROM looks; END",
        "CREATE TABLE other (a)",
        "CREATE INDEX i ON looks (abs(views))",
        (
            "DROP TABLE looks; CREATE VIEW looks AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 "
            "FROM n) SELECT i AS fingerprint FROM n"
        ),
        "DROP TABLE looks; CREATE TABLE looks (fingerprint TEXT, views AS (abs(fingerprint)))",
    ],
)
def test_a_ledger_with_a_schema_of_another_is_not_used(ledger: Path, hostile: str) -> None:
    """A trigger, a view without end or a computed column is not run: the file is refused, and kept."""
    assert look() is None
    with closing(sqlite3.connect(ledger)) as opened:
        opened.executescript(hostile)
    before = ledger.read_bytes()
    trouble = look()
    assert trouble is not None
    assert "it holds another thing than the table of looks" in trouble
    with pytest.raises(PlumblineError, match="Move the file away to begin a new one"):
        looks_at("f" * 64)
    assert ledger.read_bytes() == before
