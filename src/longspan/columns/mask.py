"""The class of each pixel."""

from __future__ import annotations

import functools
import html
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.category import Label, checked_vocab
from longspan.columns.spatial import Spatial, checked_frame
from longspan.errors import ConfigError, DataError, Fault, data_error
from longspan.lazy_torch import is_tensor, torch
from longspan.metrics.row_errors import RowError, pixel_error
from longspan.vision.augment_params import warp_masks
from longspan.vision.drawing import Colour, draw_classes, image_html, palette
from longspan.vision.image_io import Resize
from longspan.vision.mask_coding import check_classes_occur, warn_of_guesses
from longspan.vision.mask_files import palette_of, read_stored
from longspan.vision.resize_transform import ResizeTransform

if TYPE_CHECKING:
    from longspan.vision.augment_params import AugmentParams

__all__ = ["Mask"]

_IGNORED = 255
_NO_CLASS: Colour = (225, 225, 225)
_THUMBNAIL_PX = 96
_CODE = np.array([1 << 16, 1 << 8, 1], np.int32)  # colours as one number each
_NEEDS_COLOURS = (
    "the mask is an RGB image; Mask(vocab=..., colours=...) says which colour is which class, or save class numbers "
    "as a grey or palette PNG"
)


@final
@dataclass(frozen=True, kw_only=True)
class Mask(Spatial):
    """A class for each pixel of an image.

    A raw value is the path of a PNG, or an integer array `(h, w)`, of the size of its image. Grey and palette files
    store numbers, which `values` and `ignored` explain. RGB files store colours, which `colours` explains; with
    `colours`, the palette of a palette file decides too where it contradicts the numbers. Any other number or colour is
    a fault.

    Encoded as `(H, W)` uint8: class numbers, and 255 for what is ignored: neither trained on nor measured. So is what
    stands around a padded image, and what a warp brings in from outside. Each pixel takes the nearest number, so
    classes are never blended. `decode`, and predictions, are class numbers; `draw`, `to_source` and
    `json_value` take them.

    Example:
        >>> column = Mask(vocab=("road", "car"), values=(0, 7), size_px=(2, 3))
        >>> column.encode(np.array([[0, 7, 255], [0, 0, 7]])).tolist()
        [[0, 1, 255], [0, 0, 1]]
        >>> print(column.check(np.array([[0, 9, 7]])).partition(",")[0])
        the mask holds 9 (1 pixel)
        >>> Mask().fit([np.array([[1, 2, 255]]), np.array([[3, 3, 3]])]).vocab
        (1, 2, 3)
    """

    kind: ClassVar[str] = "mask"
    in_files: ClassVar[bool] = True

    vocab: tuple[Label, ...] = ()
    """Labels in the order of the class numbers; when empty, the stored numbers themselves."""
    values: tuple[int, ...] | None = None
    """The stored number of each class; 0, 1, 2 ... unless given. With neither `vocab` nor `values`, learned: all
    numbers in the masks of the training rows that are not ignored."""
    ignored: tuple[int, ...] = (_IGNORED,)
    """Stored numbers of pixels that nobody labelled, or that shall not count."""
    colours: tuple[Colour, ...] | None = None
    """Red, green and blue (0..255) of each class, for drawings and for reading RGB masks; any further ones stand for
    what is ignored there. A palette for the colour-blind unless given."""
    size_px: tuple[int, int] | None = None
    """Height and width of the frame."""
    resize: Resize = "crop"
    """How the image was brought into its frame."""

    def __post_init__(self) -> None:
        """Check that labels, numbers and colours belong together."""
        checked_frame(self)
        vocab = checked_vocab("Mask", self.vocab)
        values = tuple(range(len(vocab))) if self.values is None and vocab else self.values
        if values is not None:
            values = _whole("values", values)
            vocab = vocab or checked_vocab("Mask", values)
        ignored = _whole("ignored", self.ignored)
        if values is not None and len(values) != len(vocab):
            raise ConfigError(f"Mask.values has {len(values)} numbers for {len(vocab)} labels.")
        if len(vocab) > _IGNORED:
            raise ConfigError(f"A mask has at most {_IGNORED} classes, got {len(vocab)}.")
        both = [number for number in values or () if number in ignored]
        if both or len(set(values or ())) != len(values or ()):
            raise ConfigError(
                f"Mask.values names {both[0]} as a class, Mask.ignored as ignored; pass ignored=() if nothing is."
                if both
                else f"Mask.values names a number twice: {values!r}."
            )
        colours = None if self.colours is None else tuple(_colour(each) for each in self.colours)
        if colours is not None and (not vocab or len(colours) < len(vocab)):
            raise ConfigError(
                f"Mask.colours has {len(colours)} colours for {len(vocab)} labels; give vocab= with them."
            )
        if colours is not None and len(set(colours[: len(vocab)])) != len(vocab):
            raise ConfigError(f"Mask.colours names a colour twice: {colours!r}.")
        for name, value in {"vocab": vocab, "values": values, "ignored": ignored, "colours": colours}.items():
            object.__setattr__(self, name, value)

    def fit(self, values: Iterable[Any]) -> Self:
        """The numbers in the masks of the training rows, unless `vocab` or `values` names the classes.

        Raises:
            DataError: no mask can be read, or they hold fewer than two classes, or more than 255.
        """
        if self.vocab:
            check_classes_occur(self.vocab, self.values or (), self.ignored, values)
            return self
        found: set[int] = set()
        faults: list[Fault] = []
        codings: Counter[tuple[int, ...]] = Counter()
        for number, value in enumerate(values):
            try:
                numbers = _numbers(read_stored(value))
                found.update(numbers)
                codings[tuple(numbers) if len(numbers) < 3 else ()] += 1
            except ValueError as error:  # reported with its row when the rows are read, unless all are like this
                faults.append(Fault(value if isinstance(value, str) else f"mask {number}", str(error)))
        if faults and not found:
            raise data_error("No training mask can be read:", faults, "Check folder, pattern and files.")
        if found == {0, _IGNORED} and self.ignored == (_IGNORED,):
            warnings.warn(
                "The training masks hold 0 and 255 alone: both are taken as classes, and nothing is ignored. Name them "
                "with codes= (--classes), or say Mask(values=..., ignored=...).",
                stacklevel=3,
            )
            return replace(self, values=(0, _IGNORED), ignored=())
        classes = tuple(sorted(found.difference(self.ignored)))
        if not 2 <= len(classes) <= _IGNORED:
            raise DataError(
                f"The training masks hold {len(classes)} classes, but there must be 2 to {_IGNORED}: the numbers are "
                f"{_listed(tuple(sorted(found))) or 'none'}; ignored: {_listed(self.ignored) or 'none'}. "
                "Mask(vocab=..., values=..., ignored=...) says what the numbers mean."
            )
        warn_of_guesses(classes, found.intersection(self.ignored), codings)
        return replace(self, values=classes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""
        assert self.size_px is not None
        return self.size_px

    @property
    def dtype(self) -> npt.DTypeLike:
        """Class numbers in a byte."""
        return np.uint8

    def check(self, value: Any) -> str | None:
        """No mask, or numbers that mean nothing."""
        try:
            self.classes(value)
        except ValueError as error:
            return str(error)
        return None

    def classes(self, value: Any) -> npt.NDArray[np.uint8]:
        """A raw value as class numbers `(h, w)` in its own size, 255 where ignored.

        Raises:
            ValueError: it cannot be read, or holds numbers or colours that are neither a class nor ignored.
        """
        classes, fault = self._read(value)
        if fault:
            raise ValueError(fault)
        return classes

    def encode_in(self, value: Any, context: ResizeTransform) -> np.ndarray:
        """The mask of an image in its frame, at each pixel's centre the nearest number.

        Raises:
            ValueError: the mask cannot be read, is not of its image's size, or holds numbers that mean nothing.
        """
        classes, fault = self._read(value)
        if classes.shape != context.source_px:
            own, theirs = (
                f"{height} px high and {width} px wide" for height, width in (classes.shape, context.source_px)
            )
            lying = ": one of them lies on its side" if classes.shape == context.source_px[::-1] else ""
            fault = f"the mask is {own}, its image {theirs}{lying}" + (f"; {fault}" if fault else "")
        if fault:
            raise ValueError(fault)
        return context.mask_to_frame(classes, _IGNORED)

    def prepare(self, batch: torch.Tensor, augment_params: AugmentParams | None = None) -> torch.Tensor:
        """`(B, H, W)` uint8 as encoded; with draws, warped like its images, and 255 where nothing was labelled."""
        return batch if augment_params is None else warp_masks(batch[:, None], augment_params, _IGNORED)[:, 0]

    def decode(self, encoded: Any) -> np.ndarray:
        """The class numbers `(H, W)` uint8, 255 where ignored."""
        return np.asarray(encoded, np.uint8)

    def to_source(self, value: np.ndarray, context: ResizeTransform) -> np.ndarray:
        """Class numbers of the frame as they lie in the source; 255 where the frame did not show it."""
        return context.mask_to_source(np.asarray(value), _IGNORED)

    def draw(self, pixels: np.ndarray, value: Any) -> np.ndarray:
        """Class numbers, or the path of a mask, over their image: tinted areas with a thin outline."""
        return draw_classes(pixels, self._drawable(value), self.palette)

    @property
    def legend(self) -> tuple[tuple[Label, Colour], ...]:
        """Every class with its colour."""
        return tuple(zip(self.vocab, self.palette, strict=True))

    @property
    def row_error(self) -> RowError:
        """Fraction of wrong pixels; a target may be a path, a prediction holds class numbers."""
        return pixel_error(self.classes)

    def json_value(self, value: Any) -> dict[str, Any]:
        """Size, and the fraction of pixels that each class has; the mask itself is an image."""
        classes = self._drawable(value)
        counts = np.bincount(classes.ravel(), minlength=256)
        fractions = {
            str(label): round(int(counts[i]) / classes.size, 4) for i, label in enumerate(self.vocab) if counts[i]
        }
        return {
            "size_px": list(classes.shape),
            "share": fractions,
            "ignored": round(int(counts[255]) / classes.size, 4),
        }

    @property
    def palette(self) -> tuple[Colour, ...]:
        """The colour of each class: those that were given, else those of `longspan.vision.drawing.palette`."""
        return palette(len(self.vocab)) if self.colours is None else self.colours[: len(self.vocab)]

    def show_html(self, value: Any) -> str:
        """A small image of a raw value in the colours of its classes; grey where ignored."""
        try:
            column = self if self.vocab else replace(self, values=_numbers(read_stored(value), but=self.ignored))
            classes = column.classes(value)
        except (ValueError, ConfigError) as error:
            return html.escape(f"({error})")
        table = np.full((256, 3), _NO_CLASS, np.uint8)
        table[: len(column.vocab)] = np.reshape(column.palette, (-1, 3))
        height, width = classes.shape
        scale = min(_THUMBNAIL_PX / max(height, width), 1)
        small = ResizeTransform(
            (height, width), (max(round(height * scale), 1), max(round(width * scale), 1)), "stretch"
        )
        words = [str(label) for number, label in enumerate(column.vocab) if (classes == number).any()]
        return image_html(table[small.mask_to_frame(classes, _IGNORED)], ", ".join(words))

    def _drawable(self, value: Any) -> np.ndarray:
        """Class numbers as they are, or those in a file."""
        return np.asarray(value) if isinstance(value, np.ndarray) or is_tensor(value) else self.classes(value)

    def _read(self, value: Any) -> tuple[npt.NDArray[np.uint8], str | None]:
        """Class numbers, and the fault if some mean nothing; ValueError if there is no mask at all."""
        stored = read_stored(value)
        palette = palette_of(value) if self.colours is not None and stored.ndim == 2 else None
        if palette is not None:
            numbers, fault = self._read_palette(stored, palette)
            return numbers.astype(np.uint8), fault
        if stored.ndim == 2:
            low, table = self._table
            if low or stored.dtype != np.uint8:
                last = len(table) - 1  # the entry of all numbers below and above
                stored = np.clip(stored.astype(np.int64) - low, -1, last)
                stored = np.where(stored < 0, last, stored)
            numbers = table.take(stored)
        elif self.colours is None:
            raise ValueError(_NEEDS_COLOURS)
        else:
            codes, order = self._codes
            seen = stored.astype(np.int32) @ _CODE
            place = np.searchsorted(codes, seen).clip(max=len(codes) - 1)
            numbers = np.where(codes[place] == seen, order[place], -1)
        fault = self._fault(value, numbers < 0) if numbers.min() < 0 else None
        return numbers.astype(np.uint8), fault

    def _read_palette(self, stored: np.ndarray, palette: np.ndarray) -> tuple[npt.NDArray[np.int16], str | None]:
        """Class numbers of a palette image where `colours` are given: colours decide unless the numbers agree."""
        low, table = self._table
        codes, order = self._codes
        decided = np.full(256, -1, np.int16)
        unknown, agree = [], True
        for number in np.unique(stored).tolist():
            by_number = int(table[number - low]) if 0 <= number - low < len(table) - 1 else -1
            code = int(palette[number].astype(np.int32) @ _CODE) if number < len(palette) else -1
            place = int(np.searchsorted(codes, code).clip(max=len(codes) - 1))
            by_colour = int(order[place]) if codes[place] == code else -1
            agree = agree and by_number >= 0 and by_colour in (by_number, -1)
            decided[number] = by_colour if by_colour >= 0 or by_number != _IGNORED else _IGNORED
            if decided[number] < 0:
                unknown.append(f"{number} as {tuple(palette[number].tolist()) if number < len(palette) else 'nothing'}")
        if agree:  # what the palette says is the same, or nothing about classes at all
            return table.take(stored.astype(np.int64) - low), None
        fault = None
        if unknown:
            fault = (
                f"its palette shows number {', '.join(unknown[:3])}, which is not the colour of a class, and its "
                "other numbers "
                "in the colours of other classes than theirs; correct colours=, or save class numbers as a grey PNG"
            )
        return decided.take(stored), fault

    def _fault(self, value: Any, unknown: npt.NDArray[np.bool_]) -> str:
        """Which numbers or colours mean nothing, how often they occur, and where first."""
        stored = read_stored(value)
        rows, columns = np.nonzero(unknown)
        found, counts = np.unique(stored[unknown], axis=0, return_counts=True)
        named = [
            f"{number.tolist()} ({count:,} {'pixel' if count == 1 else 'pixels'})"
            for number, count in zip(found[:5], counts, strict=False)
        ]
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        said = f"the mask holds {', '.join(named)}{more}, first at x={columns[0]}, y={rows[0]}"
        if stored.ndim == 3:
            return f"{said}: colours of no class, see Mask(colours=...)"
        assert self.values is not None
        return (
            f"{said}: neither a class ({_listed(self.values)}) nor ignored ({_listed(self.ignored) or 'none is'}), "
            f"see Mask(values=..., ignored=...)"
        )

    @functools.cached_property
    def _table(self) -> tuple[int, np.ndarray]:
        """The lowest number, and what it and all above it stand for: class, 255 for ignored, -1 for nothing."""
        known = (*(self.values or ()), *self.ignored)
        low = min(0, *known) if known else 0
        table = np.full(max(256, *known) - low + 2 if known else 258, -1, np.int16)
        for number in self.ignored:
            table[number - low] = _IGNORED
        for position, number in enumerate(self.values or ()):
            table[number - low] = position
        return low, table

    @functools.cached_property
    def _codes(self) -> tuple[np.ndarray, np.ndarray]:
        """The colours as numbers, sorted, and what each stands for."""
        codes = np.array(self.colours, np.int32) @ _CODE
        order = codes.argsort()
        return codes[order], np.where(order < len(self.vocab), order, _IGNORED)


def _numbers(stored: np.ndarray, but: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The distinct numbers of a mask, sorted."""
    if stored.ndim == 3:
        raise ValueError(_NEEDS_COLOURS)
    small = stored.dtype == np.uint8
    found = np.flatnonzero(np.bincount(stored.ravel(), minlength=256)) if small else np.unique(stored)
    return tuple(number for number in found.tolist() if number not in but)


def _whole(name: str, numbers: Iterable[Any]) -> tuple[int, ...]:
    """Numbers that a mask can store."""
    checked = tuple(numbers)
    wrong = [each for each in checked if not isinstance(each, int | np.integer) or not -(1 << 15) <= each < 1 << 16]
    if wrong or any(isinstance(each, bool) for each in checked):
        raise ConfigError(f"Mask.{name} holds whole numbers from -32768 to 65535, got {checked!r}.")
    return tuple(int(each) for each in checked)


def _colour(value: Any) -> Colour:
    """Three numbers in 0..255."""
    parts = tuple(value) if isinstance(value, Iterable) else ()
    if len(parts) != 3 or any(not isinstance(each, int | np.integer) or not 0 <= each <= 255 for each in parts):
        raise ConfigError(f"Mask.colours holds (red, green, blue) of whole numbers in 0..255, got {value!r}.")
    return int(parts[0]), int(parts[1]), int(parts[2])


def _listed(numbers: tuple[int, ...]) -> str:
    """Numbers in a message; "0..10" where none is left out."""
    if len(numbers) > 3 and numbers == tuple(range(numbers[0], numbers[0] + len(numbers))):
        return f"{numbers[0]}..{numbers[-1]}"
    return ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")
