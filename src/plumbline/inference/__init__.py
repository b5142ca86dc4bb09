"""A trained run as something to ask: pictures in, calibrated probabilities out. No Lightning."""

from plumbline.inference.trained import (
    TrainedModel,
    load_trained,
    prepare,
    probabilities,
    to_batch,
)

__all__ = ["TrainedModel", "load_trained", "prepare", "probabilities", "to_batch"]
