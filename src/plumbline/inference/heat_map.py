"""What a network looked at: where in an image the evidence for a class lies."""

from __future__ import annotations

import torch
from torch import nn

from plumbline.errors import PlumblineError

# Of the maps with this many places a side the last is taken. Measured on CIFAR-10 (docstring of `heat_maps`).
_LEAST_PLACES = 6


def heat_maps(model: nn.Module, *, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Give a map for each image of how much each place speaks for a class.

    HiResCAM (Draelos and Carin, arXiv 2011.08891): each channel of a feature map times its gradient, summed
    over channels, what speaks against left out. Where a mean or a maximum over places and one linear layer
    follow, as in ResNets and SpeedNets on their last map, these sums are the logit itself, divided among the
    places; Grad-CAM's are not, since it averages the gradient over places first.

    The map is the last one of at least 6 x 6 places that no shortcut goes round, or, where none has so many,
    the finest: on small images the very last has 4 x 4 or 2 x 2. Covering the hottest fifth of an image
    lowers the probability of its class by 0.51 (SpeedNet XS at 20 pixels, 300 test images of CIFAR-10) and
    0.48 (ResNet-18 at 16 pixels, 60), with the very last map by 0.27 and 0.21, with Grad-CAM on the same map
    by 0.38 and 0.35.

    Args:
        model: in evaluation mode, images to logits (N, C); neither it nor its gradients are changed.
        images: normalised floats (N, 3, H, W), on the model's device.
        classes: int64 (N,), the class of each image that is asked about.

    Returns:
        float32 (N, h, w) on the CPU, from 0 to 1: each map is divided by its maximum; all 0 where nothing
        speaks for the class.

    Raises:
        PlumblineError: no layer of the model gives such a map.

    """
    with torch.enable_grad():
        logits, maps = _logits_and_maps(model, images=images)
        chosen = logits.gather(1, classes.to(logits.device)[:, None]).sum()
        (gradient,) = torch.autograd.grad(chosen, maps)
    evidence = (gradient * maps.detach()).sum(dim=1).float().clamp_min(0)
    largest = evidence.amax(dim=(1, 2), keepdim=True)
    return (evidence / largest.clamp_min(torch.finfo(torch.float32).tiny)).cpu()


def _logits_and_maps(model: nn.Module, *, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the model, and keep the map that is asked about; layers are seen in the order in which they end."""
    maps: list[torch.Tensor] = []

    def look(_module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4 and output.requires_grad:
            maps.append(output)

    handles = [module.register_forward_hook(look) for module in model.modules() if module is not model]
    start = images.detach().requires_grad_()
    try:
        logits: torch.Tensor = model(start)
    finally:
        for handle in handles:
            handle.remove()
    latest = maps[::-1]  # and sorting keeps the order of equals
    for one in sorted(latest, key=lambda one: -min(*one.shape[2:], _LEAST_PLACES)):
        if _carries_all(one, logits=logits, start=start):
            return logits, one
    raise PlumblineError(
        f"A heat map needs a layer whose output is a map (N, channels, height, width) that all of the answer "
        f"goes through, and {type(model).__name__} has none. Ask without a heat map."
    )


def _carries_all(maps: torch.Tensor, *, logits: torch.Tensor, start: torch.Tensor) -> bool:
    """Tell whether every way from the logits back to `start` leads over `maps`: no shortcut round them."""
    seen, waiting = {maps.grad_fn}, [logits.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if getattr(node, "variable", None) is start:
            return False
        seen.add(node)
        waiting += [before for before, _ in node.next_functions]
    return True
