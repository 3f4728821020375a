"""The Ultra-Light face detector (RFB-320): boxes of faces in one pass over a small copy of the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import torch
from PIL import Image as PILImage
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.ops import nms

from longspan.errors import ConfigError
from longspan.models.published import published_file
from longspan.people.photos import photo_pixels

__all__ = ["UltraLight", "ultra_light"]

_SIZE_PX = (240, 320)  # height and width
_SIDES_PX = ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256))
_STRIDES = (8, 16, 32, 64)
_CENTRE, _EXTENT = 0.1, 0.2  # what offsets of centre and size are multiplied by


def _conv(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )


def _separable(in_channels: int, channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False), nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True), nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )  # fmt: skip


def _head(in_channels: int, channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels), nn.ReLU(),
        nn.Conv2d(in_channels, channels, 1),
    )  # fmt: skip


@final
class _Conv(nn.Module):
    """Convolution and batch normalisation, with or without ReLU."""

    def __init__(
        self, in_channels: int, channels: int, kernel_px: int, *, dilation: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        pad = dilation * (kernel_px // 2)
        self.conv = nn.Conv2d(in_channels, channels, kernel_px, padding=pad, dilation=dilation, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(maps)))


@final
class _ReceptiveFields(nn.Module):
    """Three branches that look 2, 3 and 5 places far, and a shortcut (Liu et al. 2018, "Receptive field block net")."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        few, more, some = channels // 8, channels // 4, channels // 16 * 3

        def branch(middle: tuple[_Conv, ...], dilation: int) -> nn.Sequential:
            first, last = _Conv(channels, few, 1, relu=False), _Conv(more, more, 3, dilation=dilation, relu=False)
            return nn.Sequential(first, *middle, last)

        self.branch0 = branch((_Conv(few, more, 3),), 2)
        self.branch1 = branch((_Conv(few, more, 3),), 3)
        self.branch2 = branch((_Conv(few, some, 3), _Conv(some, more, 3)), 5)
        self.ConvLinear = _Conv(3 * more, channels, 1, relu=False)
        self.shortcut = _Conv(channels, channels, 1, relu=False)

    def forward(self, maps: Tensor) -> Tensor:
        seen = torch.cat([self.branch0(maps), self.branch1(maps), self.branch2(maps)], dim=1)
        return (self.ConvLinear(seen) + self.shortcut(maps)).relu()


@final
class _Network(nn.Module):
    """`(B, 3, 240, 320)` to offsets `(B, P, 4)` from P known places, and the probability of a face `(B, P)`."""

    def __init__(self) -> None:
        super().__init__()
        self.base_net = nn.Sequential(
            _conv(3, 16, 2), _separable(16, 32), _separable(32, 32, 2), _separable(32, 32), _separable(32, 64, 2),
            _separable(64, 64), _separable(64, 64), _ReceptiveFields(64),
            _separable(64, 128, 2), _separable(128, 128), _separable(128, 128),
            _separable(128, 256, 2), _separable(256, 256),
        )  # fmt: skip
        self.extras = nn.ModuleList([nn.Sequential(nn.Conv2d(256, 64, 1), nn.ReLU(), _head(64, 256, 2), nn.ReLU())])
        counts = [len(sides) for sides in _SIDES_PX]
        channels = (64, 128, 256)

        def heads(numbers: int) -> nn.ModuleList:
            small = [_head(width, count * numbers) for width, count in zip(channels, counts[:3], strict=True)]
            return nn.ModuleList([*small, nn.Conv2d(256, counts[3] * numbers, 3, padding=1)])

        self.classification_headers, self.regression_headers = heads(2), heads(4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps, found = images, []
        for number, layer in enumerate(self.base_net):
            maps = layer(maps)
            if number in (7, 10, 12):
                found.append(maps)
        found.append(self.extras[0](maps))

        def numbers(heads: nn.ModuleList) -> Tensor:
            read = [head(each).permute(0, 2, 3, 1).flatten(1) for head, each in zip(heads, found, strict=True)]
            return torch.cat(read, dim=1)

        chances = numbers(self.classification_headers).unflatten(1, (-1, 2)).softmax(dim=2)[..., 1]
        return numbers(self.regression_headers).unflatten(1, (-1, 4)), chances


def _known_places() -> Tensor:
    """`(P, 4)`: centre, width and height of each box that offsets start from, as parts of the image."""
    height, width = _SIZE_PX
    places = [
        [(column + 0.5) * stride / width, (row + 0.5) * stride / height, side / width, side / height]
        for stride, sides in zip(_STRIDES, _SIDES_PX, strict=True)
        for row in range(-(-height // stride))
        for column in range(-(-width // stride))
        for side in sides
    ]
    return torch.tensor(places).clamp(0, 1)


@final
@dataclass(frozen=True, kw_only=True)
class UltraLight:
    """A function stage: image to faces, `[{"box": [x0, y0, x1, y1], "label": "face", "score": s}]`, largest first.

    The image is squeezed to 320 x 240 px, so faces below about a thirtieth of its width are not seen. It gives no
    points: `Align` needs those of another network.
    """

    published: ClassVar[str] = "ultra_light_face_rfb320.safetensors"

    threshold: float = 0.7
    """Least probability of a face."""
    max_iou: float = 0.3
    """Of two boxes that overlap more the likelier is kept."""
    network: nn.Module = field(default_factory=_Network, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Its options."""
        return {"ultra_light": "RFB-320", "threshold": self.threshold, "max_iou": self.max_iou}

    @torch.inference_mode()
    def __call__(self, image: Any) -> list[dict[str, Any]]:
        """The faces in an image."""
        pixels = photo_pixels(image)
        height, width = pixels.shape[:2]
        small = PILImage.fromarray(pixels).resize((_SIZE_PX[1], _SIZE_PX[0]), PILImage.Resampling.BILINEAR)
        values = (torch.from_numpy(photo_pixels(small).copy()).permute(2, 0, 1)[None].float() - 127) / 128
        offsets, chances = self.network(values)
        places = _known_places()
        centre = places[:, :2] + offsets[0, :, :2] * _CENTRE * places[:, 2:]
        size = places[:, 2:] * (offsets[0, :, 2:] * _EXTENT).exp()
        boxes = torch.cat([centre - size / 2, centre + size / 2], dim=1) * torch.tensor([width, height] * 2)
        likely = (chances[0] > self.threshold).nonzero()[:, 0]
        boxes, scores = boxes[likely], chances[0, likely]
        chosen = nms(boxes, scores, self.max_iou)
        faces = [
            {"box": box, "label": "face", "score": score}
            for box, score in zip(boxes[chosen].tolist(), scores[chosen].tolist(), strict=True)
        ]
        return sorted(faces, key=lambda face: -(face["box"][2] - face["box"][0]) * (face["box"][3] - face["box"][1]))


def ultra_light(*, threshold: float = 0.7, max_iou: float = 0.3) -> UltraLight:
    """The detector with its published weights.

    Source: Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB, version RFB-320 (MIT). Differs: the image is made
    smaller with antialiasing (Pillow), which OpenCV does not do there.

    Raises:
        ConfigError: numbers out of range.
        WeightsError: the published weights are not here.
    """
    for name, value in (("threshold", threshold), ("max_iou", max_iou)):
        if not 0 < value < 1:
            raise ConfigError(f"{name} must lie between 0 and 1, got {value!r}.")
    detector = UltraLight(threshold=threshold, max_iou=max_iou)
    holds = "the state dict version-RFB-320 of Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB (MIT)"
    state = load_file(published_file(detector.published, "the weights of the Ultra-Light face detector", holds))
    detector.network.load_state_dict(state)
    detector.network.eval()
    return detector
