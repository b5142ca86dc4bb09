"""Which kind of folder it is, and the report that belongs to it."""

from __future__ import annotations

from pathlib import Path

from plumbline.errors import PlumblineError


def is_comparison(folder: Path) -> bool:
    """Tell a comparison's folder (True) from a run's (False).

    Raises PlumblineError where the folder is neither.
    """
    if (folder / "comparison.json").is_file():
        return True
    if not (folder / "record.json").is_file():
        raise PlumblineError(
            f"{folder} is neither a run nor a finished comparison: expected a record.json in it, as "
            "`plumbline fit` writes, or a comparison.json, as `plumbline compare` writes at its end."
        )
    return False
