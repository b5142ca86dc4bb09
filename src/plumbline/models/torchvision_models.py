"""The only place that calls torchvision's networks: builders, and ImageNet weights with errors that help."""

from __future__ import annotations

import hashlib
import pickle
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.client import HTTPException
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from plumbline.engine import explain_import_error
from plumbline.errors import PlumblineError

_PATIENCE_SECONDS = 10.0


def torchvision_names() -> tuple[str, ...]:
    """Give the names of torchvision's classification networks, supported here or not."""
    models = _import_models()
    return tuple(models.list_models(module=models))


def torchvision_model(name: str, *, pretrained: bool) -> nn.Module:
    """Build a network as torchvision does, for 1000 classes.

    Args:
        name: a name of torchvision's registry.
        pretrained: load its default ImageNet weights, downloaded once into torch's cache.

    Raises:
        PlumblineError: the weights cannot be had or are damaged, or torchvision does not fit torch.

    """
    models = _import_models()
    model: nn.Module = models.get_model(name, weights=None)
    if pretrained:
        _load_imagenet(model, name=name, weights=models.get_model_weights(name).DEFAULT)
    return model


def _import_models() -> ModuleType:
    try:
        from torchvision import models
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        explained = explain_import_error(error)
        if explained is None:
            raise
        raise explained from error
    return models  # type: ignore[no-any-return]


def _load_imagenet(model: nn.Module, *, name: str, weights: Any) -> None:  # noqa: ANN401  (torchvision is untyped)
    url: str = weights.url
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    try:
        if file.exists():
            _check_digest(file)
        # torch announces a download on stdout, which belongs to the caller's results.
        with redirect_stdout(sys.stderr), _patience():
            state: dict[str, torch.Tensor] = weights.get_state_dict(
                progress=sys.stderr.isatty(), check_hash=True, map_location="cpu", weights_only=True
            )
        model.load_state_dict({_present_name(key): value for key, value in state.items()})
    except (OSError, HTTPException, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise PlumblineError(
            f"pretrained: expected the ImageNet weights of {name} from {url} or in the cache file {file}, "
            f"got {type(error).__name__}: {error}. Connect to the network and try again; or download that "
            f"address on another machine and put the file, unchanged, at {file} (TORCH_HOME moves this "
            "cache); or start from random weights with pretrained=False."
        ) from error


def _present_name(key: str) -> str:
    """DenseNet's files are older than the rule that forbids dots in names: norm.1 is called norm1 now."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key)


def _check_digest(file: Path) -> None:
    """Compare a cached file with the start of its sha256, which is part of its name; torch does not."""
    expected = re.search(r"-([0-9a-f]{8,})\.", file.name)
    if expected is None:
        return
    with file.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if not actual.startswith(expected[1]):
        raise OSError(f"the cache file is damaged (sha256 {actual[:12]}…): delete it")


@contextmanager
def _patience() -> Iterator[None]:
    """Give up on a silent server; torch sets no time limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
