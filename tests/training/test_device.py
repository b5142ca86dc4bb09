"""Device and precision are chosen once, and what is not here is told."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from plumbline.errors import PlumblineError
from plumbline.training.device import choose_compute, computes_bf16_natively


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_where_there_is_none_is_an_error() -> None:
    """The error names the flag, what is available and what to do."""
    with pytest.raises(PlumblineError, match=r"--device cuda was asked for.*Available: .*cpu.*--device auto"):
        choose_compute("cuda")


@pytest.mark.parametrize(
    ("device", "devices", "precision", "told"),
    [
        ("tpu", 1, "auto", "--device tpu"),
        ("cpu", 0, "auto", "--devices 0"),
        ("cpu", 1, "fp8", "--precision fp8"),
        ("cpu", 1, "fp16", "needs a CUDA device"),
    ],
)
def test_a_choice_that_cannot_be_made_is_told(device: str, devices: int, precision: str, told: str) -> None:
    """Every wrong flag is named in its error."""
    with pytest.raises(PlumblineError, match=told):
        choose_compute(device, devices=devices, precision=precision)


def test_the_precision_follows_the_hardware() -> None:
    """bf16 is taken on a CPU if and only if it computes it itself."""
    expected = "bf16" if computes_bf16_natively("cpu") else "fp32"
    assert choose_compute("cpu").precision == expected
    assert choose_compute("cpu", precision="fp32").precision == "fp32"


@pytest.mark.parametrize(
    ("capability", "precision", "taken"),
    [("AVX2", "fp32", True), ("AVX2", "bf16", False), ("AVX512", "fp32", False), ("DEFAULT", "fp32", False)],
)
def test_winograds_algorithm_is_for_fp32_with_avx2(
    monkeypatch: pytest.MonkeyPatch, capability: str, precision: str, *, taken: bool
) -> None:
    """It is taken where it was measured to be quicker, and nowhere else."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert choose_compute("cpu", precision=precision).winograd is taken


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_large_blocks_are_kept() -> None:
    """Where the allocator keeps large blocks, work on them in turns costs hardly any page fault."""
    code = """
import resource, sys, torch
from plumbline.training.allocator import keep_large_blocks

def work(sizes=(32, 24, 32, 8)):
    for size in sizes:
        one = torch.empty(size * 2**20).fill_(1)
        other = one * 2
        one + other
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

assert sys.argv[1] == "plain" or keep_large_blocks()
before = work()
for _ in range(4):
    after = work()
print(after - before)
"""
    tuned, plain = (
        int(subprocess.run([sys.executable, "-c", code, arm], capture_output=True, check=True).stdout)
        for arm in ("tuned", "plain")
    )
    assert tuned * 5 < plain


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "side"),
    [(3, 3, 1, 32), (64, 3, 1, 32), (64, 3, 2, 32), (64, 1, 2, 32), (256, 3, 2, 8), (256, 1, 2, 8)],
)
def test_bf16_convolutions_of_a_resnet_are_right_here(
    channels: int, kernel: int, stride: int, side: int
) -> None:
    """Forward and both gradients agree with fp32 within bf16's error; older oneDNN was wrong on AMX here."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(channels, 64, kernel, stride, padding=kernel // 2, bias=False)
    conv = conv.to(memory_format=torch.channels_last)
    images = torch.randn(4, channels, side, side).to(memory_format=torch.channels_last)
    results = []
    for autocast in (False, True):
        inputs = images.clone().requires_grad_()
        conv.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            output = conv(inputs)
        torch.autograd.backward(output.float().square().mean())
        assert inputs.grad is not None
        assert conv.weight.grad is not None
        results.append((output.detach().float(), inputs.grad, conv.weight.grad.clone()))
    for exact, rounded in zip(*results, strict=True):
        assert torch.linalg.vector_norm(rounded - exact) < 0.02 * torch.linalg.vector_norm(exact)
