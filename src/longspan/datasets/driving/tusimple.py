"""TuSimple's lane lines: the published layout of JSON lines, and masks of lanes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage
from PIL import ImageDraw

from longspan.columns import Category, Image, Mask, Raw
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import DataError

__all__ = ["LANES_SAMPLE", "lane_mask", "read_tusimple"]

_ABSENT = -2
_KEYS = ("lanes", "h_samples", "raw_file")


def read_tusimple(folder: str | Path) -> Table:
    """Labelled frames of TuSimple: columns `image`, `lanes` (a list of lines, each of `[x, y]` points) and `clip`.

    The layout is one JSON object a line in `label_data_*.json` or `test_label.json`, with `lanes` (an x for each of
    `h_samples`, -2 where there is none) and `raw_file`. Frames of a clip are nearly alike: split by `clip`.

    Raises:
        DataError: no labels, a line that is not such an object, another number of x than of y, images missing; all.
    """
    root = Path(folder)
    files = sorted([*root.glob("label_data*.json"), *root.glob("test_label*.json")])
    if not files:
        raise DataError(f"{root} holds no label_data_*.json and no test_label.json: that is TuSimple's layout.")
    cells: dict[str, list[Any]] = {"image": [], "lanes": [], "clip": []}
    faults = []
    for file in files:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if not line.strip():
                continue
            where = f"{file.name}, line {number}"
            try:
                found = json.loads(line)
                lanes, heights, raw = (found[key] for key in _KEYS)
            except (ValueError, KeyError, TypeError) as error:
                faults.append(f"{where} is no object with {', '.join(_KEYS)} ({type(error).__name__}: {error})")
                continue
            wrong = [len(lane) for lane in lanes if len(lane) != len(heights)]
            if wrong:
                faults.append(f"{where}: a lane has {wrong[0]} values for {len(heights)} heights")
                continue
            if not (root / raw).is_file():
                faults.append(f"{where}: there is no {raw}")
                continue
            points = [
                [[float(x), float(y)] for x, y in zip(lane, heights, strict=True) if x != _ABSENT] for lane in lanes
            ]
            cells["image"].append(str(root / raw))
            cells["lanes"].append([each for each in points if each])
            cells["clip"].append(str(Path(raw).parent))
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise DataError(f"{root}: {'; '.join(faults[:5])}{more}. Was the download cut short?")
    return Table.from_arrays(cells, {"image": Image(channels=3), "lanes": Raw(), "clip": Category()})


def lane_mask(lanes: list[list[list[float]]], size_px: tuple[int, int], width_px: int = 5) -> np.ndarray:
    """Lines as a mask `(H, W)` uint8: 0 elsewhere, 1 on a line.

    Args:
        lanes: Points of each line, as `read_tusimple` gives them.
        size_px: Height and width of the image.
        width_px: How wide a line is drawn.
    """
    image = PILImage.new("L", (size_px[1], size_px[0]))
    draw = ImageDraw.Draw(image)
    for lane in lanes:
        draw.line([tuple(point) for point in lane], fill=1, width=width_px)
    return np.asarray(image)


def _published(root: Path) -> Table:
    """As the frames lie in the archive of a repository; masks are 0 and 255."""
    folder = next(root.glob("*/data/training_data_example"))
    return _frames(folder, "image/*.png", ("gt_binary_image", "gt_instance_image"), (0, 255))


def _copy(root: Path) -> Table:
    return _frames(root / "lanes_sample", "image/*.jpg", ("binary", "instance"), (0, 1))


def _frames(folder: Path, images: str, masks: tuple[str, str], values: tuple[int, int]) -> Table:
    """Columns `image`, `lane` (a lane line or not, at each pixel) and `line` (a value for each line)."""
    found = sorted(folder.glob(images))
    cells = {"image": [str(path) for path in found]}
    for name, below in zip(("lane", "line"), masks, strict=True):
        cells[name] = [str(folder / below / f"{path.stem}.png") for path in found]
    lane = Mask(vocab=("elsewhere", "lane line"), values=values, ignored=())
    return Table.from_arrays(cells, {"image": Image(channels=3), "lane": lane, "line": Mask()})


LANES_SAMPLE = NamedData(
    name="lanes-sample",
    title="Six labelled frames of TuSimple's lane benchmark",
    rows=6,
    task="image -> lane",
    licence="research use (TuSimple)",
    home="https://github.com/TuSimple/tusimple-benchmark",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="lanenet-lane-detection.zip",
                    size=14_000_000,
                    exact=False,
                    urls=(
                        "https://github.com/MaybeShewill-CV/lanenet-lane-detection/archive/"
                        "fb31c8e4877d08c548af6f93687727a687f8cd9b.zip",
                    ),
                    stated_by="a network for the benchmark that brings six of its frames (address)",
                ),
            ),
            load=_published,
            layout=(("*/data/training_data_example/image/*.png", 6),),
            contents=(
                (
                    "*/data/training_data_example/image/*.png",
                    "8fb1b505738ed4b24a4cb8cd3f071f512b95a3c12b978e47ef22f57c0f934aad",
                ),
                (
                    "*/data/training_data_example/gt_*_image/*.png",
                    "32027f677b8381e47ae82ae950a7948ccc886b534aa034b562cb5307b37f2cc1",
                ),
            ),
        ),
        Source(
            files=(
                RemoteFile(
                    path="lanes_sample.tar.gz",
                    size=460_701,
                    sha256="28f1384a2db9fc05fb9d9720553b176a901c4c27098a220ca044d6f5fd4906c1",
                ),
            ),
            load=_copy,
            differs="Half the published size, as JPEG.",
        ),
    ),
    note="For trying loaders: six frames train nothing.",
)
