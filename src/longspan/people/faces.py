"""Faces from photos, ready to compare: find, align, embed; and the detectors by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from longspan.errors import DataError, unknown_name
from longspan.people.embedder import FaceEmbedder, face_embedder
from longspan.people.mtcnn import mtcnn
from longspan.people.photos import photo_pixels
from longspan.people.quality import FaceQuality, QualityGate
from longspan.people.ultra_light import ultra_light
from longspan.vision.align import Align

__all__ = ["FACE_DETECTORS", "FaceReader", "SeenFace", "face_detector"]

_MOST_OUTSIDE = 0.15  # of the box of a face that is enrolled

FACE_DETECTORS: tuple[str, ...] = ("mtcnn", "ultra-light")
"""Names of the detectors; mtcnn gives points, ultra-light is faster."""


def face_detector(name: str, *, min_face_px: int = 20) -> Callable[[Any], list[dict[str, Any]]]:
    """A detector by name, a function from an image to its faces, largest first.

    A face is a dict with "box" `[x0, y0, x1, y1]` in pixel edges, "label" "face", "score", and with mtcnn "points".

    Args:
        name: One of `FACE_DETECTORS`.
        min_face_px: Side of the smallest face that is looked for; mtcnn only.

    Raises:
        UnknownNameError: no such detector.
        WeightsError: its published weights are not here.
    """
    if name == "mtcnn":
        stages = [stage.what for stage in mtcnn(min_face_px=min_face_px).stages]

        def find(image: Any) -> list[dict[str, Any]]:
            pixels = photo_pixels(image)  # read once for the three
            return stages[2](pixels, stages[1](pixels, stages[0](pixels)))

        return find
    if name == "ultra-light":
        return ultra_light()
    raise unknown_name("face detector", name, FACE_DETECTORS)


@final
@dataclass(frozen=True, slots=True)
class SeenFace:
    """A face in a photo."""

    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in pixel edges."""
    score: float
    points: dict[str, list[float]]
    aligned: np.ndarray
    """`(112, 112, 3)` uint8."""
    vector: npt.NDArray[np.float32]
    """Of length 1."""
    quality: FaceQuality
    outside: float
    """Fraction of the box that lies outside of the photo."""


@final
class FaceReader:
    """Photos to faces with vectors, in stages: find, align, embed."""

    def __init__(
        self, embedder: FaceEmbedder | None = None, *, min_face_px: int = 40, gate: QualityGate | None = None
    ) -> None:
        """Load what is needed.

        Args:
            embedder: None: MobileFaceNet with its published weights.
            min_face_px: Side of the smallest face that is looked for.
            gate: What a face must have to be enrolled.

        Raises:
            WeightsError: published weights are not here.
        """
        self.embedder = face_embedder() if embedder is None else embedder
        self.gate = gate or QualityGate()
        self._find = face_detector("mtcnn", min_face_px=min_face_px)
        self._align = Align(size_px=self.embedder.size_px)

    def read(self, photo: Any) -> list[SeenFace]:
        """Every face of a photo, largest first; those whose points say nothing are left out.

        Raises:
            ValueError: the photo cannot be read, with the reason.
        """
        pixels = photo_pixels(photo)
        found, crops = [], []
        for face in self._find(pixels):
            try:
                aligned = self._align(pixels, face["points"])
            except ValueError:
                continue
            if aligned is not None:
                found.append(face)
                crops.append(aligned)
        vectors = self.embedder.many(crops)
        return [
            SeenFace(
                tuple(face["box"]),
                face["score"],
                face["points"],
                crop,
                vector,
                FaceQuality.of(face, crop),
                _outside(face["box"], pixels.shape[:2]),
            )
            for face, crop, vector in zip(found, crops, vectors, strict=True)
        ]

    def read_one(self, photo: Any) -> SeenFace:
        """The only face of a photo that is to be enrolled, good enough for that.

        Raises:
            DataError: no face, several, or one that is not good enough, with what is wrong.
        """
        name = str(photo) if not isinstance(photo, np.ndarray | bytes) else "the photo"
        try:
            faces = self.read(photo)
        except ValueError as error:
            raise DataError(f"{name}: {error}.") from None
        if not faces:
            raise DataError(f"{name} shows no face that is found. Take one from the front, at least 100 px wide.")
        sizes = sorted(((face.box[2] - face.box[0]) * (face.box[3] - face.box[1]) for face in faces), reverse=True)
        if len(faces) > 1 and sizes[1] * 4 > sizes[0]:  # a face of a quarter or less is in the background
            raise DataError(f"{name} shows {len(faces)} faces; whose is it? Cut it to one.")
        faults = self.gate.faults(faces[0].quality)
        if faces[0].outside > _MOST_OUTSIDE:
            faults.append("it is cut off: show all of it")
        if faults:
            raise DataError(f"{name} cannot be enrolled: {'; '.join(faults)}.")
        return faces[0]


def _outside(box: Sequence[float], size_px: tuple[int, int]) -> float:
    """The fraction of a box that lies outside of an image of this height and width."""
    x0, y0, x1, y1 = box
    height, width = size_px
    inside = max(0.0, min(x1, width) - max(x0, 0.0)) * max(0.0, min(y1, height) - max(y0, 0.0))
    return 1 - inside / max((x1 - x0) * (y1 - y0), 1e-9)
