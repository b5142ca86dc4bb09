"""torchvision's classification networks, adapted to small images."""

from plumbline.models.describe import ModelDescription, describe_model
from plumbline.models.families import FAMILIES, Family
from plumbline.models.registry import create_model, list_models
from plumbline.models.surgery import Change

__all__ = [
    "FAMILIES",
    "Change",
    "Family",
    "ModelDescription",
    "create_model",
    "describe_model",
    "list_models",
]
