"""What was declared before the first run: it cannot be changed once results can have been seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plumbline.errors import PlumblineError
from plumbline.records import write_text


def check_declared(out: Path, *, wanted: Mapping[str, Any]) -> None:
    """Raise PlumblineError where `out` holds other runs than those wanted, or something else."""
    path = declared_file(out)
    if path.is_file():
        before = read_declared(out)
        differs = [key for key, value in wanted.items() if before.get(key) != value]
        if differs:
            words = "; ".join(f"{key} was {before.get(key)}, now {wanted[key]}" for key in differs)
            raise PlumblineError(
                f"In {out} other runs were declared: {words}. What was declared is what counts: give "
                "another --out."
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PlumblineError(
            f"--out {out} exists and holds no declared runs; nothing was overwritten. Give a new name."
        )


def declare(out: Path, *, wanted: Mapping[str, Any]) -> None:
    """Write `declared.json` with the date, where it does not stand yet."""
    path = declared_file(out)
    if not path.exists():
        try:
            out.mkdir(parents=True, exist_ok=True)
            date = datetime.now(UTC).isoformat(timespec="seconds")
            write_text(path, json.dumps({"date": date} | dict(wanted), indent=1) + "\n")
        except OSError as error:
            raise PlumblineError(f"--out {out} cannot be written: {error.strerror}.") from error


def read_declared(out: Path) -> dict[str, Any]:
    """Give what was declared. Raises PlumblineError if the file is damaged."""
    path = declared_file(out)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlumblineError(f"{path} is damaged or cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise PlumblineError(f"{path} is damaged: expected a JSON object, got {type(content).__name__}.")
    return content


def declared_file(out: Path) -> Path:
    """Give the path of `declared.json`."""
    return out / "declared.json"
