"""What a car on a made-up road sees: a perspective image, ranges of a lidar, targets of a radar."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from longspan.control.road.track import LANE_M
from longspan.control.road.world import RoadWorld
from longspan.randomness import step_seed

__all__ = ["LIDAR_ANGLES", "LIDAR_REACH_M", "RADAR_REACH_M", "RADAR_TARGETS", "Camera", "lidar", "radar"]

LIDAR_ANGLES = np.deg2rad(np.arange(-75.0, 75.1, 1.5))
"""101 beams, from the right to the left."""
LIDAR_REACH_M = 60.0
_LIDAR_NOISE_M = 0.04
RADAR_REACH_M = 80.0
RADAR_TARGETS = 12
"""Most targets of a scan."""
_RADAR_FIELD = math.radians(50)
_RADAR_MISS = 0.1
_RADAR_CLUTTER = 0.5
_CAMERA_M = 1.4  # above the road
_FIELD = math.radians(80)
_PITCH = math.radians(4)
_COLOURS = np.array([[150, 60, 60], [70, 80, 190], [200, 200, 205], [60, 150, 80], [220, 160, 50], [40, 40, 45]], float)
_CLOTHES = np.array([[230, 60, 120], [240, 220, 60], [60, 200, 220]], float)
_SKY = np.array([150, 180, 215], float)
_GROUND = np.array([[80, 115, 60], [92, 92, 96], [235, 235, 235]], float)  # grass, asphalt, a line


@final
class Camera:
    """A perspective image of the made-up road, `(height, width, 3)` uint8; the ground is flat."""

    def __init__(self, height_px: int = 48, width_px: int = 96) -> None:
        """What does not change from frame to frame: where each pixel meets the ground."""
        self.height_px, self.width_px = height_px, width_px
        self.focal_px = width_px / 2 / math.tan(_FIELD / 2)
        rows = np.arange(height_px) + 0.5 - height_px / 2
        slope = rows / self.focal_px + math.tan(_PITCH)
        self.ground_rows = np.flatnonzero(slope > _CAMERA_M / 75)
        self.ahead_m = _CAMERA_M / slope[self.ground_rows]
        columns = width_px / 2 - np.arange(width_px) - 0.5
        self.left_m = self.ahead_m[:, None] * columns / self.focal_px

    def project(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows of points ahead, in pixels."""
        u = self.width_px / 2 - self.focal_px * y / x
        v = self.height_px / 2 + self.focal_px * ((_CAMERA_M - z) / x - math.tan(_PITCH))
        return u, v

    def see(self, world: RoadWorld) -> np.ndarray:
        """The image at this moment."""
        random = np.random.default_rng(step_seed(world.seed, "camera", world.steps))
        image = np.empty((self.height_px, self.width_px, 3))
        image[:] = _SKY
        s = world.own_s + np.arange(-2.0, 84.0, 2.0)
        places, heading = world.track.place(s, 0.0)
        apart = places - world.xy
        cosine, sine = math.cos(world.yaw), math.sin(world.yaw)
        x, y = apart[:, 0] * cosine + apart[:, 1] * sine, apart[:, 1] * cosine - apart[:, 0] * sine
        order = np.maximum.accumulate(x)  # a road that turns back is seen up to there
        middle, along, turn = (np.interp(self.ahead_m, order, each) for each in (y, s, heading - world.yaw))
        d = (self.left_m - middle[:, None]) * np.cos(turn)[:, None]
        wide = 0.09 + 0.004 * self.ahead_m[:, None]
        aside = np.abs(d)
        kind = (aside < LANE_M).astype(np.intp)
        kind[(np.abs(aside - LANE_M + 0.15) < wide) | ((aside < wide) & ((along % 8 < 4)[:, None]))] = 2
        # Patches that belong to the road and its side, not to the image.
        patch = np.sin(1.7 * along[:, None] + 2.3 * np.round(d)) * 6
        image[self.ground_rows] = _GROUND.take(kind, axis=0) + patch[..., None]
        self._draw_others(world, image)
        light = 0.85 + 0.3 * float(np.random.default_rng(step_seed(world.seed, "light", 0)).random())
        image *= light
        image += 5 * random.standard_normal(image.shape[:2])[..., None]
        return np.clip(image, 0, 255, out=image).astype(np.uint8)

    def boxes(self, world: RoadWorld) -> list[tuple[int, tuple[float, float, float, float], float]]:
        """What can be seen of the others, far to near: number, box (x0, y0, x1, y1 in pixels) and distance."""
        others = world.others(75.0)
        found = []
        for i in np.argsort(-others["x"]):
            if others["x"][i] < 2.5:
                continue
            half_l, half_w = others["length"][i] / 2, others["width"][i] / 2
            cosine, sine = math.cos(others["angle"][i]), math.sin(others["angle"][i])
            corner_l, corner_w = np.array([1, 1, -1, -1]) * half_l, np.array([1, -1, 1, -1]) * half_w
            x = np.maximum(others["x"][i] + corner_l * cosine - corner_w * sine, 0.8)
            y = others["y"][i] + corner_l * sine + corner_w * cosine
            u, low = self.project(x, y, np.zeros(4))
            _, high = self.project(x, y, np.full(4, others["height"][i]))
            box = (float(u.min()), float(high.min()), float(u.max()), float(low.max()))
            if box[2] > 0 and box[0] < self.width_px:
                found.append((int(others["number"][i]), box, float(others["x"][i])))
        return found

    def _draw_others(self, world: RoadWorld, image: np.ndarray) -> None:
        for number, (x0, y0, x1, y1), _ in self.boxes(world):
            person = world.kind[number] == 3
            colours = _CLOTHES if person else _COLOURS
            colour = colours[step_seed(world.seed, "colour", number) % len(colours)]
            left, right = max(0, round(x0)), min(self.width_px, max(round(x1), round(x0) + 1))
            top, bottom = max(0, round(y0)), min(self.height_px, round(y1))
            image[top:bottom, left:right] = colour
            glass = top + round((bottom - top) * 0.4)
            image[top:glass, left:right] = (225, 190, 165) if person and glass - top < 3 else 0.45 * colour
            image[max(top, bottom - max(1, (bottom - top) // 6)) : bottom, left:right] = 20


def lidar(world: RoadWorld) -> np.ndarray:
    """`(101,)` float32: metres to the nearest thing at each of `LIDAR_ANGLES`; 60 where there is none."""
    others = world.others(LIDAR_REACH_M + 5)
    ranges = np.full(len(LIDAR_ANGLES), LIDAR_REACH_M)
    if len(others["kind"]):
        # Beams in the frame of each box, where its sides are the slabs |x| < l and |y| < w (Kay and Kajiya 1986).
        cosine, sine = np.cos(others["angle"])[:, None], np.sin(others["angle"])[:, None]
        dx, dy = np.cos(LIDAR_ANGLES), np.sin(LIDAR_ANGLES)
        along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
        x, y = others["x"][:, None], others["y"][:, None]
        at_l, at_w = -(x * cosine + y * sine), -(y * cosine - x * sine)
        half_l, half_w = others["length"][:, None] / 2, others["width"][:, None] / 2
        along = np.where(np.abs(along) < 1e-9, 1e-9, along)
        across = np.where(np.abs(across) < 1e-9, 1e-9, across)
        l1, l2, w1, w2 = ((-half_l - at_l) / along, (half_l - at_l) / along, (-half_w - at_w) / across,
                          (half_w - at_w) / across)  # fmt: skip
        enter = np.maximum(np.minimum(l1, l2), np.minimum(w1, w2))
        leave = np.minimum(np.maximum(l1, l2), np.maximum(w1, w2))
        hit = (leave > np.maximum(enter, 0)) & (enter > 0)
        ranges = np.minimum(ranges, np.where(hit, enter, LIDAR_REACH_M).min(0))
    random = np.random.default_rng(step_seed(world.seed, "lidar", world.steps))
    noise = _LIDAR_NOISE_M * random.standard_normal(len(ranges))
    return np.where(ranges < LIDAR_REACH_M, np.minimum(ranges + noise, LIDAR_REACH_M), LIDAR_REACH_M).astype(np.float32)


def radar(world: RoadWorld) -> np.ndarray:
    """`(12, 4)` float32: range, bearing, radial speed against the car, and 1; empty rows are 0.

    One in ten is missed, and false targets come every other scan. A target is the nearest face of an object, not its
    middle; others do not hide it.
    """
    random = np.random.default_rng(step_seed(world.seed, "radar", world.steps))
    others = world.others(RADAR_REACH_M)
    distance, bearing = np.hypot(others["x"], others["y"]), np.arctan2(others["y"], others["x"])
    chance = random.random(len(distance))
    noise = random.standard_normal((len(distance), 3))
    seen = np.flatnonzero((distance < RADAR_REACH_M) & (np.abs(bearing) < _RADAR_FIELD) & (chance > _RADAR_MISS))
    closing = (others["vx"] - world.speed) * np.cos(bearing) + others["vy"] * np.sin(bearing)
    face = np.where(others["kind"] == 3, 0.3, 2.2)
    rows = [
        (max(0.5, distance[i] - face[i] + 0.25 * noise[i, 0]), bearing[i] + 0.012 * noise[i, 1],
         closing[i] + 0.15 * noise[i, 2], 1.0)
        for i in seen[np.argsort(distance[seen])]
    ]  # fmt: skip
    for _ in range(int(random.poisson(_RADAR_CLUTTER))):
        rows.append((random.uniform(3, RADAR_REACH_M), random.uniform(-_RADAR_FIELD, _RADAR_FIELD),
                     random.normal(-world.speed, 3), 1.0))  # fmt: skip
    found = np.zeros((RADAR_TARGETS, 4), np.float32)
    for i, row in enumerate(rows[:RADAR_TARGETS]):
        found[i] = row
    return found
