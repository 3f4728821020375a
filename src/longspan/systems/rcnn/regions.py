"""Regions of an image that may hold a thing, and how each is cut out for a network: the first half of R-CNN."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image as PILImage

from longspan.errors import DependencyError
from longspan.vision.image_io import read_pixels

__all__ = ["find_regions", "warp_regions"]

_WHOLE_PX = 1 << 20  # a JPEG is read at its full size
_LEAST_SIDE = 0.05  # of the image's longer side: narrower and lower regions are left out
_CONTEXT = 16 / 227  # of the network's side, on each of its edges: 16 px of 227 in the paper
_MEAN = (124, 116, 104)  # of ImageNet's images: black would be an edge, this is nothing to a network


def find_regions(image: Any, *, side_px: int = 160, most: int = 250, alike: float = 0.7) -> list[list[float]]:
    """Boxes [x0, y0, x1, y1] that may hold a thing, the largest first; the same for the same image in every run.

    Source: selective search (Uijlings et al. 2013, "Selective search for object recognition"), as opencv-contrib has
    it, with all its colour spaces and similarities ("quality").

    Differs from R-CNN (Girshick et al. 2014, section 2.1): the image is made much smaller first (there: 500 px wide,
    two colour spaces, about 2,000 regions), regions that nearly cover a larger one are left out, and so are those with
    a side below a twentieth of the image's. So 250 regions find about as many things at an overlap of one half as
    the 1,000 they were chosen from. The order does not come from opencv, which draws it at random in every call.

    Args:
        image: A path, an array or a Pillow image.
        side_px: Longer side of the image that is searched; time grows with its square.
        most: Regions that are kept, the largest.
        alike: Of two regions that overlap by more (intersection over union) the larger one stays.

    Raises:
        DependencyError: opencv-contrib is not installed.
    """
    import torch
    from torchvision.ops import nms

    picture = read_pixels(image, "RGB", _WHOLE_PX)
    scale = side_px / max(picture.size)
    small = picture.resize(
        (max(8, round(picture.width * scale)), max(8, round(picture.height * scale))), PILImage.Resampling.BILINEAR
    )
    found = _selective_search(np.asarray(small))
    # Drawn at random by opencv, so sorted here before anything depends on the order.
    found = np.unique(found, axis=0)
    boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], axis=1).astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    wide = (sides >= _LEAST_SIDE * side_px).all(axis=1)
    boxes, areas = boxes[wide], sides[wide].prod(axis=1)
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(areas), alike).numpy()[:most]
    back = [picture.width / small.width, picture.height / small.height] * 2
    return (boxes[kept] * back).tolist()


def warp_regions(image: Any, regions: list[list[float]], *, size_px: int = 96) -> list[np.ndarray]:
    """Each region with some of what is around it, stretched into a square, `(size_px, size_px, 3)` uint8.

    A sixteenth of the square or so on each side shows what is around the region; what lies outside the image is
    ImageNet's mean colour.

    Source: Girshick et al. 2014, section 2.1 and appendix A ("warp", 16 px of context at 227 px). Differs: antialiased.

    Args:
        image: A path, an array or a Pillow image.
        regions: Boxes [x0, y0, x1, y1] in its pixels.
        size_px: Side of the square.
    """
    picture = read_pixels(image, "RGB", _WHOLE_PX)
    if not regions:
        return []
    boxes = np.asarray(regions, np.float64)
    around = (boxes[:, 2:] - boxes[:, :2]).clip(1) * (_CONTEXT / (1 - 2 * _CONTEXT))
    boxes = np.concatenate([boxes[:, :2] - around, boxes[:, 2:] + around], axis=1)
    left, top, right, bottom = (
        int(max(0, np.ceil(each)))
        for each in (
            -boxes[:, 0].min(), -boxes[:, 1].min(), boxes[:, 2].max() - picture.width,
            boxes[:, 3].max() - picture.height,
        )
    )  # fmt: skip
    padded = PILImage.new("RGB", (left + picture.width + right, top + picture.height + bottom), _MEAN)
    padded.paste(picture, (left, top))
    boxes += [left, top, left, top]
    bilinear = PILImage.Resampling.BILINEAR
    # Rounding may put a side a hair outside of what was padded for it.
    boxes = boxes.clip(0, [padded.width, padded.height] * 2)
    return [np.asarray(padded.resize((size_px, size_px), bilinear, box=tuple(box))) for box in boxes.tolist()]


def _selective_search(pixels: np.ndarray) -> np.ndarray:
    """Boxes x, y, width, height of all regions, `(N, 4)` whole numbers, in no order that means anything."""
    try:
        from cv2 import ximgproc
    except ImportError as error:
        raise DependencyError(
            "Selective search is in opencv's contributed modules: python -m pip install 'longspan[rcnn]'"
        ) from error
    search = ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(pixels[:, :, ::-1]))  # blue, green, red
    search.switchToSelectiveSearchQuality()
    return np.asarray(search.process(), np.int64).reshape(-1, 4)
