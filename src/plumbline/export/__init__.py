"""A trained run as a file for other programs, accepted only after it has agreed with the run itself."""

from plumbline.export.accept import Exported, Refused, Request, export_model
from plumbline.export.graph import PictureClassifier, picture_classifier
from plumbline.export.safetensors_file import load_safetensors

__all__ = [
    "Exported",
    "PictureClassifier",
    "Refused",
    "Request",
    "export_model",
    "load_safetensors",
    "picture_classifier",
]
