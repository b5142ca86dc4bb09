"""The README's table of steps."""

from __future__ import annotations

import json
from pathlib import Path

from bench.table import steps_table


def test_a_row_names_its_recipe(tmp_path: Path) -> None:
    """Records of any recipe have a row each; those from before recipes were asked for are of resnet18."""
    arm = {"median": 10.0, "used": 0.5, "n": 6}
    record = {
        "date": "2026-11-24T00:00:00+00:00",
        "device": "A CPU",
        "versions": {"torch": "2.15.0"},
        "arguments": {"batch": 256},
        "summary": {"plain": arm, "fast": arm | {"median": 40.0}},
        "ratio_median": 4.0,
    }
    (tmp_path / "step-a.json").write_text(json.dumps(record))
    (tmp_path / "step-b.json").write_text(
        json.dumps(record | {"arguments": {"batch": 1536, "recipe": "speed94"}})
    )
    first, second = steps_table(tmp_path).splitlines()[2:]
    assert first.startswith("| [resnet18, batch 256](results/step-a.json) | 10.0 (50% of the limit) | 40.0 ")
    assert second.startswith("| [speed94, batch 1536](results/step-b.json)")
