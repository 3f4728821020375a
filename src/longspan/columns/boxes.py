"""Boxes around objects."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.annotations import MIN_SIDE_PX, MIN_VISIBLE_FRACTION, common_faults, learn_annotations
from longspan.columns.category import Category, Label, checked_vocab
from longspan.columns.spatial import Spatial, checked_frame
from longspan.errors import ConfigError
from longspan.lazy_torch import torch
from longspan.metrics.row_errors import BOXES_F1, RowError
from longspan.vision.annotation_values import (
    are_numbers,
    caption,
    count_html,
    described,
    entries_of,
    joined,
    label_of,
    shown,
)
from longspan.vision.augment_params import warp_points
from longspan.vision.drawing import Colour, draw_boxes, palette
from longspan.vision.image_io import Resize
from longspan.vision.resize_transform import ResizeTransform

if TYPE_CHECKING:
    from longspan.vision.augment_params import AugmentParams

__all__ = ["Boxes"]

_KEYS = ("box", "label", "ignore", "score")
_SLACK_PX = 1.0  # so far outside its image a box may reach, as rounding and other countings of pixels make it


@final
@dataclass(frozen=True, kw_only=True)
class Boxes(Spatial):
    r"""Objects in an image, each with an upright box around it and a class.

    A raw value is a list: of dicts `{"box": [x0, y0, x1, y1], "label": "person"}`, or of bare boxes, whose label is
    "object". A dict may have `"ignore": True`, for a crowd or an object that is hard to see: finding it is then neither
    right nor wrong. An empty list means that nothing is there; a missing value, that nobody looked. Predictions have a
    "score". Boxes are in pixels of the image on disk, in edge coordinates: x0=2, x1=5 for pixels 2 to 4.

    Encoded as `(max_boxes, 6)` float32: x0, y0, x1, y1 in the frame, class number, 1 if ignored. Rows that are all
    zero hold no box. What the frame or a warp cuts is clipped, and dropped when less than a tenth of it is left, or it
    is narrower or lower than a pixel. A turned box becomes the upright one around its corners.

    Example:
        >>> column = Boxes(size_px=(100, 200)).fit([[{"box": [20, 10, 60, 90], "label": "cat"}], []])
        >>> column.vocab, column.max_boxes
        (('cat',), 10)
        >>> column.encode([{"box": [20, 10, 60, 90], "label": "cat"}])[:2].tolist()
        [[20.0, 10.0, 60.0, 90.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
        >>> print(column.check([{"box": [60, 10, 20, 10], "label": "cta"}]).replace("; ", "\n"))
        box 0: class 'cta' does not occur in the training rows (nearest: 'cat')
        box 0 [60, 10, 20, 10]: x1=20 lies left of x0=60
        it has no height
        boxes are x0, y0, x1, y1, not widths and heights
    """

    kind: ClassVar[str] = "boxes"
    json_cells: ClassVar[bool] = True

    vocab: tuple[Label, ...] = ()
    """Labels in the order of the class numbers; learned from training rows, sorted, when empty."""
    max_boxes: int | None = None
    """Most boxes of one image; learned: twice the most in a training row, and eight more."""
    size_px: tuple[int, int] | None = None
    """Height and width of the frame."""
    resize: Resize = "crop"
    """How the image was brought into its frame."""

    def __post_init__(self) -> None:
        """Check vocabulary, room and frame."""
        object.__setattr__(self, "vocab", checked_vocab("Boxes", self.vocab))
        checked_frame(self)
        if self.max_boxes is not None and self.max_boxes < 1:
            raise ConfigError(f"Boxes.max_boxes must be at least 1, got {self.max_boxes!r}.")

    def fit(self, values: Iterable[Any]) -> Self:
        """Vocabulary and room for boxes, from the training rows, unless given.

        Raises:
            DataError: not one box in all of them, and no vocabulary; or labels that are none.
        """
        if self.vocab and self.max_boxes is not None:
            return self
        vocab, max_boxes = learn_annotations("Boxes", values, self.vocab, self.max_boxes)
        return replace(self, vocab=vocab, max_boxes=max_boxes)

    @property
    def shape(self) -> tuple[int, ...]:
        """One row for each box there is room for."""
        assert self.max_boxes is not None
        return (self.max_boxes, 6)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Coordinates, class and flag as the loss wants them."""
        return np.float32

    def check(self, value: Any) -> str | None:
        """Boxes that cannot be, unknown classes, too many of them; all that is wrong at once."""
        return joined(self._read(value, None)[1]) or None

    def encode_in(self, value: Any, context: ResizeTransform) -> np.ndarray:
        """The boxes of an image as they lie in its frame, those first that come first.

        Raises:
            ValueError: all that is wrong with them; more than a pixel outside the image is, too.
        """
        boxes, faults = self._read(value, context.source_px)
        if faults:
            raise ValueError(joined(faults))
        encoded = np.zeros(self.shape, np.float32)
        if boxes:
            rows = np.array([[*box, self._labels.encode(label), ignore] for box, label, ignore in boxes], np.float64)
            rows[:, :4], keep = _clipped(context.boxes_to_frame(rows[:, :4]), context.size_px)
            encoded[: keep.sum()] = rows[keep]
        return encoded

    def prepare(self, batch: torch.Tensor, augment_params: AugmentParams | None = None) -> torch.Tensor:
        """`(B, N, 6)` as encoded; with draws, every box where its image's warp takes it."""
        if augment_params is None or augment_params.geometry == "none":
            return batch
        assert self.size_px is not None
        corners = batch[:, :, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(len(batch), -1, 2)
        # The parameters count from the centre of the first pixel, boxes from its edge.
        corners = (warp_points(corners.double() - 0.5, augment_params) + 0.5).view(len(batch), -1, 4, 2)
        around = torch.cat([corners.amin(2), corners.amax(2)], dim=2)
        height, width = self.size_px
        inside = around.clamp(min=0).minimum(around.new_tensor([width, height, width, height]))
        sides, whole = inside[..., 2:] - inside[..., :2], around[..., 2:] - around[..., :2]
        there = (batch[..., 2] > batch[..., 0]) & (batch[..., 3] > batch[..., 1])
        keep = there & (sides >= MIN_SIDE_PX).all(-1) & (sides.prod(-1) >= MIN_VISIBLE_FRACTION * whole.prod(-1))
        moved = torch.cat([inside.to(batch.dtype), batch[..., 4:]], dim=2)
        return moved * keep[..., None]

    def count_objects(self, batch: torch.Tensor) -> int | None:
        """How many boxes are left in encoded rows."""
        return int(((batch[..., 2] > batch[..., 0]) & (batch[..., 3] > batch[..., 1])).sum())

    def decode(self, encoded: Any) -> list[dict[str, Any]]:
        """The boxes of the frame as dicts."""
        rows = np.asarray(encoded)
        decoded = []
        for row in rows[(rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])].tolist():
            ignore = {"ignore": True} if row[5] else {}
            decoded.append({"box": row[:4], "label": self.vocab[int(row[4])], **ignore})
        return decoded

    def to_source(self, value: list[dict[str, Any]], context: ResizeTransform) -> list[dict[str, Any]]:
        """Boxes of the frame as they lie in the source, clipped to it; those wholly outside are left out."""
        boxes = context.boxes_to_source([each["box"] for each in value]).tolist()
        there = zip(value, boxes, strict=True)
        return [{**each, "box": box} for each, box in there if box[2] > box[0] and box[3] > box[1]]

    def draw(self, pixels: np.ndarray, value: Any) -> np.ndarray:
        """Every box in the colour of its class, with its label and score; ignored ones with a broken line."""
        entries = entries_of(value, "boxes", "box")
        names = list(dict.fromkeys([*self.vocab, *map(label_of, entries)]))
        colours = palette(len(names))
        return draw_boxes(
            pixels,
            np.array([each["box"] for each in entries], np.float64),
            [caption(each) for each in entries],
            [colours[names.index(label_of(each))] for each in entries],
            dashed=[bool(each.get("ignore")) for each in entries],
        )

    @property
    def legend(self) -> tuple[tuple[Label, Colour], ...]:
        """Nothing: each bears its label."""
        return ()

    @property
    def row_error(self) -> RowError:
        """1 - F1 of the boxes of an image."""
        return BOXES_F1

    def json_value(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Label, score and box of each, to a hundredth of a pixel."""
        return [described(each) for each in entries_of(value, "boxes", "box")]

    def show_html(self, value: Any) -> str:
        """How many there are by label."""
        return count_html(value)

    def _read(
        self, value: Any, source_px: tuple[int, int] | None
    ) -> tuple[list[tuple[list[float], Label, bool]], list[str]]:
        """Box (clipped to the image), label and flag of each, and all faults."""
        try:
            entries = entries_of(value, "boxes", "box")
        except ValueError as error:
            return [], [str(error)]
        if len(entries) == 4 and are_numbers(entries):
            return [], [f"{shown(value)} is one box, not a list of boxes"]
        boxes, faults = [], []
        if self.max_boxes is not None and len(entries) > self.max_boxes:
            faults.append(
                f"{len(entries)} boxes, more than the {self.max_boxes} allowed; "
                f"Boxes(max_boxes={len(entries)}) allows them"
            )
        for number, entry in enumerate(entries):
            found = common_faults(entry, _KEYS, self._labels)
            faults += [f"box {number}: {fault}" for fault in found]
            if not isinstance(entry, dict):
                continue
            if "box" not in entry:
                faults.append(f"box {number}: there is no 'box' in it")
                continue
            box, fault = _checked_box(entry["box"], source_px)
            if not fault and source_px is not None and min(source_px) > 2 and max(box) <= 1 and not _whole(box):
                fault = (
                    f"{shown(entry['box'])}: it lies in the first pixel and looks like fractions of width and height; "
                    f"boxes are in pixels: multiply x by {source_px[1]} and y by {source_px[0]}"
                )
            if fault:
                faults.append(f"box {number} {fault}")
            elif not found:
                boxes.append((box, label_of(entry), bool(entry.get("ignore"))))
        return boxes, faults

    @functools.cached_property
    def _labels(self) -> Category:
        return Category(vocab=self.vocab)


def _whole(box: Sequence[float]) -> bool:
    return all(float(corner).is_integer() for corner in box)


def _clipped(boxes: np.ndarray, size_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes `(N, 4)` clipped to a frame, and which of them are left, `(N,)` bool."""
    height, width = size_px
    inside = boxes.clip(0, [width, height, width, height])
    sides, whole = inside[:, 2:] - inside[:, :2], boxes[:, 2:] - boxes[:, :2]
    return inside, (sides >= MIN_SIDE_PX).all(1) & (sides.prod(1) >= MIN_VISIBLE_FRACTION * whole.prod(1))


def _checked_box(box: Any, source_px: tuple[int, int] | None) -> tuple[list[float], str | None]:
    """A box clipped to its image, or what is wrong with it, behind its number."""
    said = shown(box.tolist() if isinstance(box, np.ndarray) else box)
    if not isinstance(box, list | tuple | np.ndarray) or len(box) != 4 or not are_numbers(box):
        return [], f"{said}: a box is four finite numbers x0, y0, x1, y1"
    x0, y0, x1, y1 = (float(each) for each in box)
    faults = []
    for low, high, axis, way, side in ((x0, x1, "x", "left of", "width"), (y0, y1, "y", "above", "height")):
        if high < low:
            faults.append(f"{axis}1={high:g} lies {way} {axis}0={low:g}")
        elif high == low:
            faults.append(f"it has no {side}")
    if any("lies" in each for each in faults):
        faults[-1] += "; boxes are x0, y0, x1, y1, not widths and heights"
    if source_px is not None:
        height, width = source_px
        beyond = {
            "left": -min(x0, x1),
            "top": -min(y0, y1),
            "right": max(x0, x1) - width,
            "bottom": max(y0, y1) - height,
        }
        far = [f"{by:g} px beyond the {edge}" for edge, by in beyond.items() if by > _SLACK_PX]
        x0, x1 = (min(max(x, 0.0), float(width)) for x in (x0, x1))
        y0, y1 = (min(max(y, 0.0), float(height)) for y in (y0, y1))
        if far:
            faults.append(f"it reaches {' and '.join(far)} of its image, which is {height} px high and {width} px wide")
        elif not faults and not (x1 > x0 and y1 > y0):
            faults.append(f"it lies outside its image, which is {height} px high and {width} px wide")
    return [x0, y0, x1, y1], f"{said}: {'; '.join(faults)}" if faults else None
