"""A run on the built-in digits, and one server of it for the tests that change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plumbline.data import load_dataset
from plumbline.inference.trained import TrainedModel, load_trained
from plumbline.recipes import NAMED, apply_settings
from plumbline.records import RunFolder, create_run_folder
from plumbline.serve.limits import Limits
from plumbline.training.run import Run
from serve.running import serving
from training.runs import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Train for a second or two on digits, with a tenth of them held out."""
    settings = {"epochs": 2, "averaging": None, "batch_size": 128}
    folder = create_run_folder(tmp_path_factory.mktemp("serve") / "run")
    recipe = apply_settings(NAMED["swa-quick"](), settings)
    Run.start(ask(recipe, load_dataset("digits")), folder=folder).execute()
    return folder


@pytest.fixture(scope="session")
def trained(digits_run: RunFolder) -> TrainedModel:
    """Load it."""
    return load_trained(digits_run.path, device="cpu")


@pytest.fixture(scope="session")
def client(trained: TrainedModel) -> Iterator[httpx.Client]:
    """Serve it without a limit of rate, and give a client."""
    with serving(trained, limits=Limits(rate=0)) as found:
        yield found
