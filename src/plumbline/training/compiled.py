"""The training pass of a network through `torch.compile`, compiled before the clock of training starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn

from plumbline.errors import PlumblineError
from plumbline.progress import SILENT, Progress
from plumbline.training.device import Compute
from plumbline.training.memory import is_out_of_memory

_MOST_PROGRAMS = 8  # torch._dynamo.config.recompile_limit; beyond it the network runs as it is, unannounced


class CompiledPass:
    """A network's forward and backward pass, compiled for whole batches.

    Each image size is a program of its own. A smaller batch, such as the last one of an epoch, goes through
    the network as it is: compiling for it too would take longer than it saves. The weights and statistics are
    those of the network itself.
    """

    def __init__(self, model: nn.Module, *, batch_size: int) -> None:
        self._plain, self._batch_size = model, batch_size
        self._compiled = torch.compile(model, dynamic=False)

    def __call__(self, images: Tensor) -> Tensor:
        """Give what the network gives of images (N, 3, H, W)."""
        logits: Tensor = (self._compiled if len(images) == self._batch_size else self._plain)(images)
        return logits

    def compile(self, image_sizes: Sequence[int], *, compute: Compute, progress: Progress = SILENT) -> None:
        """Compile for each image size, in the number format of `compute`; weights and statistics stay.

        Raises PlumblineError where this machine cannot compile, or for more sizes than torch keeps programs.
        """
        sizes = _programs(image_sizes)
        model = self._plain.to(compute.device).train()
        kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
        with progress.task("compile", total=len(sizes), unit="image sizes") as task:
            for size in sizes:
                images = compute.blank_images(self._batch_size, image_size=size)
                with _explaining_no_compiler(), _as_the_trainer_runs_it(compute):
                    logits = self(images)
                    torch.autograd.backward(logits.float().sum())
                model.zero_grad(set_to_none=True)
                task.advance()
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])
        if compute.device.type == "cuda":
            torch.cuda.empty_cache()  # what is free is asked for again before training


def _as_the_trainer_runs_it(compute: Compute) -> AbstractContextManager[None]:
    """Give Lightning's own context of a step: a program compiled in any other would be compiled again."""
    precision = compute.lightning_precision
    if precision == "32-true":
        return nullcontext()
    return MixedPrecision(precision, compute.device.type).forward_context()


def check_compiler(image_sizes: Sequence[int], *, device: torch.device) -> None:
    """Compile next to nothing, so that what cannot be compiled is found out before a run begins.

    Raises PlumblineError where this machine cannot, and for more sizes than torch keeps programs.
    """
    _programs(image_sizes)
    with _explaining_no_compiler():
        torch.compile(torch.square, dynamic=False)(torch.ones(8, device=device))


def _programs(image_sizes: Sequence[int]) -> tuple[int, ...]:
    """Give each size once, or say that there are too many."""
    sizes = tuple(dict.fromkeys(image_sizes))
    if len(sizes) > _MOST_PROGRAMS:
        raise PlumblineError(
            f"compile: expected at most {_MOST_PROGRAMS} image sizes, got {len(sizes)}. Take fewer "
            "(resolution.train), or leave out --compile."
        )
    return sizes


@contextmanager
def _explaining_no_compiler() -> Iterator[None]:
    """Put an error of the compiler inside into words."""
    from torch._dynamo.exc import TorchDynamoException  # seconds, for those who do not compile

    try:
        yield
    except TorchDynamoException as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise PlumblineError(
            f"--compile: torch.compile does not work here: {reason} It needs a C++ compiler (Debian: g++; "
            "macOS: xcode-select --install) and, on a GPU, Triton. Leave --compile out to train without."
        ) from error
