"""Region proposals and their crops for the network: the first half of R-CNN."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image as PILImage

from longspan.errors import DependencyError
from longspan.vision.image_io import read_pixels

__all__ = ["find_regions", "warp_regions"]

_WHOLE_PX = 1 << 20  # a JPEG is read at full size
_LEAST_SIDE = 0.05  # of the longer side of the image: smaller regions are left out
_CONTEXT = 16 / 227  # of the side of the crop, at each edge: 16 px of 227 in the paper
_MEAN = (124, 116, 104)  # mean colour of ImageNet: black would add an edge


def find_regions(image: Any, *, side_px: int = 160, most: int = 250, alike: float = 0.7) -> list[list[float]]:
    """Boxes [x0, y0, x1, y1] that may contain an object, the largest first; deterministic.

    Source: selective search (Uijlings et al. 2013, "Selective search for object recognition"), in the "quality"
    mode of opencv-contrib: all colour spaces and similarities.

    Differs from R-CNN (Girshick et al. 2014, section 2.1): the image is reduced much further (there: 500 px wide, two
    colour spaces, about 2,000 regions); regions that nearly coincide with a larger one are left out, and so are those
    with a side below a twentieth of that of the image. The order does not come from opencv, where it is random.

    Args:
        image: A path, an array or a Pillow image.
        side_px: Longer side of the searched image; the time grows with its square.
        most: Number of regions to return, the largest.
        alike: IoU above which the smaller of two regions is dropped.

    Raises:
        DependencyError: opencv-contrib is not installed.
    """
    import torch
    from torchvision.ops import nms

    full = read_pixels(image, "RGB", _WHOLE_PX)
    scale = side_px / max(full.size)
    small = full.resize(
        (max(8, round(full.width * scale)), max(8, round(full.height * scale))), PILImage.Resampling.BILINEAR
    )
    found = _selective_search(np.asarray(small))
    # Drawn at random by opencv, so sorted here before anything depends on the order.
    found = np.unique(found, axis=0)
    boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], axis=1).astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    wide = (sides >= _LEAST_SIDE * side_px).all(axis=1)
    boxes, areas = boxes[wide], sides[wide].prod(axis=1)
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(areas), alike).numpy()[:most]
    back = [full.width / small.width, full.height / small.height] * 2
    return (boxes[kept] * back).tolist()


def warp_regions(image: Any, regions: list[list[float]], *, size_px: int = 96) -> list[np.ndarray]:
    """Each region with some context, stretched into a square, `(size_px, size_px, 3)` uint8.

    About a sixteenth of the square on each side shows the surroundings; outside the image it has the mean colour of
    ImageNet.

    Source: Girshick et al. 2014, section 2.1 and appendix A ("warp", 16 px of context at 227 px). Differs: antialiased.

    Args:
        image: A path, an array or a Pillow image.
        regions: Boxes [x0, y0, x1, y1] in pixels of the image.
        size_px: Height and width of the crop.
    """
    full = read_pixels(image, "RGB", _WHOLE_PX)
    if not regions:
        return []
    boxes = np.asarray(regions, np.float64)
    around = (boxes[:, 2:] - boxes[:, :2]).clip(1) * (_CONTEXT / (1 - 2 * _CONTEXT))
    boxes = np.concatenate([boxes[:, :2] - around, boxes[:, 2:] + around], axis=1)
    left, top, right, bottom = (
        int(max(0, np.ceil(each)))
        for each in (
            -boxes[:, 0].min(), -boxes[:, 1].min(), boxes[:, 2].max() - full.width,
            boxes[:, 3].max() - full.height,
        )
    )  # fmt: skip
    padded = PILImage.new("RGB", (left + full.width + right, top + full.height + bottom), _MEAN)
    padded.paste(full, (left, top))
    boxes += [left, top, left, top]
    bilinear = PILImage.Resampling.BILINEAR
    # Rounding may put a side slightly outside the padding.
    boxes = boxes.clip(0, [padded.width, padded.height] * 2)
    return [np.asarray(padded.resize((size_px, size_px), bilinear, box=tuple(box))) for box in boxes.tolist()]


def _selective_search(pixels: np.ndarray) -> np.ndarray:
    """Boxes x, y, width, height of all regions, `(N, 4)` integers, in arbitrary order."""
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
