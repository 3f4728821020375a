"""Values that lie in an image and follow it: masks, boxes, instances."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from longspan.columns.base import Column
from longspan.columns.category import Label
from longspan.columns.image import Image
from longspan.errors import ConfigError
from longspan.old_names import current_value
from longspan.vision.drawing import Colour
from longspan.vision.image_io import Resize
from longspan.vision.resize_transform import ResizeTransform

__all__ = ["Spatial", "checked_frame"]


class Spatial(Column, ABC):
    """A kind of value that lies in the image of its row, and goes wherever the image goes.

    Raw values are in pixels of the source, the upright image as it lies on disk; encoded ones in pixels of the frame,
    which is what the network sees. Boxes and polygons are in edge coordinates: pixel i covers i to i + 1.

    Example:
        >>> from longspan.columns import Boxes
        >>> pixels = np.zeros((100, 200), np.uint8)
        >>> image = Image(size_px=(50, 50), channels=1)  # shows the middle 100 x 100, at half its size
        >>> boxes = Boxes(vocab=("cat",), max_boxes=3).bind(image)
        >>> transform = image.context_of(pixels)
        >>> framed = boxes.decode(boxes.encode_in([{"box": [60, 0, 80, 10], "label": "cat"}], transform))
        >>> framed
        [{'box': [5.0, 0.0, 15.0, 5.0], 'label': 'cat'}]
        >>> boxes.to_source(framed, transform)
        [{'box': [60.0, 0.0, 80.0, 10.0], 'label': 'cat'}]
    """

    readable: ClassVar[bool] = False
    context_kind: ClassVar[str | None] = Image.kind

    size_px: tuple[int, int] | None
    """Height and width of the frame; taken from the image that the value lies in."""
    resize: Resize
    """How the image was brought into its frame."""

    def bind(self, context: Column) -> Self:
        """The same column for the frame of this fitted image column."""
        assert isinstance(context, Image)
        assert context.size_px is not None
        assert dataclasses.is_dataclass(self)
        return dataclasses.replace(
            self, size_px=context.size_px, resize="crop" if context.resize == "auto" else context.resize
        )

    def encode(self, value: Any) -> np.ndarray:
        """A value whose image has the size of the frame already.

        Raises:
            ValueError: all that is wrong with the value.
        """
        assert self.size_px is not None
        return self.encode_in(value, ResizeTransform(self.size_px, self.size_px, self.resize))

    @abstractmethod
    def encode_in(self, value: Any, context: ResizeTransform) -> np.ndarray:
        """A value of the source, encoded in the frame where `context` puts it.

        Raises:
            ValueError: all that is wrong with the value: what `check` says, and what does not fit its image.
        """

    @abstractmethod
    def to_source(self, value: Any, context: ResizeTransform) -> Any:
        """A decoded value or prediction (frame) as it lies in the source image."""

    @abstractmethod
    def draw(self, pixels: np.ndarray, value: Any) -> np.ndarray:
        """The value drawn on an image `(H, W, 3)` uint8 in whose pixels it lies: a new array of the same shape."""

    @property
    @abstractmethod
    def legend(self) -> tuple[tuple[Label, Colour], ...]:
        """What each colour of `draw` means; empty where labels beside the objects say it."""

    @abstractmethod
    def json_value(self, value: Any) -> Any:
        """A prediction as JSON can hold it, for people and programs to read."""


def checked_frame(column: Spatial) -> None:
    """Bring a column's frame into its usual form (one number is a square), or raise the ConfigError."""
    name, size = type(column).__name__, column.size_px
    if isinstance(size, int):
        size = (size, size)
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ConfigError(f"{name}.size_px must be (height, width) of at least 1 pixel, got {size!r}.")
    object.__setattr__(column, "resize", current_value(f"{name}.resize", column.resize, stacklevel=6))
    if column.resize not in ("crop", "stretch", "pad"):
        raise ConfigError(f"{name}.resize must be 'crop', 'stretch' or 'pad', got {column.resize!r}.")
    object.__setattr__(column, "size_px", None if size is None else (int(size[0]), int(size[1])))
