"""A door that opens for people of a gallery: one image after the other to a decision with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from longspan.errors import ConfigError, DataError
from longspan.people.faces import FaceReader, SeenFace
from longspan.people.gallery import Gallery

__all__ = ["Decision", "Door"]

_MOST_OUTSIDE = 0.25  # of a face's box


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the door opens, for whom, and why."""

    open: bool
    name: str | None
    similarity: float | None
    reason: str
    box: tuple[float, float, float, float] | None
    """Of the face that was compared, x0, y0, x1, y1 in pixels of the image."""

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "open": self.open, "name": self.name,
            "similarity": None if self.similarity is None else round(self.similarity, 4), "reason": self.reason,
            "box": None if self.box is None else [round(each, 1) for each in self.box],
        }  # fmt: skip


@final
class Door:
    """Opens for one person at a time whom the gallery knows, and stays closed in every doubt.

    Closed: an image that cannot be read; no face, or one that is too small or cut off; a second face of at least half
    the width; somebody unknown, or like two people. With `frames` above 1 so many images in a row must show the same
    person, which a single wrong comparison does not survive.

    No test tells a living face from a photo of one. Do not guard with it what a photo must not open.
    """

    def __init__(
        self, gallery: Gallery, reader: FaceReader | None = None, *, frames: int = 1, min_eyes_px: float = 12.0
    ) -> None:
        """Put them together.

        Args:
            gallery: Who may pass.
            reader: Finds and embeds faces; None: MTCNN and MobileFaceNet.
            frames: Images in a row that must show the same person.
            min_eyes_px: Least distance of the eyes, pixels of the image.

        Raises:
            ConfigError: numbers that cannot be.
            DataError: the gallery holds vectors of another network.
        """
        if not isinstance(frames, int) or frames < 1:
            raise ConfigError(f"frames must be a whole number of at least 1, got {frames!r}.")
        if not min_eyes_px > 0:
            raise ConfigError(f"min_eyes_px must be above 0, got {min_eyes_px!r}.")
        self.gallery = gallery
        self.reader = reader or FaceReader()
        if gallery.model != self.reader.embedder.model:
            raise DataError(
                f"The gallery holds vectors of {gallery.model}, and the faces here are embedded by "
                f"{self.reader.embedder.model}: they do not compare. Enrol everybody anew."
            )
        self.frames = frames
        self.min_eyes_px = min_eyes_px
        self._last: str | None = None
        self._count = 0

    def reset(self) -> None:
        """Forget the images before."""
        self._last, self._count = None, 0

    def look(self, image: Any) -> Decision:
        """Decide about one image: a path, bytes, an array `(H, W, 3)` uint8 or a Pillow image."""
        decision = self._decide(image)
        if decision.name is None or decision.name != self._last:
            self._last, self._count = decision.name, 0
        self._count += decision.name is not None
        if decision.open and self._count < self.frames:
            words = f"seen in {self._count} of {self.frames} images in a row"
            return Decision(False, decision.name, decision.similarity, words, decision.box)
        return decision

    def _decide(self, image: Any) -> Decision:
        try:
            faces = self.reader.read(image)
        except ValueError as error:
            return _closed(f"the image cannot be read: {error}")
        if not faces:
            return _closed("no face")
        face = faces[0]
        width = face.box[2] - face.box[0]
        if sum(each.box[2] - each.box[0] >= width / 2 for each in faces) > 1:
            return _closed("several people: one at a time", face)
        if face.quality.eyes_px < self.min_eyes_px:
            return _closed("the face is too small: come closer", face)
        if face.outside > _MOST_OUTSIDE:
            return _closed("the face is cut off: come to the middle", face)
        answer = self.gallery.identify(face.vector)
        return Decision(answer.name is not None, answer.name, answer.similarity, answer.reason, face.box)


def _closed(reason: str, face: SeenFace | None = None) -> Decision:
    return Decision(False, None, None, reason, None if face is None else face.box)
