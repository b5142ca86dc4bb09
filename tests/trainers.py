"""A Lightning Trainer for tests: on the CPU, and silent."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer


def quiet_trainer(**settings: Any) -> Trainer:  # noqa: ANN401
    """Give a Trainer that writes nothing and prints nothing, with changes."""
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(**quiet | settings)
