"""A column of angles."""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from longspan.columns import COLUMNS, Column
from longspan.metrics.row_errors import RowError


def degrees_between(target, prediction):
    """The smaller of the two angles between directions, in degrees."""
    return abs((float(target) - float(prediction) + 180) % 360 - 180)


@COLUMNS.register("angle")
@final
@dataclass(frozen=True, kw_only=True)
class Angle(Column):
    """A direction in degrees: encoded as a unit vector `(2,)` float32, so that 359 is next to 1."""

    kind: ClassVar[str] = "angle"

    def fit(self, values):
        return self

    @property
    def shape(self):
        return (2,)

    @property
    def dtype(self):
        return np.float32

    def check(self, value):
        try:
            return None if math.isfinite(float(value)) else f"{value!r} is not finite"
        except (TypeError, ValueError):
            return f"{value!r} is not an angle in degrees"

    def encode(self, value):
        if fault := self.check(value):
            raise ValueError(fault)
        radians = math.radians(float(value))
        return np.asarray([math.cos(radians), math.sin(radians)], np.float32)

    def decode(self, encoded):
        return math.degrees(math.atan2(float(encoded[1]), float(encoded[0]))) % 360

    @property
    def row_error(self):
        return RowError(
            name="angle between", of=degrees_between, metric="degrees", unit="degrees", largest=180.0, missing=180.0
        )
