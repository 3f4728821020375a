"""Networks that make images: a photo in the style of a painting."""

from longspan.generative.style import StyleConfig, StyledPhoto, transfer_style
from longspan.generative.style_training import StyleTraining, apply_style, load_style, save_style, train_style

__all__ = [
    "StyleConfig",
    "StyleTraining",
    "StyledPhoto",
    "apply_style",
    "load_style",
    "save_style",
    "train_style",
    "transfer_style",
]
