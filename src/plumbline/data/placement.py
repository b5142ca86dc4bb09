"""Bring tensors to where the images are without waiting for what the device still has to do."""

from __future__ import annotations

import torch


def onto(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Give a tensor of main memory on `device`, itself where it is there already.

    A plain copy to a CUDA device waits until all work in its queue is done. This one waits at most until the
    driver has read what lies in ordinary memory, so the source may be let go at once; a long one may still
    take its time ("API synchronization behavior" in CUDA's documentation). Other devices do not promise that.

    >>> onto(torch.arange(2), torch.device("cpu"))
    tensor([0, 1])
    """
    return tensor.to(device, non_blocking=device.type == "cuda")
