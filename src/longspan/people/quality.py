"""Whether a face is good enough to enrol: its size, sharpness, light, and how far it is turned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from longspan.errors import ConfigError

__all__ = ["FaceQuality", "QualityGate"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FaceQuality:
    """What was measured of a face."""

    eyes_px: float
    """Distance of the eyes in the photo."""
    sharpness: float
    """Variance of the Laplacian of the aligned face, grey 0 to 255 (Pech-Pacheco et al. 2000)."""
    brightness: float
    """Mean grey of the aligned face, 0 to 255."""
    contrast: float
    """Standard deviation of its grey."""
    roll_deg: float
    """How far the line of the eyes is turned."""
    yaw: float
    """How far the nose is from the middle of the eyes, in distances of the eyes: 0 from the front."""
    score: float
    """The detector's."""

    @classmethod
    def of(cls, face: Mapping[str, Any], aligned: np.ndarray) -> FaceQuality:
        """Measure a face.

        Args:
            face: As a detector with points gives it.
            aligned: `(H, W, 3)` uint8, as `Align` gives it.
        """
        points = {name: np.asarray(at[:2], np.float64) for name, at in face["points"].items()}
        across = points["right eye"] - points["left eye"]
        eyes = max(float(np.hypot(*across)), 1e-6)
        along = across / eyes
        middle = (points["left eye"] + points["right eye"]) / 2
        grey = aligned.astype(np.float64) @ [0.299, 0.587, 0.114]
        laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
        return cls(
            eyes_px=eyes, sharpness=float(laplacian.var()), brightness=float(grey.mean()),
            contrast=float(grey.std()), roll_deg=math.degrees(math.atan2(across[1], across[0])),
            yaw=float((points["nose"] - middle) @ along / eyes), score=float(face["score"]),
        )  # fmt: skip

    def to_json(self) -> dict[str, float]:
        """Rounded numbers."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class QualityGate:
    """What a face must have to be enrolled."""

    eyes_px: float = 20.0
    """Least distance of the eyes, pixels of the photo; faces of about three times that width."""
    sharpness: float = 15.0
    """Least variance of the Laplacian."""
    brightness: tuple[float, float] = (40.0, 225.0)
    """Least and largest mean grey."""
    contrast: float = 15.0
    """Least standard deviation of grey."""
    roll_deg: float = 45.0
    """Largest turn in the plane of the photo."""
    yaw: float = 0.35
    """Largest turn to a side; see `FaceQuality.yaw`."""
    score: float = 0.9
    """Least score of the detector."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.brightness[0] < self.brightness[1]:
            raise ConfigError(f"QualityGate.brightness are least and largest grey, got {self.brightness}.")
        for name in ("eyes_px", "sharpness", "contrast", "roll_deg", "yaw"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"QualityGate.{name} must be at least 0, got {getattr(self, name)}.")

    def faults(self, quality: FaceQuality) -> list[str]:
        """What is wrong with a face, and what would mend it; empty where nothing is."""
        found = []
        if quality.score < self.score:
            found.append(f"it is hardly a face (score {quality.score:.2f}): take off what covers it")
        if quality.eyes_px < self.eyes_px:
            found.append(f"it is small (eyes {quality.eyes_px:.0f} px apart, needed: {self.eyes_px:.0f}): come closer")
        if quality.sharpness < self.sharpness:
            found.append(f"it is blurred (sharpness {quality.sharpness:.0f}, needed: {self.sharpness:.0f}): hold still")
        if not self.brightness[0] <= quality.brightness <= self.brightness[1]:
            what = "dark" if quality.brightness < self.brightness[0] else "bright"
            found.append(f"it is too {what} (mean grey {quality.brightness:.0f}): change the light")
        elif quality.contrast < self.contrast:
            found.append(f"it has no contrast ({quality.contrast:.0f}, needed: {self.contrast:.0f}): change the light")
        if abs(quality.roll_deg) > self.roll_deg:
            found.append(f"it lies on its side ({quality.roll_deg:.0f} degrees): turn the photo")
        if abs(quality.yaw) > self.yaw:
            found.append("it looks to the side: look into the camera")
        return found
