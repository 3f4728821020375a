"""A feature pyramid on the maps of any backbone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, final

from torch import Tensor, nn
from torch.nn import functional as F

from longspan.errors import ConfigError

__all__ = ["ImageMaps", "Pyramid"]


class ImageMaps(Protocol):
    """What detectors read: images and what a backbone made of them."""

    @property
    def images(self) -> Tensor:
        """The images, `(B, C, H, W)`."""
        ...

    @property
    def maps(self) -> list[Tensor]:
        """`(B, channels, H_i, W_i)`, fine to coarse."""
        ...


@final
class Pyramid(nn.Module):
    """Maps of one width at doubling strides: those of the backbone from `finest` on, and coarser ones by subsampling.

    There is one level above the backbone's coarsest map (for people as large as the image), more if there would be
    fewer than three in all. Maps of convolutions without padding lack places at the border; they are filled up with
    zeros to `ceil(side / stride)` places, so that a place means the same spot of the image in every map.

    Source: Lin et al. 2017, "Feature pyramid networks for object detection", section 3, by torchvision's
    `FeaturePyramidNetwork` and `LastLevelMaxPool`.
    """

    def __init__(
        self, channels: Sequence[int], strides: Sequence[int], size_px: tuple[int, int], width: int, finest: int
    ) -> None:
        """Choose from the maps that a backbone has.

        Args:
            channels: of each map, fine to coarse.
            strides: of each map.
            size_px: height and width of the images; maps with a single place across are left out.
            width: channels of every level.
            finest: stride of the finest map that is used.

        Raises:
            ConfigError: there is no such map.
        """
        from torchvision.ops import FeaturePyramidNetwork

        super().__init__()
        # Of several maps with one stride the last is the one that knows most.
        by_stride = {stride: index for index, stride in enumerate(strides)}
        self.chosen = tuple(
            index for stride, index in sorted(by_stride.items()) if stride >= finest and 2 * stride <= min(size_px)
        )
        if not self.chosen:
            raise ConfigError(
                f"A detector needs feature maps at strides of {finest} or more, for images of {size_px[0]} x "
                f"{size_px[1]} px of at most {min(size_px) // 2}; this network has maps at {tuple(strides) or 'none'}. "
                "Use for example resnet18 or squeezenet1_1, larger images, or finest_stride=."
            )
        self.backbone_strides = tuple(strides[index] for index in self.chosen)
        for one, next_one in zip(self.backbone_strides, self.backbone_strides[1:], strict=False):
            if next_one != 2 * one:
                raise ConfigError(f"A detector needs maps whose strides double, got {self.backbone_strides}.")
        self.num_pooled = max(1, 3 - len(self.chosen))
        top = self.backbone_strides[-1]
        self.strides = (*self.backbone_strides, *(top * 2**step for step in range(1, self.num_pooled + 1)))
        self.network = FeaturePyramidNetwork([channels[index] for index in self.chosen], width)

    def forward(self, features: ImageMaps) -> list[Tensor]:
        """`(B, width, ceil(H / stride), ceil(W / stride))` for each of `strides`."""
        size = features.images.shape[2:]
        chosen = zip(self.chosen, self.backbone_strides, strict=True)
        filled = OrderedDict((str(index), _fill(features.maps[index], size, stride)) for index, stride in chosen)
        levels = list(self.network(filled).values())
        for _ in range(self.num_pooled):
            levels.append(F.max_pool2d(levels[-1], kernel_size=1, stride=2))
        return levels


def _fill(each: Tensor, size_px: Sequence[int], stride: int) -> Tensor:
    """Zeros around a map that lost its border, half on each side and the odd one first; a larger map is cut."""
    lost_y, lost_x = (-(-side // stride) - have for side, have in zip(size_px, each.shape[2:], strict=True))
    if not (lost_y or lost_x):
        return each
    return F.pad(each, ((lost_x + 1) // 2, lost_x // 2, (lost_y + 1) // 2, lost_y // 2))
