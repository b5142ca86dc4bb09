"""Tell before training whether it fits into memory, and which batch size would."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from plumbline.errors import PlumblineError
from plumbline.training.device import Compute

_PROBE = 2  # images; the bytes that backward keeps grow with them in a line
# Beside what backward keeps: gradients in flight and the workspace of convolutions (measured, docs/log.md).
_IN_FLIGHT = 1.6
_COPIES_OF_WEIGHTS = 6  # weights, gradients, momentum, an average, and a checkpoint on its way to disk
_RESERVE = 0.9  # of what is free


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that training needs: `fixed`, and for each image of a batch `per_image`."""

    fixed: int
    per_image: int

    def of(self, batch_size: int) -> int:
        """Give the bytes for batches of that size."""
        return self.fixed + self.per_image * batch_size


def memory_need(model: nn.Module, *, image_size: int, compute: Compute) -> MemoryNeed:
    """Run a copy of the model on two images and count what backward would keep of them.

    `model` maps images (N, 3, S, S) to logits (N, C).
    """
    twin = copy.deepcopy(model).to(compute.device).train()
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    parameters = {parameter.untyped_storage().data_ptr() for parameter in twin.parameters()}
    images = torch.zeros(_PROBE, 3, image_size, image_size, device=compute.device)
    if compute.channels_last:
        images = images.to(memory_format=torch.channels_last)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast(compute.device.type, dtype=compute.autocast, enabled=compute.autocast is not None),
    ):
        twin(images)
    activations = sum(
        tensor.untyped_storage().nbytes() for pointer, tensor in kept.items() if pointer not in parameters
    )
    weights = sum(parameter.numel() * parameter.element_size() for parameter in twin.parameters())
    return MemoryNeed(fixed=_COPIES_OF_WEIGHTS * weights, per_image=int(activations / _PROBE * _IN_FLIGHT))


def free_memory(compute: Compute) -> int | None:
    """Give the bytes that training may use on the device, or None where that cannot be known."""
    if compute.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return int(free)
    found = [_available(), _left_in_group()] if compute.device.type == "cpu" else []
    return min((amount for amount in found if amount is not None), default=None)


def check_memory(need: MemoryNeed, *, batch_size: int, free: int | None) -> None:
    """Raise PlumblineError if batches of that size do not fit, with the size that would."""
    if free is None or need.of(batch_size) <= free * _RESERVE:
        return
    fits = int((free * _RESERVE - need.fixed) // need.per_image)
    advice = (
        f"--set batch_size={fits} fits" if fits >= 2 else "no batch size fits: take a smaller model or images"
    )
    raise PlumblineError(
        f"Training with batches of {batch_size:,} images needs about {need.of(batch_size) / 1e9:.1f} GB of "
        f"memory, and {free / 1e9:.1f} GB are free; {advice}."
    )


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _left_in_group() -> int | None:
    """Give what the control group of a container leaves (cgroup v2); cached files can make way."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else int(limit) - used + int(stat.get("inactive_file", 0))
