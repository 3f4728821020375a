"""Networks that make images: a photo in the style of a painting, and images that never were."""

from longspan.generative.adversarial import AdversarialStep
from longspan.generative.gan_training import GanConfig, GanTraining, train_gan
from longspan.generative.image_generator import ImageGenerator, load_generator
from longspan.generative.image_measures import ImageMeasures, Nearest, measure_images, nearest_images
from longspan.generative.style import StyleConfig, StyledPhoto, transfer_style
from longspan.generative.style_training import StyleTraining, apply_style, load_style, save_style, train_style
from longspan.generative.variety import Variety

__all__ = [
    "AdversarialStep",
    "GanConfig",
    "GanTraining",
    "ImageGenerator",
    "ImageMeasures",
    "Nearest",
    "StyleConfig",
    "StyleTraining",
    "StyledPhoto",
    "Variety",
    "apply_style",
    "load_generator",
    "load_style",
    "measure_images",
    "nearest_images",
    "save_style",
    "train_gan",
    "train_style",
    "transfer_style",
]
