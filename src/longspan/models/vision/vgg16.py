"""What networks built on VGG16 share: its convolutions, and where torchvision's weights keep them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor, nn

__all__ = ["CONVOLUTIONS", "FIRST_CONV", "FromPublished", "stage_channels", "vgg_convolutions", "vgg_stage"]

FIRST_CONV = "features.0.weight"
"""The first convolution's kernels in torchvision's weights."""

CONVOLUTIONS = (2, 2, 3, 3, 3)
"""In each of the five stages."""

_WIDER = (1, 2, 4, 8, 8)


class FromPublished(ABC):
    """A network that starts from torchvision's published weights of another one."""

    published_name: ClassVar[str]
    """That network, by torchvision's name."""

    @abstractmethod
    def from_published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state of the whole network that the state dict `state` stands for, with the network's own names.

        What `state` does not have is left out, and what has no place is kept, for the comparison of names to report.
        """


def stage_channels(width: int) -> tuple[int, ...]:
    """Channels of the five stages, for `width` of the first: 64, 128, 256, 512, 512."""
    return tuple(width * factor for factor in _WIDER)


def vgg_stage(stage: int, in_channels: int, channels: int, *, batch_norm: bool) -> nn.Sequential:
    """The 3 x 3 convolutions of a stage, 0..4, each with ReLU, without the pooling that follows.

    Those before batch normalisation have no bias of their own.
    """
    layers: list[nn.Module] = []
    for number in range(CONVOLUTIONS[stage]):
        reads = channels if number else in_channels
        conv = nn.Conv2d(reads, channels, 3, padding=1, bias=not batch_norm)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
        layers += [conv, nn.BatchNorm2d(channels)] if batch_norm else [conv]
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def vgg_convolutions(*, batch_norm: bool) -> Iterator[tuple[str, str]]:
    """Of every convolution its name in `vgg_stage`s ("0.2": stage, layer) and in torchvision's network."""
    layers = 3 if batch_norm else 2
    published = 0
    for stage, count in enumerate(CONVOLUTIONS):
        for number in range(count):
            yield f"{stage}.{number * layers}", f"features.{published}"
            published += layers
        published += 1  # the pooling
