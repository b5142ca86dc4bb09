"""The one place where the device and the number format are chosen; all other code reads them from tensors."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from plumbline.errors import PlumblineError
from plumbline.training.allocator import keep_large_blocks

Precision = Literal["fp32", "bf16", "fp16"]
LightningPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]

_LIGHTNING: dict[Precision, LightningPrecision] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


@dataclass(frozen=True)
class Compute:
    """What computes a run.

    `count` is the number of devices (processes, on a CPU) of all `nodes` together. With `winograd`, 3x3
    convolutions are trained by that algorithm where it is quicker.
    """

    device: torch.device
    name: str
    precision: Precision
    count: int = 1
    nodes: int = 1
    allocator_tuned: bool = False
    winograd: bool = False

    @property
    def lightning_precision(self) -> LightningPrecision:
        """The same precision in the words of `lightning.Trainer(precision=…)`."""
        return _LIGHTNING[self.precision]

    @property
    def autocast(self) -> torch.dtype | None:
        """The number format of the fast operations, or None for plain fp32."""
        return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]

    @property
    def channels_last(self) -> bool:
        """Whether images and filters are stored with their channels together: faster on CPU and CUDA."""
        return self.device.type in {"cpu", "cuda"}

    def blank_images(self, count: int, *, image_size: int) -> torch.Tensor:
        """Give zeros (count, 3, image_size, image_size) as a batch of training lies on the device."""
        images = torch.zeros(count, 3, image_size, image_size, device=self.device)
        return images.to(memory_format=torch.channels_last) if self.channels_last else images


def choose_compute(
    device: str = "auto", *, devices: int = 1, nodes: int = 1, precision: str = "auto"
) -> Compute:
    """Choose the device and precision; "auto" takes CUDA, then Apple's MPS, then the CPU.

    `devices` are those of each of `nodes` machines, all alike.

    bf16 is chosen where the hardware computes it natively (CUDA from compute capability 8, CPUs with AMX or
    AVX512-BF16), fp32 elsewhere. For a CPU the C allocator is told to keep large blocks, and in fp32 with
    AVX2 3x3 convolutions are trained by Winograd's algorithm: where else it is faster was not measured.
    Raises PlumblineError for a device that is not here or cannot do the precision.
    """
    kind = _device_kind(device)
    _check_count(kind, devices)
    chosen = _precision(kind, precision)
    return Compute(
        device=torch.device(kind),
        name=_device_name(kind),
        precision=chosen,
        count=devices * nodes,
        nodes=nodes,
        allocator_tuned=kind == "cpu" and keep_large_blocks(),
        winograd=(kind, chosen) == ("cpu", "fp32") and torch.backends.cpu.get_cpu_capability() == "AVX2",
    )


def _device_kind(device: str) -> str:
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(kind for kind, available in here.items() if available)
    if device not in here:
        raise PlumblineError(f"--device {device} is not known. Expected auto, cpu, cuda or mps.")
    if not here[device]:
        available = ", ".join(kind for kind, is_here in here.items() if is_here)
        why = (
            " (this torch was built without CUDA)" if device == "cuda" and torch.version.cuda is None else ""
        )
        raise PlumblineError(
            f"--device {device} was asked for, but torch {torch.__version__} finds no such device here{why}. "
            f"Available: {available}. Use --device auto to take the best of them."
        )
    return device


def _check_count(kind: str, devices: int) -> None:
    most = {"cuda": torch.cuda.device_count(), "mps": 1}.get(kind)
    if devices < 1:
        raise PlumblineError(f"--devices {devices}: expected 1 or more.")
    if most is not None and devices > most:
        raise PlumblineError(
            f"--devices {devices} was asked for, but this machine has {most} {kind} device(s)."
        )


def _precision(kind: str, precision: str) -> Precision:
    native = computes_bf16_natively(kind)
    match precision:
        case "auto":
            return "bf16" if native else "fp32"
        case "fp32":
            return "fp32"
        case "bf16":
            if kind == "mps" or (kind == "cuda" and not native):
                raise PlumblineError(
                    f"--precision bf16: this {kind} device does not compute bf16. Use fp32 or auto."
                )
            return "bf16"
        case "fp16":
            if kind != "cuda":
                raise PlumblineError(
                    f"--precision fp16 needs a CUDA device, got {kind}. Use auto, bf16 or fp32."
                )
            return "fp16"
        case _:
            raise PlumblineError(f"--precision {precision} is not known. Expected auto, fp32, bf16 or fp16.")


def computes_bf16_natively(kind: str) -> bool:
    """Tell whether a device of this kind, on this machine, has bf16 arithmetic of its own."""
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8
    if kind != "cpu":
        return False
    # torch 2.11 has no such function.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    flags = _linux_cpu_info("flags").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _device_name(kind: str) -> str:
    if kind == "cuda":
        return torch.cuda.get_device_name()
    name = _linux_cpu_info("model name") or platform.processor() or platform.machine()
    flags = _linux_cpu_info("flags").split()
    best = next((flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags), "")
    return f"{name} ({best})" if best else name


def _linux_cpu_info(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.split(":")[0].strip() == key), "")
