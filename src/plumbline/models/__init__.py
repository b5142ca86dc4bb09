"""Classification networks for small images: torchvision's, adapted, and our own."""

from plumbline.models.describe import ModelDescription, describe_model
from plumbline.models.families import FAMILIES, Family
from plumbline.models.registry import create_model, list_models
from plumbline.models.speed_nets import SpeedNet
from plumbline.models.surgery import Change
from plumbline.models.whitening import patch_covariance, whitening_filter
from plumbline.models.winograd import use_winograd

__all__ = [
    "FAMILIES",
    "Change",
    "Family",
    "ModelDescription",
    "SpeedNet",
    "create_model",
    "describe_model",
    "list_models",
    "patch_covariance",
    "use_winograd",
    "whitening_filter",
]
