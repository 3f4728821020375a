"""Named points in an image: the corners of the eyes, the joints of a body or a hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.spatial import Spatial, checked_frame
from longspan.errors import ConfigError, DataError, nearest
from longspan.lazy_torch import torch
from longspan.metrics.row_errors import RowError
from longspan.vision.annotation_values import are_numbers, joined, shown
from longspan.vision.augment_params import warp_points
from longspan.vision.drawing import Colour, draw_boxes, palette
from longspan.vision.image_io import Resize
from longspan.vision.resize_transform import ResizeTransform

if TYPE_CHECKING:
    from longspan.vision.augment_params import AugmentParams

__all__ = ["Keypoints", "mean_normalised_distance"]

_SIDES = ("left", "right")
_SLACK_PX = 1.0  # so far outside its image a point may lie, as rounding makes it
_MARK_PX = 2.5
_ABSENT, _HIDDEN, _VISIBLE = 0, 1, 2  # as in COCO


def mean_normalised_distance(target: Mapping[str, Any], prediction: Mapping[str, Any]) -> float:
    """Normalised mean error: mean distance over the known points, divided by the extent of the target's points.

    The extent is the diagonal of the box around the known points, at least one pixel. A point that was not predicted
    counts as one extent off.
    """
    known = {name: np.asarray(at[:2], np.float64) for name, at in target.items() if at is not None}
    if not known:
        return 0.0
    places = np.stack([*known.values()])
    extent = max(1.0, float(np.hypot(*(places.max(0) - places.min(0)))))
    found = (prediction.get(name) for name in known)
    apart = [
        extent if at is None else float(np.hypot(*(np.asarray(at[:2], np.float64) - place)))
        for at, place in zip(found, known.values(), strict=True)
    ]
    return float(np.mean(apart)) / extent


_ERROR = RowError(
    name="distance of points, relative to their extent", of=mean_normalised_distance, metric="nme", largest=np.inf
)


@final
@dataclass(frozen=True, kw_only=True)
class Keypoints(Spatial):
    """Points of one object in an image, each with a name.

    A raw value is a dict from names to places: `{"nose": [x, y], "left ear": [x, y, 1], "right ear": None}`. A third
    number says whether the point can be seen, as in COCO: 2 visible (the same as no third number), 1 hidden but
    labelled. None, or a name that is not there, stands for a point that nobody labelled; losses and metrics leave it
    out. Places are in pixels of the image on disk, in edge coordinates: the middle of the first pixel is 0.5, 0.5.

    Encoded as `(num_points, 3)` float32: x, y in the frame, and 0 (not labelled), 1 or 2. Points follow their image
    when it is resized and augmented; those that leave the frame count as not labelled. A mirrored image swaps the
    points of each pair: what was the left hand is now the right one.

    Example:
        >>> column = Keypoints(size_px=(50, 100)).fit([{"left eye": [20, 10], "right eye": [40, 10]}])
        >>> column.names, column.pairs
        (('left eye', 'right eye'), (('left eye', 'right eye'),))
        >>> column.encode({"left eye": [20, 10, 1]}).tolist()
        [[20.0, 10.0, 1.0], [0.0, 0.0, 0.0]]
        >>> column.check({"left eyes": [20, 10]})
        "there is no point 'left eyes' (nearest: 'left eye')"
    """

    kind: ClassVar[str] = "keypoints"
    json_cells: ClassVar[bool] = True

    names: tuple[str, ...] = ()
    """Names of the points, in the order in which they are encoded; learned, in order of appearance, when empty."""
    pairs: tuple[tuple[str, str], ...] | None = None
    """Names that change places when the image is mirrored. None: those that differ in "left" and "right" alone."""
    size_px: tuple[int, int] | None = None
    """Height and width of the frame."""
    resize: Resize = "crop"
    """How the image was brought into its frame."""

    def __post_init__(self) -> None:
        """Check names, pairs and frame."""
        checked_frame(self)
        object.__setattr__(self, "names", tuple(self.names))
        if len(set(self.names)) < len(self.names) or not all(isinstance(each, str) and each for each in self.names):
            raise ConfigError(f"Keypoints.names must be words, each once, got {self.names!r}.")
        if self.pairs is None:
            return
        pairs = tuple(tuple(pair) for pair in self.pairs)
        paired = [name for pair in pairs for name in pair]
        if any(len(pair) != 2 for pair in pairs) or len(set(paired)) < len(paired):
            raise ConfigError(f"Keypoints.pairs must be pairs of names, each name in one of them, got {self.pairs!r}.")
        if self.names and not {*paired} <= {*self.names}:
            unknown = ", ".join(sorted({*paired} - {*self.names}))
            raise ConfigError(f"Keypoints.pairs holds names that no point has: {unknown}.")
        object.__setattr__(self, "pairs", pairs)

    def fit(self, values: Iterable[Any]) -> Self:
        """Names and pairs, from the training rows, unless given.

        Raises:
            DataError: not one point in all of them.
        """
        names = self.names
        if not names:
            found: dict[str, None] = {}
            for value in values:
                found.update(dict.fromkeys(value if isinstance(value, Mapping) else ()))
            names = tuple(name for name in found if isinstance(name, str) and name)
        if not names:
            raise DataError(
                "No training row holds a point. Keypoints are dicts from names to places, {'nose': [x, y]}; give "
                "Keypoints(names=...) if the training rows really hold none."
            )
        pairs = self.pairs
        if pairs is None:
            mirrored = [(name, name.replace(*_SIDES)) for name in names if _SIDES[0] in name]
            pairs = tuple(pair for pair in mirrored if pair[1] in names)
        return replace(self, names=names, pairs=pairs)

    @property
    def shape(self) -> tuple[int, ...]:
        """A row for each point: x, y, visibility."""
        return (len(self.names), 3)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Coordinates as the loss wants them."""
        return np.float32

    def check(self, value: Any) -> str | None:
        """Unknown names and places that cannot be; all that is wrong at once."""
        return joined(self._read(value, None)[1]) or None

    def encode_in(self, value: Any, context: ResizeTransform) -> np.ndarray:
        """The points of an image as they lie in its frame.

        Raises:
            ValueError: all that is wrong with them; more than a pixel outside the image is, too.
        """
        points, faults = self._read(value, context.source_px)
        if faults:
            raise ValueError(joined(faults))
        known = points[:, 2] > _ABSENT
        points[known, :2] = context.points_to_frame(points[known, :2])
        height, width = context.size_px
        inside = (points[:, :2] >= 0).all(1) & (points[:, 0] <= width) & (points[:, 1] <= height)
        return (points * (known & inside)[:, None]).astype(np.float32)

    def prepare(self, batch: torch.Tensor, augment_params: AugmentParams | None = None) -> torch.Tensor:
        """`(B, K, 3)` as encoded; with parameters, every point where its image's warp takes it."""
        if augment_params is None or augment_params.geometry == "none":
            return batch
        assert self.size_px is not None
        # The parameters count from the centre of the first pixel, points from its edge.
        moved = warp_points(batch[..., :2].double() - 0.5, augment_params) + 0.5
        height, width = self.size_px
        inside = (moved >= 0).all(-1) & (moved[..., 0] <= width) & (moved[..., 1] <= height)
        keep = inside & (batch[..., 2] > _ABSENT)
        points = torch.cat([moved.to(batch.dtype), batch[..., 2:]], dim=2) * keep[..., None]
        return torch.where(is_mirrored(augment_params)[:, None, None], points[:, self.mirrored_order], points)

    @property
    def mirrored_order(self) -> list[int]:
        """For each point, the position of the one that takes its name in a mirrored image."""
        partner = {a: b for pair in self.pairs or () for a, b in (pair, pair[::-1])}
        return [self.names.index(partner.get(name, name)) for name in self.names]

    def count_objects(self, batch: torch.Tensor) -> int | None:
        """How many points are labelled in encoded rows."""
        return int((batch[..., 2] > _ABSENT).sum())

    def decode(self, encoded: Any) -> dict[str, list[float]]:
        """The labelled points of the frame; hidden ones with a third number."""
        rows = zip(self.names, np.asarray(encoded).tolist(), strict=True)
        return {name: row[:2] if row[2] == _VISIBLE else [*row[:2], int(row[2])] for name, row in rows if row[2]}

    def to_source(self, value: dict[str, Any], context: ResizeTransform) -> dict[str, Any]:
        """Points of the frame as they lie in the source."""
        known = {name: at for name, at in value.items() if at is not None}
        places = context.points_to_source([at[:2] for at in known.values()] or np.zeros((0, 2))).tolist()
        return {name: [*place, *at[2:]] for (name, at), place in zip(known.items(), places, strict=True)}

    def draw(self, pixels: np.ndarray, value: Any) -> np.ndarray:
        """A small square at every point, in its colour; that of a hidden point has a broken line."""
        known = {name: at for name, at in (value or {}).items() if at is not None}
        names = list(dict.fromkeys([*self.names, *known]))
        colours = palette(len(names))
        return draw_boxes(
            pixels,
            np.array([[x - _MARK_PX, y - _MARK_PX, x + _MARK_PX, y + _MARK_PX] for x, y, *_ in known.values()], float),
            [""] * len(known),
            [colours[names.index(name)] for name in known],
            dashed=[len(at) == 3 and at[2] == _HIDDEN for at in known.values()],
        )

    @property
    def legend(self) -> tuple[tuple[str, Colour], ...]:
        """The colour of each point."""
        return tuple(zip(self.names, palette(len(self.names)), strict=True))

    @property
    def row_error(self) -> RowError:
        """Normalised mean error; see `mean_normalised_distance`."""
        return _ERROR

    def json_value(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Places to a hundredth of a pixel."""
        return {name: None if at is None else [round(float(part), 2) for part in at] for name, at in value.items()}

    def show_html(self, value: Any) -> str:
        """How many points are labelled."""
        known = sum(at is not None for at in value.values()) if isinstance(value, Mapping) else 0
        return f"{known} {'point' if known == 1 else 'points'}"

    def _read(self, value: Any, source_px: tuple[int, int] | None) -> tuple[np.ndarray, list[str]]:
        """`(K, 3)` points of the source, and all faults."""
        points, faults = np.zeros(self.shape, np.float64), []
        if not isinstance(value, Mapping):
            return points, [f"{shown(value)} is not a dict from names of points to places, {{'nose': [x, y]}}"]
        for name, at in value.items():
            if name not in self.names:
                near = nearest(str(name), self.names)
                faults.append(f"there is no point {name!r}" + (f" (nearest: {near!r})" if near else ""))
            elif at is not None:
                fault = _place_fault(at, source_px)
                if fault:
                    faults.append(f"point {name!r} at {shown(at)}: {fault}")
                else:
                    points[self.names.index(name)] = [*map(float, at), _VISIBLE][:3]
        return points, faults


def is_mirrored(augment_params: AugmentParams) -> torch.Tensor:
    """`(B,)` bool: which images of a batch are mirrored."""
    return torch.linalg.det(augment_params.matrix[:, :, :2].double()) < 0


def _place_fault(at: Any, source_px: tuple[int, int] | None) -> str | None:
    """What is wrong with the place of one point."""
    if not isinstance(at, list | tuple | np.ndarray) or len(at) not in (2, 3) or not are_numbers(at):
        return "a place is two finite numbers x, y, and a third that says whether it is visible"
    if len(at) == 3 and at[2] not in (_ABSENT, _HIDDEN, _VISIBLE):
        return f"visibility is 2 (visible), 1 (hidden) or 0 (not labelled), not {at[2]!r}"
    if source_px is not None and not (len(at) == 3 and at[2] == _ABSENT):
        height, width = source_px
        if not (-_SLACK_PX <= at[0] <= width + _SLACK_PX and -_SLACK_PX <= at[1] <= height + _SLACK_PX):
            return f"it lies outside its image, which is {height} px high and {width} px wide"
    return None
