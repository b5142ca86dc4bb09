"""Training through torch.compile: the same network, compiled before the clock, and to the bit repeatable."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from cli.runner import run_process
from plumbline.data import Dataset
from plumbline.errors import PlumblineError, StopRequested
from plumbline.models import create_model
from plumbline.recipes import NAMED, Recipe, apply_settings
from plumbline.records import create_run_folder, read_record
from plumbline.training.build import build_phase
from plumbline.training.compiled import CompiledPass
from plumbline.training.device import choose_compute
from plumbline.training.run import Run
from training.runs import StopsAt, ask, figures_of, same_weights

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "c++", "clang++"))), reason="torch.compile needs a C++ compiler"
)
SIZES = (9, 12)
BATCH = 30  # of 100 images: the last one is smaller


def small_network() -> nn.Module:
    """Give a network of what ours are made of, with statistics that training moves."""
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.SiLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


@pytest.fixture(scope="module", autouse=True)
def empty_compiler_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile anew, whatever earlier runs of this user have left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        yield


@pytest.fixture(scope="module")
def speed() -> Recipe:
    """Give a compiled recipe of two image sizes that freezes nothing on its way."""
    sizes = {"train": list(SIZES), "test": 12}
    changes = {"model.name": "speednet_xs", "batch_size": BATCH, "epochs": 2, "resolution": sizes}
    return apply_settings(NAMED["speed94"](), {**changes, "compile": True})


def test_it_gives_the_logits_and_gradients_of_the_network_itself() -> None:
    """In fp32 they agree to rounding, for a whole batch of each size and for a smaller one."""
    plain, network = small_network(), small_network()
    compiled = CompiledPass(network, batch_size=8)
    compiled.compile(SIZES, compute=choose_compute("cpu", precision="fp32"))
    for size, count in ((9, 8), (12, 8), (12, 5)):
        images = torch.randn(count, 3, size, size).to(memory_format=torch.channels_last)
        for model, through in ((plain, plain), (network, compiled)):
            model.zero_grad()
            torch.autograd.backward(through(images).square().sum())
        torch.testing.assert_close(compiled(images), plain(images), rtol=1e-4, atol=1e-5)
        for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_in_bf16_its_gradients_are_as_near_to_those_of_fp32_as_the_networks_own() -> None:
    """A maximum over places in half precision has a gradient, which rounding in another order would lose."""
    torch.manual_seed(0)
    network = create_model("speednet_xs", num_classes=10, image_size=9)
    network = network.to(memory_format=torch.channels_last)
    exact, plain = copy.deepcopy(network), copy.deepcopy(network)
    compiled = CompiledPass(network, batch_size=BATCH)
    compiled.compile((9,), compute=choose_compute("cpu", precision="bf16"))
    images = torch.randn(BATCH, 3, 9, 9).to(memory_format=torch.channels_last)
    for through, is_half in ((exact, False), (plain, True), (compiled, True)):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_half, cache_enabled=False):
            logits = through(images)
        torch.autograd.backward(logits.float().square().sum())
    ours, theirs, truths = (
        [weight.grad for weight in one.parameters() if weight.grad is not None]
        for one in (network, plain, exact)
    )
    assert len(ours) > 10
    for mine, own, truth in zip(ours, theirs, truths, strict=True):
        assert (mine - truth).norm() < 1.2 * (own - truth).norm()


def test_compiling_leaves_weights_and_statistics_as_they_were() -> None:
    """What it takes to compile is no training: nothing is moved and no gradient stays."""
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    CompiledPass(network, batch_size=8).compile((9,), compute=choose_compute("cpu", precision="fp32"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_run_compiles_before_its_clock_and_never_again(
    few_digits: Dataset, speed: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole batches of both sizes go through what was compiled; nothing compiles after; the time is told."""
    compile_all, whole_batches = CompiledPass.compile, []

    def then_no_more(compiled: CompiledPass, *sizes: object, **named: object) -> None:
        compile_all(compiled, *sizes, **named)  # type: ignore[arg-type]
        torch.compiler.set_stance("fail_on_recompile")
        through = compiled._compiled

        def noted(images: torch.Tensor) -> torch.Tensor:
            whole_batches.append(tuple(images.shape))
            logits: torch.Tensor = through(images)
            return logits

        compiled._compiled = noted

    monkeypatch.setattr(CompiledPass, "compile", then_no_more)
    folder = create_run_folder(tmp_path / "run")
    try:
        Run.start(ask(speed, few_digits), folder=folder).execute()
    finally:
        torch.compiler.set_stance("default")
    assert whole_batches == [(BATCH, 3, size, size) for size in SIZES for _ in range(3)]
    timing = read_record(folder.path).timing
    assert timing.compile_seconds is not None
    assert timing.compile_seconds > 0


def test_a_compiled_run_that_was_stopped_ends_as_if_it_had_not_been(
    few_digits: Dataset, speed: Recipe, tmp_path: Path
) -> None:
    """Compiled anew, the program computes the same bits."""
    whole, stopped = (create_run_folder(tmp_path / name) for name in ("whole", "stopped"))
    Run.start(ask(speed, few_digits), folder=whole).execute()
    with pytest.raises(StopRequested):
        Run.start(ask(speed, few_digits), folder=stopped, progress=StopsAt(5)).execute()
    record = read_record(stopped.path)
    Run.resume(ask(speed, few_digits), record=record, folder=stopped).execute()
    assert same_weights(whole, stopped, "raw")
    assert figures_of(read_record(stopped.path)) == figures_of(read_record(whole.path))


def test_more_image_sizes_than_torch_keeps_programs_for_are_refused() -> None:
    """Beyond that the network would run as it is, and nobody would know."""
    compiled = CompiledPass(small_network(), batch_size=4)
    with pytest.raises(PlumblineError, match="expected at most 8 image sizes, got 9"):
        compiled.compile(range(9, 18), compute=choose_compute("cpu"))


def test_several_devices_are_refused(few_digits: Dataset, speed: Recipe) -> None:
    """What was never tried is not offered."""
    with pytest.raises(PlumblineError, match="expected one device, got 2"):
        build_phase(speed, phase="fit", dataset=few_digits, seed=7, compute=choose_compute("cpu", devices=2))


def test_a_machine_without_a_compiler_is_told_before_a_run_begins(tmp_path: Path) -> None:
    """One paragraph, exit code 2, no run folder."""
    command = ("fit", "speed94", "--data", "digits", "--compile", "--out", "run", "--set", "batch_size=100")
    caches = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"), "CXX": "/nonexistent/c++"}
    done = run_process(*command, cwd=tmp_path, **caches)
    assert done.code == 2
    assert "--compile: torch.compile does not work here" in done.err
    assert "C++ compiler (Debian: g++" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()
