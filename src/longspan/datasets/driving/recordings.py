"""Recordings of a driver: frames of a camera with steering, from Donkeycar, Udacity's simulator and comma2k19."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from longspan.columns import Category, Image, Number
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import ConfigError, DataError

__all__ = ["DRIVE_RC", "read_comma", "read_donkey", "read_udacity"]

OnCut = Literal["raise", "skip"]

_PAUSE_S = 2.0
"""A longer gap between two frames begins another run."""
_UDACITY = ("center", "left", "right", "steering", "throttle", "brake", "speed")
_MOMENT = re.compile(r"(\d{4}(?:_\d{2}){5}_\d{3})\.\w+$")


def read_udacity(
    folder: str | Path,
    *,
    side_cameras: bool = False,
    side_correction: float = 0.2,
    on_cut: OnCut = "raise",
) -> Table:
    """A recording of Udacity's simulator: columns `image`, `steering`, `throttle`, `speed`, `camera` and `run`.

    The layout is `driving_log.csv` beside `IMG/`, with a heading or, as the simulator writes it, without one. Paths in
    the log are those of the computer that recorded; only the file names count. A pause of two seconds begins another
    run: split by `run`, as neighbouring frames are nearly alike.

    Args:
        folder: Of the log.
        side_cameras: Take the left and right cameras too, with a corrected steering (Bojarski et al. 2016, section 5).
        side_correction: What is added to the steering of the left camera and taken from that of the right one.
        on_cut: A recording cut short, with an unfinished last line or last images missing or damaged: "raise" refuses
            it, "skip" leaves the cut frames out. Anything missing in the middle is always refused.

    Raises:
        DataError: no log, other columns, values that are not numbers, images missing.
        ConfigError: an unknown `on_cut`.
    """
    _check_on_cut(on_cut)
    root = Path(folder)
    log = root / "driving_log.csv"
    lines = _lines(log)
    if lines and [each.strip() for each in lines[0]][: len(_UDACITY)] == list(_UDACITY):
        lines = lines[1:]
        first = 2
    else:
        first = 1
    if not lines:
        raise DataError(f"{log} holds no frames.")
    cells: dict[str, list[Any]] = {name: [] for name in ("image", "steering", "throttle", "speed", "camera", "run")}
    sides = {"center": 0.0, "left": side_correction, "right": -side_correction} if side_cameras else {"center": 0.0}
    faults: list[tuple[int, str]] = []
    before, run = None, 0
    for number, line in enumerate(lines):
        where = f"line {number + first}"
        if len(line) != len(_UDACITY):
            faults.append((number, f"{where} has {len(line)} of {len(_UDACITY)} values"))
            continue
        values: dict[str, str] = dict(zip(_UDACITY, line, strict=True))
        try:
            steering, throttle, speed = (_finite(values[each]) for each in ("steering", "throttle", "speed"))
        except ValueError as error:
            faults.append((number, f"{where}: {error}"))
            continue
        moment = _moment(values["center"])
        run += int(before is not None and moment is not None and not 0 <= moment - before <= _PAUSE_S)
        before = moment if moment is not None else before
        for camera, correction in sides.items():
            path = root / "IMG" / values[camera].strip().replace("\\", "/").rpartition("/")[2]
            fault = _image_fault(path)
            if fault is not None:
                faults.append((number, f"{where}: {fault}"))
                break
            row = (str(path), float(np.clip(steering + correction, -1, 1)), throttle, speed, camera, str(run))
            for name, value in zip(cells, row, strict=True):
                cells[name].append(value)
    _check_cut(log, faults, len(lines), on_cut)
    columns = {
        "image": Image(channels=3, resize="stretch"), "steering": Number(), "throttle": Number(),
        "speed": Number(unit="mph"), "camera": Category(vocab=("center", "left", "right")), "run": Category(),
    }  # fmt: skip
    return Table.from_arrays(cells, columns)


def read_donkey(folder: str | Path, *, every: int = 1, on_cut: OnCut = "raise") -> Table:
    """A tub of a Donkeycar (version 2): columns `image`, `angle`, `throttle`, `time` and `run`.

    The layout is `catalog_N.catalog`, of a JSON object a line, beside `images/`. A pause of two seconds begins another
    run: split by `run`, as neighbouring frames are nearly alike.

    Args:
        folder: Of the catalogs.
        every: Take every n-th frame.
        on_cut: As for `read_udacity`.

    Raises:
        DataError: no catalog, lines that are not such objects, images missing.
        ConfigError: an option that cannot be.
    """
    _check_on_cut(on_cut)
    if every < 1:
        raise ConfigError(f"read_donkey needs every >= 1, got {every}.")
    root = Path(folder)
    catalogs = sorted(root.glob("catalog_*.catalog"), key=lambda path: (len(path.name), path.name))
    if not catalogs:
        raise DataError(f"{root} holds no catalog_0.catalog: that is the layout of a Donkeycar's tub.")
    lines = [line for path in catalogs for line in path.read_text("utf-8", errors="replace").splitlines() if line]
    cells: dict[str, list[Any]] = {name: [] for name in ("image", "angle", "throttle", "time", "run")}
    faults: list[tuple[int, str]] = []
    first = before = None
    run = 0
    for number, line in enumerate(lines):
        try:
            found = json.loads(line)
            moment = float(found["_timestamp_ms"]) / 1000
            angle, throttle = (_finite(str(found[each])) for each in ("user/angle", "user/throttle"))
            path = root / "images" / Path(found["cam/image_array"]).name
        except (ValueError, KeyError, TypeError) as error:
            faults.append((number, f"frame {number}: {type(error).__name__}: {error}"))
            continue
        if before is not None and not 0 <= moment - before <= _PAUSE_S:
            run += 1
        first, before = moment if first is None else first, moment
        fault = _image_fault(path)
        if fault is not None:
            faults.append((number, f"frame {number}: {fault}"))
        elif number % every == 0:
            for name, value in zip(cells, (str(path), angle, throttle, moment - first, str(run)), strict=True):
                cells[name].append(value)
    _check_cut(root, faults, len(lines), on_cut)
    return Table.from_arrays(cells, _donkey_columns())


def _donkey_columns() -> dict[str, Any]:
    return {
        "image": Image(channels=3, resize="stretch"), "angle": Number(), "throttle": Number(), "time": Number(unit="s"),
        "run": Category(),
    }  # fmt: skip


def read_comma(
    folder: str | Path, *, size_px: tuple[int, int] = (96, 128), every: int = 2, on_cut: OnCut = "raise"
) -> Table:
    """Segments of comma2k19: columns `image`, `steering_deg`, `speed`, `time` and `run`, one run per segment.

    The layout of a segment is `video.hevc`, `global_pose/frame_times` and `processed_log/CAN/{steering_angle,speed}/`
    with NumPy arrays `t` and `value`. Steering and speed are interpolated to the times of the frames.

    Args:
        folder: A segment, or any folder above segments.
        size_px: Height and width that frames are reduced to when read; a minute in full size is 3.6 GB.
        every: Take every n-th of 20 frames a second.
        on_cut: A video with fewer frames than times: "raise" refuses it, "skip" takes those that are there.

    Raises:
        DataError: no segment, a missing or damaged file, a log that does not cover its video.
        DependencyError: OpenCV is not installed (extra `video`).
        ConfigError: an option that cannot be.
    """
    from longspan.extras import require_extra

    _check_on_cut(on_cut)
    if every < 1 or min(size_px) < 8:
        raise ConfigError(f"read_comma needs every >= 1 and sides of at least 8 px, got every={every}, {size_px}.")
    root = Path(folder)
    segments = [path.parent for path in sorted(root.rglob("video.hevc"))]
    if not segments:
        raise DataError(f"{root} holds no video.hevc: name a segment of comma2k19, or a folder above segments.")
    require_extra("video", "Reading comma's videos")
    import cv2

    cells: dict[str, list[Any]] = {name: [] for name in ("image", "steering_deg", "speed", "time", "run")}
    for segment in segments:
        times = _array(segment / "global_pose" / "frame_times")
        logs = {}
        for name in ("steering_angle", "speed"):
            moments, values = (_array(segment / "processed_log" / "CAN" / name / each) for each in ("t", "value"))
            if len(moments) != len(values) or not len(moments):
                raise DataError(f"{segment}: {name} has {len(moments)} times and {len(values)} values.")
            if moments[0] > times[0] + 1 or moments[-1] < times[-1] - 1:
                raise DataError(
                    f"{segment}: {name} ends {times[-1] - moments[-1]:.1f} s before the video or begins after it: the "
                    "log was cut short. Copy the segment again, or leave it out."
                )
            logs[name] = np.interp(times, moments, values.reshape(len(values), -1)[:, 0])
        frames = _frames(cv2, segment / "video.hevc", size_px, every)
        wanted = -(-len(times) // every)
        if len(frames) < wanted and on_cut == "raise":
            raise DataError(
                f"{segment / 'video.hevc'} gives {len(frames) * every} frames for {len(times)} times: it was cut "
                'short. Copy it again, or take what is there with on_cut="skip".'
            )
        for number, frame in enumerate(frames[:wanted]):
            at = number * every
            row = (frame, logs["steering_angle"][at], logs["speed"][at], times[at] - times[0], segment.name)
            for name, value in zip(cells, row, strict=True):
                cells[name].append(value if name in ("image", "run") else float(value))
    columns = {
        "image": Image(channels=3), "steering_deg": Number(unit="degrees"), "speed": Number(unit="m/s"),
        "time": Number(unit="s"), "run": Category(),
    }  # fmt: skip
    return Table.from_arrays({**cells, "image": np.stack(cells["image"])}, columns)


def _frames(cv2: Any, path: Path, size_px: tuple[int, int], every: int) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    found = []
    try:
        number = 0
        while True:
            given, frame = video.read()
            if not given:
                break
            if number % every == 0:
                small = cv2.resize(frame, (size_px[1], size_px[0]), interpolation=cv2.INTER_AREA)
                found.append(np.ascontiguousarray(small[:, :, ::-1]))
            number += 1
    finally:
        video.release()
    if not found:
        raise DataError(f"{path} cannot be read as a video: it is damaged, or OpenCV has no decoder for it.")
    return found


def _array(path: Path) -> np.ndarray:
    """A NumPy array from a file without the usual ending; never a pickle."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a NumPy array: {error}.") from error
    if not len(found) or not np.isfinite(found).all():
        raise DataError(f"{path} is empty or holds values that are not finite.")
    return found


def _drive_rc(root: Path) -> Table:
    """Columns `image`, `angle`, `throttle`, `time`, `run` and `part`."""
    folder = root / "drive_rc"
    lines = _lines(folder / "log.csv")[1:]
    cells = {
        "image": [str(folder / line[1]) for line in lines],
        "angle": [float(line[2]) for line in lines],
        "throttle": [float(line[3]) for line in lines],
        "time": [float(line[0]) for line in lines],
        "run": [line[4] for line in lines],
        "part": [line[5] for line in lines],
    }
    return Table.from_arrays(cells, {**_donkey_columns(), "part": Category()})


def _drive_rc_published(root: Path) -> Table:
    """Every second frame; the first half of run 1 is for validation and its second half for testing."""
    table = read_donkey(next(root.rglob("catalog_0.catalog")).parent, every=2)
    runs = np.array(table.column_values("run"))
    parts = np.where(runs == "1", "test", "train").astype(object)
    held_out = np.flatnonzero(runs == "1")
    parts[held_out[: len(held_out) // 2]] = "valid"
    cells = {name: table.column_values(name) for name in table.columns}
    return Table.from_arrays({**cells, "part": parts.tolist()}, {**_donkey_columns(), "part": Category()})


def _lines(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text.strip()} is not a finite number")
    return value


def _moment(name: str) -> float | None:
    """Seconds, from a name such as center_2016_12_01_13_30_48_287.jpg."""
    found = _MOMENT.search(name.strip())
    if found is None:
        return None
    try:
        return datetime.strptime(found[1] + "000", "%Y_%m_%d_%H_%M_%S_%f").timestamp()
    except ValueError:
        return None


def _image_fault(path: Path) -> str | None:
    """Why an image cannot be used: not there, or without its end, as when a recorder was stopped while it wrote."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(0, size - 64))
            end = file.read()
    except OSError:
        return f"there is no {path.parent.name}/{path.name}"
    if path.suffix.lower() in (".jpg", ".jpeg") and b"\xff\xd9" not in end:
        return f"{path.parent.name}/{path.name} has no end: it was not written to its end"
    return None


def _check_cut(log: Path, faults: Sequence[tuple[int, str]], lines: int, on_cut: OnCut) -> None:
    """Faults at the end are a recording cut short; others are damage."""
    if not faults:
        return
    cut = [number for number, _ in faults] == list(range(lines - len(faults), lines)) and len(faults) < lines
    if cut and on_cut == "skip":
        return
    said = "; ".join(text for _, text in faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
    cure = (
        f'The recording was cut short in its last {len(faults)} of {lines} frames; on_cut="skip" leaves them out.'
        if cut
        else "Copy the recording again, or take these lines out of the log."
    )
    raise DataError(f"{log}: {said}. {cure}")


def _check_on_cut(on_cut: str) -> None:
    if on_cut not in ("raise", "skip"):
        raise ConfigError(f"on_cut must be 'raise' or 'skip', got {on_cut!r}.")


DRIVE_RC = NamedData(
    name="drive-rc",
    title="Camera of a small car on a taped floor track, with steering",
    rows=2508,
    task="image -> angle",
    licence="none stated",
    home="https://github.com/JustinWit/csc3520-autonomous-rc-car",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="csc3520-autonomous-rc-car.zip",
                    size=18_000_000,
                    exact=False,
                    urls=(
                        "https://github.com/JustinWit/csc3520-autonomous-rc-car/archive/"
                        "3e7fc5dff137dbe2ac5f1f53f987711386900401.zip",
                    ),
                    stated_by="the data set's page (address)",
                ),
            ),
            load=_drive_rc_published,
            layout=(("*/data/images/*.jpg", 5015), ("*/data/*.catalog", 6)),
            contents=(
                ("*/data/images/*.jpg", "41ddf584dfbbb5b8082856f68b416913e88d1a64102fa91b48ecc4d7d10d2e10"),
                ("*/data/*.catalog", "c8aa6caa5b6c5ce17c47b19b53d63dd745345978df925a7bd5614d54ca0948a7"),
            ),
        ),
        Source(
            files=(
                RemoteFile(
                    path="drive_rc.tar.gz",
                    size=3_398_595,
                    sha256="a52ce847a0f4c52f50c4466d27911c13daabdb3fa526f86bf3f182e2f2563528",
                ),
            ),
            load=_drive_rc,
            differs="Images are reduced from 160 x 120 to 128 x 96 px, as JPEG of quality 60.",
        ),
    ),
    note="Every second frame of 20 a second. Three runs: 0 and 2 train, the first half of run 1 is for validation and "
    "its second half for testing. 53 % of the angles are exactly 0. Neighbouring frames are nearly alike: never split "
    "by frame.",
)
