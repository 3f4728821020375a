"""What every network offers to a head: features, feature maps at strides, and its weights from lower to upper."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from longspan.columns.spec import FeaturesSpec, TokensSpec
from longspan.errors import ConfigError, ShapeError
from longspan.nn import PoolName

__all__ = [
    "Backbone",
    "FeatureMaps",
    "FeatureShapes",
    "Map",
    "check_images",
    "check_same_height",
    "check_same_size",
    "check_size",
    "no_global_pool",
]

Map = Callable[..., Tensor]


@final
@dataclass(frozen=True, slots=True)
class FeatureShapes:
    """What a head is told of the features that its layers will read."""

    num_features: int
    """Length of the vector of an image, or of a step."""
    members: int = 1
    """How many vectors there are of each row, for networks that are ensembles; see `Backbone.members`."""
    channels: tuple[int, ...] = ()
    """Of each map, fine to coarse; empty where the backbone gives no maps."""
    strides: tuple[int, ...] = ()
    """Of each map: pixels of the image from one place to the next."""
    in_channels: int = 3
    """Channels of the image."""
    size_px: tuple[int, int] = (224, 224)
    """Height and width of the images in training."""


@final
@dataclass(frozen=True, slots=True)
class FeatureMaps:
    """Features of B images as heads read them that say something about each place."""

    images: Tensor
    """The prepared images, `(B, C, H, W)`."""
    maps: list[Tensor]
    """`(B, channels[i], H_i, W_i)`, fine to coarse, one for each stride; a map has about `side / stride` places."""


class Backbone(nn.Module, ABC):
    """Abstract: a network without its last layer, the one to the classes, which a head brings.

    Subclasses are final and set every attribute in their `__init__`; those that give one vector leave `sequence` be.
    """

    name: str
    """Under which the network is registered; a config object makes the name of its family."""
    config: object | None
    """The frozen config it was built from, or None where there are no options."""
    in_channels: int
    """Channels of the images it reads."""
    size_px: tuple[int, int]
    """Height and width it was built for. Networks with neither fully connected layers below the pooling nor position
    embeddings read other sizes too."""
    pool: PoolName | None
    """As given to `create`."""
    num_features: int
    """Length of the vector that `forward` gives for one image, or for each step across it."""
    spec: FeaturesSpec | TokensSpec | None = None
    """Of a network that reads the features of a table, or texts, what they are; None for networks of images."""
    narrowed: Mapping[str, list[int]] | None = None
    """Of a network whose layers were made smaller, their sizes by layer; see `models.narrowed`."""
    members: int = 1
    """Above 1, the network is an ensemble: `forward` gives `(B, members, num_features)`, and heads that read a vector
    have layers for each member. Losses and predictions are means over members."""
    sequence: bool = False
    """Whether `forward` gives a vector for each of T steps from left to right, `(B, T, num_features)`."""
    channels: tuple[int, ...]
    """Channels of each map that `features` gives, fine to coarse; empty where there are no maps."""
    strides: tuple[int, ...]
    """Pixels of the image from one place of each map to the next, fine to coarse. A map has about `side / stride`
    places; layers that pad too little or too much for that are named in the class docstring."""

    @abstractmethod
    def forward(self, images: Tensor, /) -> Tensor:
        """What a head reads: `(B, in_channels, H, W)` float to `(B, num_features)`, or `(B, T, num_features)`."""

    @abstractmethod
    def features(self, images: Tensor, /) -> list[Tensor]:
        """Feature maps `(B, channels[i], H_i, W_i)`, fine to coarse, one for each of `strides`."""

    def step_counts(self, lengths: Tensor) -> Tensor | None:
        """Steps that it makes of sequences of so many, `(B,)`; None where only running it tells."""
        del lengths
        return None

    @abstractmethod
    def groups(self) -> list[list[nn.Parameter]]:
        """Parameters, each once, in groups from lower (near the image) to upper, to freeze or to slow down.

        All of them, except layers that never have trained weights and so learn like a head.
        """

    def both(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What `forward` and what `features` give; networks that can do both at once override it."""
        return self.forward(images), self.features(images)

    def parts(self, groups: int) -> tuple[Map, Map] | None:
        """`forward` as two functions, one after the other: the lowest `groups` of `groups()`, and what reads them.

        None where the network is no chain at this place. Networks that can be taken apart override it.
        """
        del groups
        return None


def check_images(images: Tensor, model: Backbone, smallest_px: int) -> None:
    """Refuse `images` that are not (B, in_channels, H, W) with sides of at least `smallest_px`.

    Raises: ShapeError that names what would fit.
    """
    if images.ndim != 4 or images.shape[1] != model.in_channels:
        raise ShapeError(
            f"{model.name} reads (B, {model.in_channels}, H, W), got {tuple(images.shape)}. "
            f"Give images of {model.in_channels} channel(s), or create the model with another in_channels."
        )
    if min(images.shape[2], images.shape[3]) < smallest_px:
        check_size(model.name, (images.shape[2], images.shape[3]), smallest_px)


def check_same_size(images: Tensor, model: Backbone) -> None:
    """Refuse `images` of another height or width than `model` was built for.

    Raises: ShapeError.
    """
    height, width = model.size_px
    if images.shape[2] != height or images.shape[3] != width:
        raise ShapeError(
            f"This {model.name} was built for images of {height} x {width} px, got {images.shape[2]} x "
            f"{images.shape[3]}. Resize the images, or create it with size_px=({images.shape[2]}, {images.shape[3]})."
        )


def check_same_height(images: Tensor, model: Backbone) -> None:
    """Refuse `images` of another height than `model` was built for; it reads any width.

    Raises: ShapeError.
    """
    if images.shape[2] != model.size_px[0]:
        raise ShapeError(
            f"This {model.name} was built for images of {model.size_px[0]} px height and any width, got "
            f"{images.shape[2]} x {images.shape[3]}. Resize the images, or create it with size_px="
            f"({images.shape[2]}, {images.shape[3]})."
        )


def check_size(name: str, size_px: tuple[int, int], smallest_px: int) -> None:
    """Refuse an image size (height, width) with a side below `smallest_px`.

    Raises: ShapeError that names the smallest size that would do.
    """
    if min(size_px) < smallest_px:
        raise ShapeError(
            f"{name} cannot read images of {size_px[0]} x {size_px[1]} px: its layers would leave nothing. "
            f"The smallest size is {smallest_px} x {smallest_px} px; resize the images (size_px={smallest_px})."
        )


def no_global_pool(name: str, pool: PoolName) -> ConfigError:
    """The error for a `pool` asked of a network that does not end in global pooling."""
    return ConfigError(
        f"pool={pool!r} needs a network that ends in global pooling, and {name} has other layers after it. "
        "Leave pool out, or use for example resnet18."
    )
