"""What can be asked for: frozen, validated, typed recipes. No torch."""

from plumbline.recipes.edit import apply_settings, at_image_size, difference, parse_recipe, suited_to, title
from plumbline.recipes.load import load_recipe
from plumbline.recipes.named import NAMED, claim
from plumbline.recipes.schema import Augmentation, Ema, LinearDecay, MuonSgd, OneCycle, Recipe, Sgd, Swa

__all__ = [
    "NAMED",
    "Augmentation",
    "Ema",
    "LinearDecay",
    "MuonSgd",
    "OneCycle",
    "Recipe",
    "Sgd",
    "Swa",
    "apply_settings",
    "at_image_size",
    "claim",
    "difference",
    "load_recipe",
    "parse_recipe",
    "suited_to",
    "title",
]
