"""KITTI's object layout: camera, lidar, calibration, boxes in the image and in space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from longspan.columns import Boxes, Image, Raw
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import DataError

__all__ = ["KITTI_3", "lidar_in_image", "read_calibration", "read_kitti", "read_lidar"]

_CLASSES = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc")
_VALUES = 15  # of a line in label_2


def read_kitti(folder: str | Path) -> Table:
    """Frames of KITTI's object benchmark: columns `image`, `boxes`, `boxes_3d`, `lidar` and `calibration`.

    `boxes` are those in the image, with `DontCare` regions as ignored. `boxes_3d` is a list with, for each object,
    height, width, length, x, y, z (m, of the bottom's middle in the camera's frame) and the angle around the vertical.
    `lidar` and `calibration` are paths, for `read_lidar` and `read_calibration`.

    Args:
        folder: With `image_2`, `label_2`, `calib` and `velodyne` (or `velodyne_reduced`), directly or in `training`.

    Raises:
        DataError: no such folders, an image without its other files, or a damaged label; all faults at once.
    """
    root = next((each for each in (Path(folder), *map(Path(folder).joinpath, ("training", "kitti/training")))
                 if (each / "image_2").is_dir()), None)  # fmt: skip
    if root is None:
        raise DataError(f"{folder} holds no image_2, and neither does {folder}/training: that is KITTI's layout.")
    lidar = root / ("velodyne" if (root / "velodyne").is_dir() else "velodyne_reduced")
    names = ("image", "boxes", "boxes_3d", "lidar", "calibration")
    cells: dict[str, list[Any]] = {name: [] for name in names}
    faults = []
    for image in sorted((root / "image_2").iterdir()):
        paths = {
            "label": root / "label_2" / f"{image.stem}.txt",
            "calibration": root / "calib" / f"{image.stem}.txt",
            "lidar": lidar / f"{image.stem}.bin",
        }
        missing = [str(path.relative_to(root)) for path in paths.values() if not path.is_file()]
        if missing:
            faults.append(f"{image.name} has no {', '.join(missing)}")
            continue
        try:
            flat, solid = _objects(paths["label"])
        except ValueError as error:
            faults.append(f"{paths['label'].relative_to(root)}, {error}")
            continue
        for name, value in zip(names, (str(image), flat, solid, *map(str, (paths["lidar"], paths["calibration"]))),
                               strict=True):  # fmt: skip
            cells[name].append(value)
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise DataError(f"{root}: {'; '.join(faults[:5])}{more}. Was the download cut short?")
    if not cells["image"]:
        raise DataError(f"{root / 'image_2'} holds no images.")
    columns = {
        "image": Image(channels=3), "boxes": Boxes(vocab=_CLASSES), "boxes_3d": Raw(), "lidar": Raw(),
        "calibration": Raw(),
    }  # fmt: skip
    return Table.from_arrays(cells, columns)


def _objects(path: Path) -> tuple[list[dict[str, Any]], list[list[float]]]:
    flat, solid = [], []
    for number, line in enumerate(path.read_text("ascii").splitlines(), 1):
        words = line.split()
        if len(words) not in (_VALUES, _VALUES + 1):  # a score may stand at the end
            raise ValueError(f"line {number}: {len(words)} values instead of {_VALUES}")
        numbers = [float(each) for each in words[1:_VALUES]]
        if words[0] == "DontCare":
            flat.append({"box": numbers[3:7], "label": "Misc", "ignore": True})
            continue
        if words[0] not in _CLASSES:
            raise ValueError(f"line {number}: class {words[0]!r} is none of {', '.join(_CLASSES)}, DontCare")
        flat.append({"box": numbers[3:7], "label": words[0]})
        solid.append(numbers[7:14])
    return flat, solid


def read_lidar(path: str | Path) -> np.ndarray:
    """Points of a scan: `(N, 4)` float32 of x (ahead), y (left), z (up) in metres, and reflectance.

    Raises:
        DataError: there is no such file, its length is not a multiple of 16 bytes, or it holds values that are no
            places.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not data or len(data) % 16:
        raise DataError(
            f"{path} has {len(data):,} bytes, and a point has 16 (four float32): the recording was cut short."
        )
    points = np.frombuffer(data, "<f4").reshape(-1, 4)
    if not np.isfinite(points).all() or np.abs(points[:, :3]).max() > 1000:
        raise DataError(f"{path} holds values that are no places within a kilometre: is it a lidar scan of float32?")
    return points


def read_calibration(path: str | Path) -> dict[str, np.ndarray]:
    """Matrices of a frame: `P2` (3, 4), `R0_rect` (3, 3), `Tr_velo_to_cam` (3, 4).

    Raises:
        DataError: there is no such file, or a matrix is missing or incomplete.
    """
    path = Path(path)
    shapes = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4)}
    try:
        lines = dict(line.split(":", 1) for line in path.read_text("ascii").splitlines() if ":" in line)
        return {name: np.array(lines[name].split(), float).reshape(shape) for name, shape in shapes.items()}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not a calibration of KITTI with {', '.join(shapes)}: {error}.") from error


def lidar_in_image(points: np.ndarray, calibration: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where points ahead of the camera stand in its image: `(N, 2)` x and y in pixels, and their distances `(N,)`."""
    homogeneous = np.column_stack([points[:, :3], np.ones(len(points))])
    camera = homogeneous @ calibration["Tr_velo_to_cam"].T @ calibration["R0_rect"].T
    camera = camera[camera[:, 2] > 0.1]
    projected = np.column_stack([camera, np.ones(len(camera))]) @ calibration["P2"].T
    return projected[:, :2] / projected[:, 2:], camera[:, 2]


def _three_frames(root: Path) -> Table:
    """As they lie in the archive of a repository."""
    return read_kitti(next(root.glob("*/data/object")))


KITTI_3 = NamedData(
    name="kitti-3",
    title="Three frames of KITTI's object benchmark",
    rows=3,
    task="image -> boxes",
    licence="CC BY-NC-SA 3.0",
    home="https://www.cvlibs.net/datasets/kitti/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="kitti_object_vis.zip",
                    size=14_800_000,
                    exact=False,
                    urls=(
                        "https://github.com/kuixu/kitti_object_vis/archive/"
                        "12ce0a2348f6e1405c502bf32e51d76d3a970396.zip",
                    ),
                    stated_by="a visualiser of the benchmark that brings three of its frames (address)",
                ),
            ),
            load=_three_frames,
            layout=(("*/data/object/training/image_2/*.png", 3), ("*/data/object/training/velodyne/*.bin", 3)),
            contents=tuple(
                (f"*/data/object/training/{pattern}", digest)
                for pattern, digest in (
                    ("image_2/*.png", "1ecaee864d045bda621cf0866fe5c1f913ced81e4724a4f128b7dd462ae8fe1f"),
                    ("velodyne/*.bin", "067de6dd1e0cc3f65788501ed9525bdf58d4bc7047a07ad49e949ba4b6e13d4a"),
                    ("label_2/*.txt", "988960ac0b7fb04f3e74388ace2af9ce0dae5bcbefde11589d56135873697075"),
                    ("calib/*.txt", "ad4353824eb95cf382fc282741d8ba71c12fde40ca510c5a36106cdd71604c5e"),
                )
            ),
        ),
        Source(
            files=(
                RemoteFile(
                    path="kitti_3frames.tar.gz",
                    size=892_354,
                    sha256="39fb7519e80a8e0a8e730e28cf7deb20437fd203ed896fa03482bd7f1b6cb425",
                ),
            ),
            load=read_kitti,
            differs="Images are JPEG of quality 88; only lidar points inside the image are kept.",
        ),
    ),
    note="For trying loaders: three frames train nothing.",
)
