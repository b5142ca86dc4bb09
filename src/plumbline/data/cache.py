"""Where downloaded data is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Give $PLUMBLINE_CACHE, or else `plumbline` in the platform's cache folder of the user."""
    if given := os.environ.get("PLUMBLINE_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "plumbline"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "plumbline"
