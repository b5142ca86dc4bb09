"""A run folder without a training: a random SpeedNet whose head was solved for on the digits."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import nn

from plumbline.data import Dataset, load_dataset, normalize, resize
from plumbline.models import create_model
from plumbline.recipes import load_recipe
from plumbline.records import Counts, DatasetPart, DevicePart, Record, RunFolder, ScorePart, write_record
from plumbline.records.predictions import SplitPredictions, write_predictions
from plumbline.tensor_files import write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

HELD_OUT = 200


@cache
def digits() -> Dataset:
    return load_dataset("digits")


@cache
def network() -> tuple[nn.Module, torch.Tensor]:
    """Give the network and its logits for all training images; the last `HELD_OUT` are not learnt from."""
    data = digits()
    model = create_model("speednet_xs", num_classes=10, seed=7).eval()
    head = model.get_submodule("head")
    assert isinstance(head, nn.Linear)
    seen: list[torch.Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = normalize(
        resize(data.train.take(slice(None)), size=20), mean=data.mean, std=data.std, channels_last=True
    )
    with torch.inference_mode():
        model(images)
        hook.remove()
        features, wanted = seen[0][:-HELD_OUT], nn.functional.one_hot(data.train.labels[:-HELD_OUT], 10)
        features = features.double()
        ridge = features.T @ features + 1e-3 * torch.eye(features.shape[1])
        weights = torch.linalg.solve(ridge, features.T @ (10.0 * wanted.double() - 1))
        head.weight.copy_(weights.T)
        return model, model(images)


def handmade_record(*, held_out: bool = True) -> Record:
    data, recipe = digits(), load_recipe("swa-quick")
    parts = [("test", 300, 360)] + ([("validation", 170, HELD_OUT)] if held_out else [])
    return Record(
        status="finished",
        title="swa-quick",
        recipe=recipe,
        digest=recipe.digest,
        seed=7,
        command="plumbline fit",
        started="2026-01-01T00:00:00+00:00",
        dataset=DatasetPart(
            name="digits",
            fingerprint=data.fingerprint,
            source="",
            classes=data.classes,
            counts=Counts(train=1237, validation=HELD_OUT if held_out else 0, test=360),
        ),
        device=DevicePart(
            kind="cpu",
            name="A CPU",
            count=1,
            threads=1,
            precision="fp32",
            channels_last=True,
            allocator_tuned=False,
        ),
        versions={"torch": "2.15.0"},
        scores=tuple(
            ScorePart.model_validate(
                {"phase": "average", "weights": "averaged", "split": split, "loss": 0.5}
                | {"accuracy": right / count, "correct": right, "count": count}
            )
            for split, right, count in parts
        ),
        test_looks=3,
    )


def handmade_run(folder: Path, *, held_out: bool = True, raw_too: bool = False) -> Path:
    """Write the run; with `held_out` it has the validation predictions that a temperature is fitted to."""
    data, (model, logits) = digits(), network()
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    write_record(handmade_record(held_out=held_out), folder=run)
    content = {
        "hyper_parameters": {"model": "speednet_xs", "num_classes": 10, "label_smoothing": 0.0},
        "state_dict": {f"model.{name}": tensor for name, tensor in model.state_dict().items()},
        "plumbline": {
            "dataset": "digits",
            "classes": list(data.classes),
            "mean": list(data.mean),
            "std": list(data.std),
            "image_size": 32,
        },
    }
    for name in ("averaged", *(["raw"] if raw_too else [])):
        write_checkpoint(content, path=run.checkpoint(name))
    if held_out:
        said = SplitPredictions(
            logits[-HELD_OUT:].numpy(),
            data.train.labels[-HELD_OUT:].numpy(),
            np.arange(len(logits) - HELD_OUT, len(logits)),
        )
        write_predictions(run, split="validation", predictions=said)
    return folder


def write_digits(folder: Path, *, count: int) -> list[Path]:
    """Write the first test images as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{place:03}.png" for place in range(count)]
    for place, path in enumerate(paths):
        Image.fromarray(digits().test.take(slice(place, place + 1))[0].permute(1, 2, 0).numpy()).save(path)
    return paths
