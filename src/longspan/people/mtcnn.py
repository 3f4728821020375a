"""MTCNN: faces and five points of each, by three small networks in a row, the first on the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.ops import nms

from longspan.errors import ConfigError
from longspan.models.published import published_file
from longspan.people.photos import photo_pixels
from longspan.pipeline import Pipeline, Stage

__all__ = ["POINTS", "Place", "Propose", "Refine", "mtcnn"]

# Inside, boxes are (x1, y1, x2, y2, score) in pixels counted from 1, both ends included, as in the published code.

POINTS = ("left eye", "right eye", "nose", "left mouth", "right mouth")
"""Names of the five points; left as in the image."""

_SHRINK = 0.709  # of a scale against the one before: half the area
_CELL_PX = 12  # side of what the first network sees
_STRIDE = 2
_MOST_CANDIDATES = 3000  # that a stage passes on; an image of nothing but faces has fewer


@final
class _PNet(nn.Module):
    """`(B, 3, H, W)` to face offsets `(B, 4, h, w)` and the probability of a face `(B, h, w)`, at stride 2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = F.max_pool2d(self.prelu1(self.conv1(images)), 2, ceil_mode=True)
        maps = self.prelu3(self.conv3(self.prelu2(self.conv2(maps))))
        return self.conv4_2(maps), self.conv4_1(maps).softmax(dim=1)[:, 1]


@final
class _RNet(nn.Module):
    """`(B, 3, 24, 24)` to offsets `(B, 4)` and the probability of a face `(B,)`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = F.max_pool2d(self.prelu1(self.conv1(images)), 3, 2, ceil_mode=True)
        maps = F.max_pool2d(self.prelu2(self.conv2(maps)), 3, 2, ceil_mode=True)
        maps = self.prelu3(self.conv3(maps))
        vector = self.prelu4(self.dense4(maps.permute(0, 3, 2, 1).flatten(1)))  # columns first, as it was trained
        return self.dense5_2(vector), self.dense5_1(vector).softmax(dim=1)[:, 1]


@final
class _ONet(nn.Module):
    """`(B, 3, 48, 48)` to offsets `(B, 4)`, five points `(B, 10)` and the probability of a face `(B,)`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = F.max_pool2d(self.prelu1(self.conv1(images)), 3, 2, ceil_mode=True)
        maps = F.max_pool2d(self.prelu2(self.conv2(maps)), 3, 2, ceil_mode=True)
        maps = F.max_pool2d(self.prelu3(self.conv3(maps)), 2, 2, ceil_mode=True)
        maps = self.prelu4(self.conv4(maps))
        vector = self.prelu5(self.dense5(maps.permute(0, 3, 2, 1).flatten(1)))
        return self.dense6_2(vector), self.dense6_3(vector), self.dense6_1(vector).softmax(dim=1)[:, 1]


@final
@dataclass(frozen=True, kw_only=True)
class Propose:
    """First stage: an image to candidates, `[[x1, y1, x2, y2, score], ...]`, from a pyramid of scales."""

    published: ClassVar[str] = "mtcnn_pnet.safetensors"

    min_face_px: int = 20
    """Side of the smallest face that is looked for; half of it takes four times as long."""
    threshold: float = 0.6
    """Least probability of a face."""
    network: nn.Module = field(default_factory=_PNet, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Its options."""
        return {"mtcnn": "propose", "min_face_px": self.min_face_px, "threshold": self.threshold}

    @torch.inference_mode()
    def __call__(self, image: Any) -> list[list[float]]:
        """Candidates in an image; none in one that is smaller than the smallest face."""
        pixels = _tensor(image)
        height, width = pixels.shape[2:]
        found: list[Tensor] = []
        scale = _CELL_PX / self.min_face_px
        while min(height, width) * scale >= _CELL_PX:
            small = F.interpolate(pixels, size=(int(height * scale + 1), int(width * scale + 1)), mode="area")
            offsets, chances = self.network(_normalised(small))
            rows, columns = (chances[0] >= self.threshold).nonzero(as_tuple=True)
            places = torch.stack([columns, rows], dim=1) * _STRIDE
            first = ((places + 1) / scale).floor()
            last = ((places + _CELL_PX) / scale).floor()
            boxes = torch.cat([first, last, chances[0, rows, columns][:, None], offsets[0, :, rows, columns].T], dim=1)
            found.append(boxes[nms(boxes[:, :4], boxes[:, 4], 0.5)])
            scale *= _SHRINK
        if not found:
            return []
        boxes = torch.cat(found)
        boxes = boxes[nms(boxes[:, :4], boxes[:, 4], 0.7)][:_MOST_CANDIDATES]
        size = boxes[:, 2:4] - boxes[:, :2]
        moved = torch.cat([boxes[:, :2] + boxes[:, 5:7] * size, boxes[:, 2:4] + boxes[:, 7:9] * size], dim=1)
        return _square(torch.cat([moved, boxes[:, 4:5]], dim=1)).tolist()


@final
@dataclass(frozen=True, kw_only=True)
class Refine:
    """Second stage: most candidates are refused, the others moved."""

    published: ClassVar[str] = "mtcnn_rnet.safetensors"

    threshold: float = 0.7
    """Least probability of a face."""
    network: nn.Module = field(default_factory=_RNet, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Its options."""
        return {"mtcnn": "refine", "threshold": self.threshold}

    @torch.inference_mode()
    def __call__(self, image: Any, candidates: Sequence[Sequence[float]]) -> list[list[float]]:
        """Candidates that are faces, moved, as squares."""
        boxes, crops = _crops(_tensor(image), candidates, 24)
        if not len(boxes):
            return []
        offsets, chances = self.network(crops)
        kept = chances > self.threshold
        boxes, offsets = torch.cat([boxes[kept, :4], chances[kept, None]], dim=1), offsets[kept]
        chosen = nms(boxes[:, :4], boxes[:, 4], 0.7)
        return _square(_moved(boxes[chosen], offsets[chosen])).tolist()


@final
@dataclass(frozen=True, kw_only=True)
class Place:
    """Third stage: faces with five points, `[{"box": [x0, y0, x1, y1], "label": "face", "score": s, "points": {...}}]`.

    Boxes are in pixel edges, points by name as `Align` reads them; faces come with the largest first.
    """

    published: ClassVar[str] = "mtcnn_onet.safetensors"

    threshold: float = 0.7
    """Least probability of a face."""
    network: nn.Module = field(default_factory=_ONet, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Its options."""
        return {"mtcnn": "place", "threshold": self.threshold}

    @torch.inference_mode()
    def __call__(self, image: Any, candidates: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
        """The faces among the candidates."""
        boxes, crops = _crops(_tensor(image), candidates, 48)
        if not len(boxes):
            return []
        offsets, points, chances = self.network(crops)
        kept = chances > self.threshold
        boxes, offsets = torch.cat([boxes[kept, :4], chances[kept, None]], dim=1), offsets[kept]
        size = boxes[:, 2:4] - boxes[:, :2] + 1
        places = points[kept].unflatten(1, (2, 5)).transpose(1, 2) * size[:, None] + boxes[:, None, :2] - 1
        moved = _moved(boxes, offsets)
        chosen = _without_nested(moved.double().numpy())
        faces = []
        for number in chosen:
            x1, y1, x2, y2, score = moved[number].tolist()
            # The published code counts points from the middle of the first pixel.
            named = {name: [x + 0.5, y + 0.5] for name, (x, y) in zip(POINTS, places[number].tolist(), strict=True)}
            faces.append({"box": [x1 - 1, y1 - 1, x2, y2], "label": "face", "score": score, "points": named})
        return sorted(faces, key=lambda face: -_area(face["box"]))


def mtcnn(*, min_face_px: int = 20, thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)) -> Pipeline:
    """MTCNN with its published weights as a pipeline of three stages: "image" to "faces", largest first.

    A face is a dict with "box" `[x0, y0, x1, y1]` in pixel edges, "label" "face", "score", and "points", five by name.

    Source: Zhang et al. 2016, "Joint face detection and alignment using multitask cascaded convolutional networks"; the
    weights, thresholds and order of steps are those of timesler/facenet-pytorch (MIT).

    Args:
        min_face_px: Side of the smallest face that is looked for, in pixels of the image.
        thresholds: Least probability of a face in each stage.

    Raises:
        ConfigError: numbers out of range.
        WeightsError: the published weights are not here.

    Example:
        >>> mtcnn().predict([{"image": "photo.jpg"}])[0]["faces"]  # doctest: +SKIP
    """
    if not isinstance(min_face_px, int) or min_face_px < _CELL_PX:
        raise ConfigError(f"min_face_px must be a whole number of at least {_CELL_PX}, got {min_face_px!r}.")
    if len(thresholds) != 3 or not all(0 < each < 1 for each in thresholds):
        raise ConfigError(f"thresholds must be three numbers between 0 and 1, got {thresholds!r}.")
    propose = Propose(min_face_px=min_face_px, threshold=thresholds[0])
    refine, place = Refine(threshold=thresholds[1]), Place(threshold=thresholds[2])
    for stage in (propose, refine, place):
        holds = f"the state dict of {stage.published.split('_')[1][:4]} of timesler/facenet-pytorch (MIT)"
        stage.network.load_state_dict(load_file(published_file(stage.published, "the weights of MTCNN", holds)))
        stage.network.eval()
    return Pipeline(
        [
            Stage("propose", propose, reads="image", adds="candidates"),
            Stage("refine", refine, reads=["image", "candidates"], adds="refined"),
            Stage("place", place, reads=["image", "refined"], adds="faces"),
        ]
    )


def _tensor(image: Any) -> Tensor:
    """`(1, 3, H, W)` float, 0 to 255."""
    return torch.from_numpy(photo_pixels(image).copy()).permute(2, 0, 1)[None].float()


def _normalised(images: Tensor) -> Tensor:
    return (images - 127.5) * 0.0078125


def _square(boxes: Tensor) -> Tensor:
    """The same centres, and the longer side both ways."""
    size = boxes[:, 2:4] - boxes[:, :2]
    side = size.amax(dim=1, keepdim=True)
    first = boxes[:, :2] + size * 0.5 - side * 0.5
    return torch.cat([first, first + side, boxes[:, 4:]], dim=1)


def _moved(boxes: Tensor, offsets: Tensor) -> Tensor:
    size = boxes[:, 2:4] - boxes[:, :2] + 1
    return torch.cat([boxes[:, :2] + offsets[:, :2] * size, boxes[:, 2:4] + offsets[:, 2:] * size, boxes[:, 4:]], dim=1)


def _crops(pixels: Tensor, candidates: Sequence[Sequence[float]], side_px: int) -> tuple[Tensor, Tensor]:
    """Candidates that lie in the image, `(N, 5)`, and their pixels `(N, 3, side_px, side_px)`, normalised."""
    boxes = torch.tensor(candidates, dtype=torch.float32).reshape(-1, 5)
    height, width = pixels.shape[2:]
    whole = boxes[:, :4].trunc().int()
    first, last = whole[:, :2].clamp(min=1), torch.minimum(whole[:, 2:], torch.tensor([width, height]))
    inside = (last > first - 1).all(dim=1)
    crops = [
        F.interpolate(pixels[:, :, y - 1 : ey, x - 1 : ex], size=(side_px, side_px), mode="area")
        for (x, y), (ex, ey) in zip(first[inside].tolist(), last[inside].tolist(), strict=True)
    ]
    return boxes[inside], _normalised(torch.cat(crops)) if crops else torch.zeros(0, 3, side_px, side_px)


def _without_nested(boxes: np.ndarray) -> list[int]:
    """Numbers of boxes, likeliest first, without those of which 70 % lie in a likelier one, or the other way round."""
    x1, y1, x2, y2, scores = boxes.T if len(boxes) else np.zeros((5, 0))
    area = (x2 - x1 + 1) * (y2 - y1 + 1)
    order, kept = scores.argsort(), []
    while len(order):
        best, rest = order[-1], order[:-1]
        kept.append(int(best))
        wide = (np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + 1).clip(0)
        high = (np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + 1).clip(0)
        order = rest[wide * high / np.minimum(area[best], area[rest]) <= 0.7]
    return kept


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
