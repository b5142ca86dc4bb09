"""Tell before training whether it fits into memory, and which batch size would."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from plumbline.data.free_memory import free_main_memory
from plumbline.errors import PlumblineError
from plumbline.training.device import Compute, computes_bf16_natively

_PROBES = (2, 4)  # images; the bytes that backward keeps grow with them in a line
# Beside what backward keeps: gradients in flight and the workspace of convolutions (measured, docs/log.md).
_IN_FLIGHT = 1.6
_COPIES_OF_WEIGHTS = 6  # weights, gradients, momentum, an average, and a checkpoint on its way to disk
_RESERVE = 0.9  # of what is free
# torch has no class of its own for a CPU that has none left.
_OUT_OF_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that training needs: `fixed`, and for each image of a batch `per_image`."""

    fixed: int
    per_image: int

    def of(self, batch_size: int) -> int:
        """Give the bytes for batches of that size."""
        return self.fixed + self.per_image * batch_size

    def largest_batch(self, free: int) -> int:
        """Give the largest batch that fits into so many bytes; 0 or less where none does."""
        return int((free * _RESERVE - self.fixed) // self.per_image)


def memory_need(model: nn.Module, *, image_size: int, compute: Compute) -> MemoryNeed:
    """Run a copy of the model on two images, then on four, and count what backward would keep of them.

    `model` maps images (N, 3, S, S) to logits (N, C). What does not grow with the images, such as copies of
    the weights in half precision, belongs to `fixed`.
    """
    twin = copy.deepcopy(model).to(compute.device).train()
    few, more = (_kept(twin, images=count, image_size=image_size, compute=compute) for count in _PROBES)
    per_image = (more - few) / (_PROBES[1] - _PROBES[0])
    weights = sum(parameter.numel() * parameter.element_size() for parameter in twin.parameters())
    return MemoryNeed(
        fixed=int(_COPIES_OF_WEIGHTS * weights + few - per_image * _PROBES[0]),
        per_image=int(per_image * _IN_FLIGHT),
    )


def _kept(model: nn.Module, *, images: int, image_size: int, compute: Compute) -> int:
    """Count the bytes that backward would keep of so many images, the parameters themselves left out."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast(compute.device.type, dtype=compute.autocast, enabled=compute.autocast is not None),
    ):
        model(compute.blank_images(images, image_size=image_size))
    return sum(
        tensor.untyped_storage().nbytes() for pointer, tensor in kept.items() if pointer not in parameters
    )


def free_memory(compute: Compute) -> int | None:
    """Give the bytes that training may use on the device, or None where that cannot be known."""
    if compute.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return int(free)
    return free_main_memory() if compute.device.type == "cpu" else None


def check_memory(need: MemoryNeed, *, batch_size: int, free: int | None) -> None:
    """Raise PlumblineError if batches of that size do not fit, with the size that would."""
    if free is None or need.of(batch_size) <= free * _RESERVE:
        return
    fits = need.largest_batch(free)
    advice = (
        f"--set batch_size={fits} fits" if fits >= 2 else "no batch size fits: take a smaller model or images"
    )
    raise PlumblineError(
        f"Training with batches of {batch_size:,} images needs about {need.of(batch_size) / 1e9:.1f} GB of "
        f"memory, and {free / 1e9:.1f} GB are free; {advice}."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY_WORDS)


def out_of_memory(
    model: nn.Module, *, image_size: int, batch_size: int, compute: Compute, free: int | None
) -> PlumblineError:
    """Say that training with batches of that size ran out of memory, and what would fit.

    `free` are the bytes that were free before training. Half the batch is named at most, since what was
    estimated was too little; where nothing can be estimated, half of it is named.
    """
    if compute.device.type == "cuda":
        torch.cuda.empty_cache()
    precisions = {compute.precision}
    if compute.precision == "fp32" and computes_bf16_natively(compute.device.type):
        precisions.add("bf16")
    words = []
    for precision in sorted(precisions, reverse=True):  # fp32 before bf16
        it = replace(compute, precision=precision)
        fits = _batch_that_fits(model, image_size=image_size, batch_size=batch_size, compute=it, free=free)
        words.append(f"--set batch_size={fits} at --precision {precision}")
    return PlumblineError(
        f"Memory ran out while training with batches of {batch_size:,} images at {compute.precision}. What "
        f"would fit: {', or '.join(words)}, in a new run. What was saved before is kept."
    )


@contextmanager
def explaining_out_of_memory(
    model: nn.Module, *, image_size: int, batch_size: int, compute: Compute
) -> Iterator[None]:
    """Put an error of memory that ran out inside into words: see `out_of_memory`."""
    free = free_memory(compute)
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold what filled the memory
        raise out_of_memory(
            model, image_size=image_size, batch_size=batch_size, compute=compute, free=free
        ) from error


def _batch_that_fits(
    model: nn.Module, *, image_size: int, batch_size: int, compute: Compute, free: int | None
) -> int:
    half = max(2, batch_size // 2)
    try:
        need = memory_need(model, image_size=image_size, compute=compute)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return half
    fits = half if free is None else need.largest_batch(free) * compute.count
    return max(2, min(half, fits))
