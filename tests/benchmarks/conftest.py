"""What the benchmarks measure on here: random images, which are made faster than real ones are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def random_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no data set be found, here and in the processes that are started."""
    monkeypatch.delenv("PLUMBLINE_DATA", raising=False)
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
