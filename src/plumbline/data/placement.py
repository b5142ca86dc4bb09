"""Bring small tensors to where the images are without waiting for what the device still has to do."""

from __future__ import annotations

import torch


def onto(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Give a tensor of main memory on `device`, itself where it is there already.

    A copy to a CUDA device otherwise waits until all work in the queue is done. It need not: what lies in
    ordinary memory is read before the call returns (CUDA's runtime, "API synchronization behavior"). Other
    devices do not promise that.

    >>> onto(torch.arange(2), torch.device("cpu"))
    tensor([0, 1])
    """
    return tensor.to(device, non_blocking=device.type == "cuda")
