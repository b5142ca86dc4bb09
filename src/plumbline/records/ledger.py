"""How often somebody has looked at the test score of a data set: a ledger on this machine.

Each look makes the next score on the same images a little less of a test. One SQLite file, by default in
the user's data folder, counts the looks by the fingerprint of the data; PLUMBLINE_LEDGER names another file,
or is `none` for no ledger. Nothing in it is needed for a run, and no run fails because of it.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

from plumbline.errors import PlumblineError

_WAIT_SECONDS = 20.0
_TABLE = """CREATE TABLE looks (
    looked TEXT NOT NULL, fingerprint TEXT NOT NULL, dataset TEXT NOT NULL,
    run TEXT NOT NULL, digest TEXT NOT NULL, views INTEGER NOT NULL, weights TEXT NOT NULL
)"""


def ledger_path() -> Path | None:
    """Give $PLUMBLINE_LEDGER, or else the file in the user's data folder; None for `none`."""
    if given := os.environ.get("PLUMBLINE_LEDGER"):
        return None if given == "none" else Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "plumbline" / "ledger.sqlite"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "plumbline" / "ledger.sqlite"


def count_look(
    fingerprint: str, *, dataset: str, run: str, digest: str, views: int, weights: str
) -> str | None:
    """Count one look at a test score; give None, or one line that says why it could not be counted.

    Never raises for what is wrong with the ledger. `fingerprint` is that of the data set, `run` names the run
    folder, `digest` the recipe, `views` and `weights` what was scored. Several processes may count at once.
    """
    try:
        path = ledger_path()
        if path is None:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        with closing(_open(path)) as ledger, ledger:
            # Taken before the table is made, so that two first looks do not fail for each other.
            ledger.execute("BEGIN IMMEDIATE")
            if not _has_table(ledger):
                ledger.execute(_TABLE)
            told = run.encode(errors="backslashreplace").decode()  # a folder's name need not be Unicode
            row = (now, fingerprint, dataset, told, digest, views, weights)
            ledger.execute("INSERT INTO looks VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    except (OSError, RuntimeError, sqlite3.Error) as error:
        return f"This look at the test images was not counted: {_trouble(error)}"
    return None


def looks_at(fingerprint: str) -> int | None:
    """Give how many looks at the data set with this fingerprint are counted; None without a ledger.

    Raises PlumblineError where there is a ledger that cannot be read.
    """
    try:
        path = ledger_path()
        if path is None:
            return None
        if not path.exists():
            return 0
        with closing(_open(path, read_only=True)) as ledger:
            if not _has_table(ledger):
                return 0
            counted = ledger.execute("SELECT COUNT(*) FROM looks WHERE fingerprint = ?", (fingerprint,))
            return int(counted.fetchone()[0])
    except (OSError, RuntimeError, sqlite3.Error) as error:
        raise PlumblineError(_trouble(error)) from error


def looks_counted(fingerprint: str) -> int | None:
    """Give what `looks_at` gives; None, too, where the ledger cannot be read."""
    try:
        return looks_at(fingerprint)
    except PlumblineError:
        return None


def _has_table(ledger: sqlite3.Connection) -> bool:
    """Tell whether the table is there; raise sqlite3.Error where the file holds anything else.

    A trigger, a view or a computed column in a stranger's file would be run by what we ask of the table.
    """
    schema = ledger.execute("SELECT sql FROM sqlite_master").fetchall()
    if schema not in ([], [(_TABLE,)]):
        raise sqlite3.DatabaseError("it holds another thing than the table of looks")
    return bool(schema)


def _open(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    # Without a write-ahead log: that would leave two more files, and does not work on network disks.
    name = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    return sqlite3.connect(name, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)


def _trouble(error: Exception) -> str:
    where = os.environ.get("PLUMBLINE_LEDGER") or "the user's data folder"
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (
        f"the ledger in {where} cannot be used ({words}). Move the file away to begin a new one, or name "
        "another with the environment variable PLUMBLINE_LEDGER (none: no ledger)."
    )
