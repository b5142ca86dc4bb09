"""Weights on disk: what a stranger wrote into the settings beside them is never called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from plumbline.errors import PlumblineError
from plumbline.inference.run_weights import read_model
from plumbline.training.classifier import ImageClassifier
from plumbline.training.weights import load_classifier

if TYPE_CHECKING:
    from pathlib import Path

# Before lightning 2.6.6 the first of these ran code even with weights_only (GHSA-qqmf-gpg7-g8gw).
TRICKS = [
    {"_instantiator": "os.mkdir"},
    {"_class_path": "os.mkdir"},
    {"_instantiator": "lightning.pytorch.cli.instantiate_module", "_class_path": "os.mkdir"},
]


def stranger(path: Path, *, trick: dict[str, str], marker: Path) -> Path:
    """Write a file that is right but for names that an older Lightning would have imported and called."""
    classifier = ImageClassifier("speednet_xs", num_classes=2)
    settings = {**classifier.hparams, **trick, "init_args": {"path": str(marker)}, "path": str(marker)}
    content = {
        "pytorch-lightning_version": "2.6.6",
        "hyper_parameters": settings,
        "state_dict": classifier.state_dict(),
        "plumbline": {"classes": ["a", "b"], "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    torch.save(content, path)
    return path


@pytest.mark.parametrize("trick", TRICKS, ids="+".join)
def test_names_of_code_beside_weights_are_refused(tmp_path: Path, trick: dict[str, str]) -> None:
    """Both readers of weights say that this is no file of plumbline's, and nothing is made."""
    marker = tmp_path / "made"
    path = stranger(tmp_path / "raw.ckpt", trick=trick, marker=marker)
    with pytest.raises(PlumblineError, match="holds no weights of a plumbline run"):
        load_classifier(path)
    with pytest.raises(PlumblineError, match=r"raw\.ckpt holds no weights .* _(class_path|instantiator)"):
        read_model(path)
    assert not marker.exists()
