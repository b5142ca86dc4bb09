"""Records of measurements: JSON files that are new, whole, and say on what they were made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plumbline.errors import PlumblineError
from plumbline.records import write_text
from plumbline.training.journal import now, versions


def check_new(out: Path | None) -> None:
    """Raise PlumblineError if a record would overwrite something."""
    if out is not None and out.exists():
        raise PlumblineError(f"--out {out} exists; nothing was measured or overwritten. Give a new name.")


def make_record(content: dict[str, Any], *, device: str) -> dict[str, Any]:
    """Put the date, the versions and the device before what was measured."""
    return {"date": now(), "versions": versions(), "device": device} | content


def keep(record: dict[str, Any], *, out: Path) -> None:
    """Write a record; its folder is made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, json.dumps(record, indent=1) + "\n")
