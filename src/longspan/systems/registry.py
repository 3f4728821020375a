"""Every ready-made system by its name."""

from __future__ import annotations

from longspan.registry import Registry
from longspan.systems.business.adult import ADULT
from longspan.systems.business.bike_demand import BIKE_DEMAND
from longspan.systems.business.house_prices import HOUSE_PRICES
from longspan.systems.business.random_splits import RANDOM_SPLITS
from longspan.systems.business.store_sales import STORE_SALES
from longspan.systems.captions import CAPTIONS
from longspan.systems.cats_or_dogs import CATS_OR_DOGS
from longspan.systems.claims.depth import DEPTH
from longspan.systems.claims.features import FEATURES
from longspan.systems.claims.feedback import FEEDBACK
from longspan.systems.claims.manifold import MANIFOLD
from longspan.systems.claims.photos import PHOTOS
from longspan.systems.claims.shift import SHIFT
from longspan.systems.claims.two_layers import TWO_LAYERS
from longspan.systems.driving.drive import DRIVE
from longspan.systems.driving.steer import STEER
from longspan.systems.faces import FACES
from longspan.systems.games.play_games import PLAY_GAMES
from longspan.systems.gate.turnstile import TURNSTILE
from longspan.systems.generative.generate_images import GENERATE_IMAGES
from longspan.systems.generative.style import STYLE
from longspan.systems.keywords import KEYWORDS
from longspan.systems.lanes import LANES_SYSTEM
from longspan.systems.mnist_deep_cnn import MNIST_DEEP_CNN
from longspan.systems.movie_reviews import MOVIE_REVIEWS
from longspan.systems.numbers.quickstart import QUICKSTART
from longspan.systems.numbers.read_numbers import READ_NUMBERS
from longspan.systems.objects import OBJECTS
from longspan.systems.pedestrians import PEDESTRIANS
from longspan.systems.rcnn.rcnn_to_faster import RCNN_TO_FASTER
from longspan.systems.scaling.scale_out import SCALE_OUT
from longspan.systems.smaller import SMALLER
from longspan.systems.sound_as_image import SOUND_AS_IMAGE
from longspan.systems.speech.transcribe import TRANSCRIBE
from longspan.systems.spoken.spoken_numbers import SPOKEN_NUMBERS
from longspan.systems.street_scenes import STREET_SCENES
from longspan.systems.system import System
from longspan.systems.translate import TRANSLATE
from longspan.systems.xrays.bone_age import BONE_AGE_SYSTEM
from longspan.systems.xrays.radiology import RADIOLOGY

__all__ = ["SYSTEMS", "find_system"]

SYSTEMS = Registry[System]("system", name_of=lambda system: system.name, summary_of=lambda system: system.summary)
"""Every system by its name. A new one is its file, its test, its page, and one line here."""

for _system in (
    QUICKSTART, READ_NUMBERS, MNIST_DEEP_CNN, CATS_OR_DOGS,
    STREET_SCENES, LANES_SYSTEM, PEDESTRIANS, FACES, OBJECTS, RCNN_TO_FASTER,
    SOUND_AS_IMAGE, KEYWORDS, SPOKEN_NUMBERS, TRANSCRIBE, MOVIE_REVIEWS, TRANSLATE, CAPTIONS,
    ADULT, BIKE_DEMAND, HOUSE_PRICES, STORE_SALES, RANDOM_SPLITS,
    FEEDBACK, TWO_LAYERS, SHIFT, FEATURES, MANIFOLD, DEPTH, PHOTOS,
    BONE_AGE_SYSTEM, RADIOLOGY, TURNSTILE, SCALE_OUT, STEER, STYLE, GENERATE_IMAGES, PLAY_GAMES, DRIVE, SMALLER,
):  # fmt: skip
    SYSTEMS.register()(_system)


def find_system(name: str) -> System:
    """The system called `name`; UnknownNameError with the nearest name if there is none."""
    return SYSTEMS.find(name)
