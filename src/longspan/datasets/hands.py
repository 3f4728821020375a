"""Made-up radiographs of hands whose bones follow published growth: lengths are then what tells the age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.columns import Category, Image, Keypoints, Number, Raw
from longspan.data.table import Table
from longspan.errors import ConfigError

__all__ = ["BONES", "HandsConfig", "bone_points", "growth", "make_hands"]

FINGERS = ("thumb", "index", "middle", "ring", "little")
_PARTS = ("metacarpal", "proximal", "middle", "distal")
BONES = tuple(f"{finger} {part}" for finger in FINGERS for part in _PARTS if (finger, part) != ("thumb", "middle"))
"""The 19 long bones of a hand."""

_ADULT_MM = {
    "thumb": ((46.22, 3.94), (31.57, 3.13), (21.67, 1.60)),
    "index": ((68.12, 6.27), (39.78, 4.94), (22.38, 2.51), (15.82, 2.25)),
    "middle": ((64.60, 5.38), (44.63, 3.81), (26.33, 3.00), (17.40, 1.85)),
    "ring": ((58.00, 5.06), (41.37, 3.87), (25.65, 3.29), (17.30, 2.22)),
    "little": ((53.69, 4.36), (32.74, 2.77), (18.11, 2.54), (15.96, 2.45)),
}
"""Mean and standard deviation of each bone of 66 adults, mm.

Source: Buryanov and Kotiuk 2010, "Proportions of hand segments"."""
_ADULTS_CM = 170.0  # stature of adults of both sexes, about
_BONE_SPREAD = 0.035  # of each bone around its hand's size, as a fraction
_FIRST_YEAR = 2
_STATURE_CM = {
    "male": (
        86.45, 94.96, 102.22, 108.90, 115.39, 121.77, 127.88, 133.51, 138.62, 143.52, 149.05, 156.09, 163.84, 169.94,
        173.51, 175.29, 176.16, 176.60, 176.85,
    ),
    "female": (
        84.98, 93.92, 100.75, 107.66, 114.71, 121.49, 127.59, 132.92, 137.99, 143.98, 151.19, 157.15, 160.39, 161.86,
        162.55, 162.91, 163.12, 163.25, 163.34,
    ),
}  # fmt: skip
_STATURE_SPREAD = {
    "male": (
        0.0403, 0.0406, 0.0413, 0.0425, 0.0436, 0.0444, 0.0451, 0.0462, 0.0476, 0.0489, 0.0499, 0.0503, 0.0490, 0.0460,
        0.0432, 0.0415, 0.0407, 0.0404, 0.0404,
    ),
    "female": (
        0.0408, 0.0420, 0.0432, 0.0442, 0.0449, 0.0454, 0.0459, 0.0468, 0.0486, 0.0505, 0.0488, 0.0440, 0.0411, 0.0401,
        0.0398, 0.0397, 0.0397, 0.0397, 0.0397,
    ),
}  # fmt: skip
"""Median stature at 2 to 20 years, and its spread as a fraction (M and S): growth charts of the CDC, 2000."""
_ANGLES_DEG = {"thumb": 48.0, "index": 14.0, "middle": 2.0, "ring": -9.0, "little": -20.0}
_ROOTS = {"thumb": 0.36, "index": 0.20, "middle": 0.02, "ring": -0.14, "little": -0.29}
"""Where metacarpals begin beside the middle of the wrist, in lengths of the middle one."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class HandsConfig:
    """How made-up hands look."""

    height_px: int = 192
    """Height of the radiographs."""
    width_px: int = 160
    """Width of the radiographs."""
    mm_per_px: float = 1.2
    """Size of a pixel at the hand; the same everywhere, so lengths in pixels are lengths."""
    youngest_months: float = 24
    """Of the children."""
    oldest_months: float = 216
    """Of the children."""
    turn_deg: float = 8.0
    """How far hands are turned, either way."""
    noise: float = 0.05
    """Standard deviation of the noise, as a fraction of the full range."""
    plates: bool = True
    """Whether growth plates show as gaps that close with age; without them lengths alone tell it."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.height_px, self.width_px) < 32 or not self.mm_per_px > 0:
            raise ConfigError("HandsConfig needs sides of at least 32 px and mm_per_px above 0.")
        if not 24 <= self.youngest_months < self.oldest_months <= 240:
            raise ConfigError("HandsConfig needs 24 <= youngest_months < oldest_months <= 240: growth is known there.")
        if not (0 <= self.turn_deg <= 45 and 0 <= self.noise <= 0.5):
            raise ConfigError("HandsConfig needs turn_deg in 0..45 and noise in 0..0.5.")


def growth(age_months: float, sex: str) -> tuple[float, float]:
    """Size of a hand at an age beside that of adults (both sexes, as published), and its spread as a fraction.

    Hands are taken to grow as stature does, which is nearly so from two years on.

    Args:
        age_months: 24 to 240.
        sex: "female" or "male".
    """
    years = np.arange(_FIRST_YEAR, _FIRST_YEAR + len(_STATURE_CM[sex]))
    at = age_months / 12
    stature = float(np.interp(at, years, _STATURE_CM[sex]))
    return stature / _ADULTS_CM, float(np.interp(at, years, _STATURE_SPREAD[sex]))


def bone_points(bone: str) -> tuple[str, str]:
    """Names of the two ends of a bone."""
    return f"{bone} base", f"{bone} head"


def make_hands(count: int, *, seed: int = 0, config: HandsConfig | None = None) -> Table:
    """Made-up radiographs: columns `image`, `sex`, `age_months`, `points` (two ends of 19 bones) and `source`.

    `source` is "made up" in every row. A hand's size is that of its age and sex times a random factor with the spread
    of stature; each bone has one of its own beside it. Nothing here may be taken for a child's radiograph.

    Source: lengths of adults' bones, Buryanov and Kotiuk 2010; growth, the charts of the CDC 2000. Made up: the spread
    of a bone around its hand (3.5 %), angles, widths, soft parts, and when growth plates close (at 84 to 100 % of the
    growth to full size).

    Args:
        count: Hands.
        seed: Random seed.
        config: How they look.
    """
    config = config or HandsConfig()
    cells: dict[str, list[Any]] = {name: [] for name in ("image", "sex", "age_months", "points", "source")}
    for row in range(count):
        random = np.random.default_rng([seed, row])
        sex = ("female", "male")[int(random.integers(2))]
        age = round(float(random.uniform(config.youngest_months, config.oldest_months)))
        size, spread = growth(age, sex)
        hand = size * float(np.exp(spread * random.standard_normal()))
        image, points = _draw(config, random, hand, _openness(age, sex) if config.plates else 0.0)
        for name, value in zip(cells, (image, sex, float(age), points, "made up"), strict=True):
            cells[name].append(value)
    names = tuple(end for bone in BONES for end in bone_points(bone))
    columns = {
        "image": Image(channels=1),
        "sex": Category(vocab=("female", "male")),
        "age_months": Number(unit="months"),
        "points": Keypoints(names=names),
        "source": Raw(),
    }
    return Table.from_arrays({**cells, "image": np.stack(cells["image"])}, columns)


def _openness(age: float, sex: str) -> float:
    """1 for wide growth plates, 0 for closed ones."""
    reached = growth(age, sex)[0] / growth(240, sex)[0]
    return float(np.clip((1.0 - reached) / 0.16, 0, 1))


def _draw(
    config: HandsConfig, random: np.random.Generator, hand: float, open_plates: float
) -> tuple[np.ndarray, dict[str, list[float]]]:
    height, width = config.height_px, config.width_px
    soft, bones = _Canvas(height, width), _Canvas(height, width)
    turn = np.deg2rad(random.uniform(-config.turn_deg, config.turn_deg))
    unit = _ADULT_MM["middle"][0][0] * hand / config.mm_per_px
    wrist = np.array([width * (0.45 + 0.03 * random.standard_normal()), height * 0.9])
    points: dict[str, list[float]] = {}
    for finger in FINGERS:
        angle = np.deg2rad(_ANGLES_DEG[finger] + 2.5 * random.standard_normal()) + turn
        along = np.array([np.sin(angle), -np.cos(angle)])
        at = wrist + _turned(np.array([_ROOTS[finger] * unit, -0.12 * unit]), turn)
        parts = [part for part in _PARTS if (finger, part) != ("thumb", "middle")]
        for part, (mean, _) in zip(parts, _ADULT_MM[finger], strict=True):
            length = mean * hand * float(np.exp(_BONE_SPREAD * random.standard_normal())) / config.mm_per_px
            end = at + length * along
            thick = (0.085 if part == "metacarpal" else 0.075) * unit * (1.15 if finger == "thumb" else 1.0)
            base, head = bone_points(f"{finger} {part}")
            points[base], points[head] = at.tolist(), end.tolist()
            bones.line(at + thick * along, end - thick * along, thick)
            bones.darken(at + 0.2 * length * along, along, 1.6 * thick, open_plates)
            soft.line(at, end, 0.17 * unit)
            at = end + 0.03 * unit * along
    palm = wrist + _turned(np.array([0.0, 0.1 * unit]), turn)
    for offset in (-0.18, 0.0, 0.18):  # of the carpal bones three
        carpal = palm + np.array([offset * unit, 0.0])
        bones.line(carpal, carpal, 0.1 * unit)
    soft.line(wrist, wrist + np.array([0.0, height]), 0.42 * unit)
    image = 0.06 + 0.22 * soft.values + 0.5 * bones.values
    image = image * random.uniform(0.85, 1.15) + config.noise * random.standard_normal(image.shape)
    # Points outside the frame are not labelled, as a person could not mark them.
    inside = {name: place for name, place in points.items() if 0 <= place[0] <= width and 0 <= place[1] <= height}
    return (255 * np.clip(image, 0, 1)).astype(np.uint8), inside


def _turned(vector: np.ndarray, angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine * vector[0] - sine * vector[1], sine * vector[0] + cosine * vector[1]])


@final
class _Canvas:
    """Values of 0 to 1 at each pixel; thick lines are painted over one another."""

    def __init__(self, height: int, width: int) -> None:
        self.values = np.zeros((height, width))

    def _around(self, low: np.ndarray, high: np.ndarray) -> tuple[slice, slice, np.ndarray, np.ndarray] | None:
        """The part between two corners, and the middles of its pixels."""
        height, width = self.values.shape
        x0, y0 = (max(0, int(np.floor(each))) for each in low)
        x1, y1 = min(width, int(np.ceil(high[0]))), min(height, int(np.ceil(high[1])))
        if x0 >= x1 or y0 >= y1:
            return None
        x, y = np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5)
        return slice(y0, y1), slice(x0, x1), x, y

    def line(self, start: np.ndarray, end: np.ndarray, thick: float) -> None:
        """1 within `thick` of a line, falling to 0 over a pixel."""
        part = self._around(np.minimum(start, end) - thick - 1, np.maximum(start, end) + thick + 1)
        if part is None:
            return
        rows, columns, x, y = part
        along = end - start
        length = max(float(along @ along), 1e-9)
        place = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length, 0, 1)
        apart = np.hypot(x - start[0] - place * along[0], y - start[1] - place * along[1])
        self.values[rows, columns] = np.maximum(self.values[rows, columns], np.clip(thick + 0.5 - apart, 0, 1))

    def darken(self, place: np.ndarray, along: np.ndarray, reach: float, strength: float) -> None:
        """A dark line across a bone; `along` is the bone's direction."""
        part = self._around(place - reach - 1, place + reach + 1)
        if part is None or strength <= 0:
            return
        rows, columns, x, y = part
        across = (x - place[0]) * along[0] + (y - place[1]) * along[1]
        near = np.hypot(x - place[0], y - place[1]) < reach
        self.values[rows, columns] *= 1 - strength * near * np.exp(-((across / 1.1) ** 2))
