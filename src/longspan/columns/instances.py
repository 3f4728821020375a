"""Objects with their masks."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.annotations import MIN_VISIBLE_FRACTION, common_faults, learn_annotations
from longspan.columns.category import Category, Label, checked_vocab
from longspan.columns.spatial import Spatial, checked_frame
from longspan.errors import ConfigError
from longspan.lazy_torch import torch
from longspan.metrics.row_errors import INSTANCES_F1, RowError
from longspan.vision.annotation_values import caption, count_html, described, entries_of, joined, label_of
from longspan.vision.augment_params import warp_masks
from longspan.vision.contours import mask_of, outline_faults
from longspan.vision.drawing import Colour, draw_boxes, draw_masks, palette
from longspan.vision.image_io import Resize
from longspan.vision.instance_encoding import areas, boxes_in, masks_in, packed, tight_boxes
from longspan.vision.resize_transform import ResizeTransform
from longspan.vision.rle import encode_runs

if TYPE_CHECKING:
    from longspan.vision.augment_params import AugmentParams

__all__ = ["Instances"]

_KEYS = ("label", "rle", "polygons", "box", "ignore", "score")


@final
@dataclass(frozen=True, kw_only=True)
class Instances(Spatial):
    """Objects in an image, each with its own mask and a class; masks may overlap.

    A raw value is a list of dicts: "label", and the mask as one of

    - "rle": `{"size": [h, w], "counts": [...]}`, COCO's runs down the columns, the first of background; its compressed
      string does too,
    - "polygons": `[[x, y, x, y, ...], ...]` in edge coordinates, together one object.

    "ignore" is as in `Boxes`; a "box" is not read, since the mask says where it is. An empty list says that nothing is
    there; a missing value, that nobody looked. Predictions have a "score", the "box" and the mask as "rle".

    Encoded as `(max_instances, 24 + H * ceil(W / 8))` uint8: six float32 as in `Boxes`, of which the box is the tight
    one around the mask in the frame, then the mask, eight pixels to a byte by rows. What the frame or a warp cuts is
    dropped when less than a tenth of it is left.

    Example:
        >>> cat = {"label": "cat", "polygons": [[1, 0, 3, 0, 3, 2, 1, 2]]}
        >>> column = Instances(size_px=(2, 4)).fit([[cat], []])
        >>> column.decode(column.encode([cat]))
        [{'box': [1.0, 0.0, 3.0, 2.0], 'label': 'cat', 'rle': {'size': [2, 4], 'counts': [2, 4, 2]}}]
        >>> column.check([{"label": "cat", "polygons": [[1, 0, 3, 2]]}])
        'instance 0: polygon 0 has 2 points; at least 3 make an area'
    """

    kind: ClassVar[str] = "instances"
    json_cells: ClassVar[bool] = True

    vocab: tuple[Label, ...] = ()
    """Labels in the order of the class numbers; learned from training rows, sorted, when empty."""
    max_instances: int | None = None
    """Most objects in one image; learned: twice the most in a training row, and eight more."""
    size_px: tuple[int, int] | None = None
    """Height and width of the frame."""
    resize: Resize = "crop"
    """How the image was brought into its frame."""

    def __post_init__(self) -> None:
        """Check vocabulary, room and frame."""
        object.__setattr__(self, "vocab", checked_vocab("Instances", self.vocab))
        checked_frame(self)
        if self.max_instances is not None and self.max_instances < 1:
            raise ConfigError(f"Instances.max_instances must be at least 1, got {self.max_instances!r}.")

    def fit(self, values: Iterable[Any]) -> Self:
        """Vocabulary and room for objects, from the training rows, unless given.

        Raises:
            DataError: not one object in all of them, and no vocabulary; or labels that are none.
        """
        if self.vocab and self.max_instances is not None:
            return self
        vocab, most = learn_annotations("Instances", values, self.vocab, self.max_instances)
        return replace(self, vocab=vocab, max_instances=most)

    @property
    def shape(self) -> tuple[int, ...]:
        """One row for each object there is room for."""
        assert self.size_px is not None
        assert self.max_instances is not None
        return (self.max_instances, 24 + self.size_px[0] * -(-self.size_px[1] // 8))

    @property
    def dtype(self) -> npt.DTypeLike:
        """Bytes that hold numbers and masks."""
        return np.uint8

    def check(self, value: Any) -> str | None:
        """Masks that cannot be, unknown classes, too many of them; all that is wrong at once."""
        return joined(self._read(value, None)[1]) or None

    def encode_in(self, value: Any, context: ResizeTransform) -> np.ndarray:
        """The objects of an image as they lie in its frame, those first that come first.

        Raises:
            ValueError: all that is wrong with them; runs of another size than the image are, too.
        """
        entries, faults = self._read(value, context.source_px)
        if faults:
            raise ValueError(joined(faults))
        encoded = np.zeros(self.shape, np.uint8)
        masks, numbers = [], []
        for entry in entries:
            mask = mask_of(entry, context.source_px)
            framed = context.mask_to_frame(mask, 0)
            left = np.count_nonzero(framed)
            if left and left >= MIN_VISIBLE_FRACTION * np.count_nonzero(mask) * context.scale.prod():
                masks.append(framed)
                numbers.append([int(self._labels.encode(label_of(entry))), float(bool(entry.get("ignore")))])
        if masks:
            together = torch.from_numpy(np.stack(masks))
            boxes = torch.cat([tight_boxes(together), torch.tensor(numbers)], dim=1)
            encoded[: len(masks)] = packed(boxes, together).numpy()
        return encoded

    def prepare(self, batch: torch.Tensor, augment_params: AugmentParams | None = None) -> torch.Tensor:
        """`(B, N, bytes)` as encoded; with draws, masks warped like their images, and boxes tight around them."""
        if augment_params is None or augment_params.geometry == "none":
            return batch
        boxes = self.boxes_of(batch)
        # One pixel of the warped image stands for so many of the one before.
        area = torch.linalg.det(augment_params.matrix[:, :, :2].double()).abs()
        moved = torch.zeros_like(batch)
        for image, used in enumerate((boxes[..., 2] > boxes[..., 0]).cpu()):
            slots = used.nonzero()[:, 0].to(batch.device)
            if not len(slots):
                continue
            before = self.masks_of(batch[image, slots])
            after = warp_masks(before[None], augment_params.take(slice(image, image + 1)), 0)[0]
            left = areas(after)
            keep = (left > 0) & (left * area[image] >= MIN_VISIBLE_FRACTION * areas(before))
            numbers = torch.cat([tight_boxes(after), boxes[image, slots, 4:]], dim=1)
            moved[image, slots] = packed(numbers, after) * keep[:, None]
        return moved

    def boxes_of(self, batch: torch.Tensor) -> torch.Tensor:
        """The boxes of encoded values `(B, N, bytes)` as in `Boxes`: `(B, N, 6)` float32, on the same device."""
        return boxes_in(batch)

    def masks_of(self, batch: torch.Tensor) -> torch.Tensor:
        """The masks of encoded values `(B, N, bytes)`: `(B, N, H, W)` bool, on the same device."""
        assert self.size_px is not None
        return masks_in(batch, self.size_px)

    def count_objects(self, batch: torch.Tensor) -> int | None:
        """How many instances are left in encoded rows."""
        boxes = self.boxes_of(batch)
        return int(((boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])).sum())

    def decode(self, encoded: Any) -> list[dict[str, Any]]:
        """The objects of the frame as dicts, masks as runs."""
        assert self.size_px is not None
        batch = torch.as_tensor(encoded)
        boxes, masks = self.boxes_of(batch), self.masks_of(batch).numpy()
        decoded = []
        for row, mask in zip(boxes.tolist(), masks, strict=True):
            if row[2] > row[0] and row[3] > row[1]:
                ignore = {"ignore": True} if row[5] else {}
                decoded.append({"box": row[:4], "label": self.vocab[int(row[4])], "rle": _runs(mask), **ignore})
        return decoded

    def to_source(self, value: list[dict[str, Any]], context: ResizeTransform) -> list[dict[str, Any]]:
        """Objects of the frame as they lie in the source; those of which nothing lies in it are left out."""
        moved = []
        for entry in entries_of(value, "instances"):
            mask = context.mask_to_source(mask_of(entry, context.size_px), 0)
            if not mask.any():
                continue
            box = context.boxes_to_source([entry["box"]])[0].tolist() if "box" in entry else None
            about = {key: part for key, part in entry.items() if key not in ("box", "rle", "polygons")}
            moved.append({**({"box": box} if box else {}), **about, "rle": _runs(mask)})
        return moved

    def draw(self, pixels: np.ndarray, value: Any) -> np.ndarray:
        """Every mask tinted in a colour of its own, with outline, box, label and score; what is ignored is dashed."""
        entries = entries_of(value, "instances")
        colours = palette(len(entries))
        size = (pixels.shape[0], pixels.shape[1])
        masks = [mask_of(each, size) for each in entries]
        tight = [tight_boxes(torch.from_numpy(mask)[None])[0].tolist() for mask in masks]
        boxes = [each.get("box", around) for each, around in zip(entries, tight, strict=True)]
        return draw_boxes(
            draw_masks(pixels, masks, colours),
            np.array(boxes, np.float64),
            [caption(each) for each in entries],
            colours,
            dashed=[bool(each.get("ignore")) for each in entries],
        )

    @property
    def legend(self) -> tuple[tuple[Label, Colour], ...]:
        """Nothing: each bears its label."""
        return ()

    @property
    def row_error(self) -> RowError:
        """1 - F1 of the masks of an image."""
        return INSTANCES_F1

    def json_value(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Label, score, box and mask (runs) of each."""
        return [
            {**described(each), **{key: each[key] for key in ("rle", "polygons") if key in each}}
            for each in entries_of(value, "instances")
        ]

    def show_html(self, value: Any) -> str:
        """How many there are by label."""
        return count_html(value)

    def _read(self, value: Any, source_px: tuple[int, int] | None) -> tuple[list[dict[str, Any]], list[str]]:
        """The objects, and all that is wrong with them."""
        try:
            entries = entries_of(value, "instances")
        except ValueError as error:
            return [], [str(error)]
        faults = []
        if self.max_instances is not None and len(entries) > self.max_instances:
            faults.append(
                f"{len(entries)} instances, more than the {self.max_instances} allowed; "
                f"Instances(max_instances={len(entries)}) allows them"
            )
        for number, entry in enumerate(entries):
            found = common_faults(entry, _KEYS, self._labels)
            if isinstance(entry, dict):
                found += outline_faults(entry, source_px)
            faults += [f"instance {number}: {fault}" for fault in found]
        return entries, faults

    @functools.cached_property
    def _labels(self) -> Category:
        return Category(vocab=self.vocab)


def _runs(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": encode_runs(mask)}
