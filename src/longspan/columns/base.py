"""The interface of every kind of value: fit, check, encode, collate, prepare, decode, show."""

from __future__ import annotations

import dataclasses
import html
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from longspan.columns.augmentation import Augmentation, DrawnParams
from longspan.columns.ragged import Ragged, pad
from longspan.columns.spec import Spec
from longspan.errors import ConfigError
from longspan.lazy_torch import torch
from longspan.metrics.row_errors import RowError, plain

__all__ = ["Column"]

_LEARNED = (
    "size_px",
    "channels",
    "mean",
    "std",
    "max_length",
    "max_boxes",
    "max_instances",
    "number_stats",
    "category_stats",
)


class Column(ABC):
    """One kind of value. Subclasses are frozen dataclasses: `fit` returns a new, complete one and changes nothing.

    A raw value is what stands in a table (a path, a word, a number); None means missing and never reaches `encode`.
    Each value goes through `check` and `encode` once; `collate` puts encoded values together in a batch, `prepare`
    makes of the batch what a network or a loss reads, on the device that trains; `decode` turns what a head predicts
    back into what a person reads. Everything that depends on the kind of value is asked of the column: nothing above
    `columns/` looks at its class.
    """

    kind: ClassVar[str]
    """Name in files and messages: "image", "category" ..."""
    usage: ClassVar[str] = ""
    """How the kind is written as a type on the command line, where that is more than its name: "number[:UNIT]"."""
    for_networks: ClassVar[bool] = True
    """Whether its values can stand in a batch."""
    readable: ClassVar[bool] = True
    """Whether a network can read it as an input; if not, it can only be a target."""
    in_files: ClassVar[bool] = False
    """Whether a cell may be the path of a file, or the position in an array of values held in memory."""
    json_cells: ClassVar[bool] = False
    """Whether text in the cell of a CSV file or data frame is JSON: there is no other way to write lists there."""
    encodes_pixels: ClassVar[bool] = False
    """Whether an encoded value is an image `(H, W, C)` uint8, which pages show and near duplicates are sought among."""
    has_fingerprints: ClassVar[bool] = False
    """Whether near duplicates are sought by `fingerprints`."""
    oddity: ClassVar[str] = ""
    """What `odd` looks for, for a note: "in 3 of the 20 training rows" and this; empty where it looks for nothing."""
    blendable: ClassVar[bool] = False
    """Whether a weighted mean of two prepared values makes sense, as MixUp needs it."""
    context_kind: ClassVar[str | None] = None
    """The kind of input that a value lies in and follows: "image" for masks and boxes."""
    augmentation: ClassVar[type | None] = None
    """The config class of its augmentation (see `Augmentation`); None where there is none."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the table's columns that a value is made of, where it is made of several."""
        return ()

    # --- learning from the training rows -------------------------------------------------------------------------

    def as_input(self) -> Self:
        """This column as a network reads it; most kinds are read as they are predicted."""
        return self

    def with_located_targets(self) -> Self:
        """This column as an input in which targets lie; most kinds stay as they are."""
        return self

    def with_size(self, size_px: tuple[int, int]) -> Self:
        """This column at another size in pixels; kinds without one stay as they are."""
        del size_px
        return self

    def bind(self, context: Column) -> Self:
        """This column for values that lie in a fitted column of kind `context_kind`."""
        del context
        return self

    @classmethod
    def from_words(cls, detail: str) -> Self:
        """The column that a type on the command line asks for: `number:months` has the detail "months".

        Raises:
            ConfigError: this kind takes nothing after a colon, or not this.
        """
        if detail:
            raise ConfigError(f"The type {cls.kind} takes nothing after a colon.")
        return cls()

    @abstractmethod
    def fit(self, values: Iterable[Any]) -> Self:
        """A complete column, learned from the values of training rows: vocabulary, size, mean and spread.

        `values` is read once and may be a generator over a table larger than memory.
        """

    def fit_cells(self, parts: Iterable[pl.Series]) -> Self:
        """As `fit`, from parts of a table's column without missing cells; kinds that read whole columns override it."""
        return self.fit(value for cells in parts for value in cells.to_list())

    def fit_small(self, values: Callable[[], Iterable[Any]], side_px: int) -> Self:
        """As `fit`, at a size that is enough to compare values: at most `side_px` a side, all of each shown.

        Args:
            values: Gives the values as often as it is called.
            side_px: For kinds that have a size in pixels.
        """
        del side_px
        return self.fit(values())

    @property
    def not_learned(self) -> list[str]:
        """Names of the fields that training rows teach and that are still empty; none in a fitted column."""
        # A recording that is normalised by itself has no statistics of the training rows.
        given = () if self.needs_encoded else ("mean", "std")
        lacking = [name for name in _LEARNED if getattr(self, name, 0) is None and name not in given]
        return [*lacking, "vocab"] if getattr(self, "vocab", True) == () else lacking

    @property
    def needs_encoded(self) -> bool:
        """Whether `fit_encoded` still has something to learn."""
        return False

    def fit_encoded(self, batches: Iterable[Any]) -> Self:
        """A column that also knows the statistics of encoded training rows, batch by batch as `collate` gives them."""
        del batches
        return self

    def for_network(self, model: Any, weights: Any) -> Self:
        """This column, not yet fitted, as a network with these weights reads it; most kinds stay as they are.

        Args:
            model: Name of a network.
            weights: Name of its weights.
        """
        del model, weights
        return self

    def frame_counts(self, lengths: torch.Tensor) -> torch.Tensor:
        """How many steps `prepare` makes of ragged encoded values of these lengths, `(B,)`."""
        return lengths

    def for_weights(self, weights: str) -> Self:
        """This column as pretrained layers expect their input: "imagenet" has its own mean and spread."""
        del weights
        return self

    def with_statistics_of(self, other: Column) -> Self:
        """This column with the statistics that `prepare` uses taken from a fitted column of the same kind.

        A network that goes on learning on other data expects its inputs on the scale that it was trained with.
        """
        del other
        return self

    def unfamiliar(self, cells: pl.DataFrame) -> list[str]:
        """What is unlike the training rows in the columns that a value is made of, a sentence for each; fitted only."""
        del cells
        return []

    # --- one value -----------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one encoded value; of a ragged one, of one of its steps. Known once fitted."""

    @property
    @abstractmethod
    def dtype(self) -> npt.DTypeLike:
        """Data type of one encoded value."""

    @abstractmethod
    def check(self, value: Any) -> str | None:
        """What is wrong with one raw value, in words that fit behind a place and a colon; None when it is fine."""

    @abstractmethod
    def encode(self, value: Any) -> np.ndarray:
        """One raw value as an array of `shape` and `dtype`; of a ragged column `(steps, *shape)`.

        Raises:
            ValueError: the value cannot be read; the message is what `check` would say.
        """

    def encode_in(self, value: Any, context: Any) -> np.ndarray:
        """One raw value whose context is known, such as how its image was resized; see `context_of`.

        Raises:
            ValueError: the value cannot be read, or does not fit its context.
        """
        del context
        return self.encode(value)

    def context_of(self, value: Any) -> Any:
        """What values that lie in this one need to know of it: of an image, how it lies in its frame.

        Raises:
            ValueError: the value cannot be read.
        """
        del value
        return None

    @property
    def missing_input(self) -> Literal["fault", "value"]:
        """Whether a missing value in an input is a fault, or has a meaning (see `encode_missing`)."""
        return "fault"

    def encode_missing(self) -> np.ndarray:
        """What a missing input is encoded as, where `missing_input` is "value".

        Raises:
            ValueError: a missing input is a fault.
        """
        raise ValueError("the input is missing")

    def encode_input(self, value: Any) -> np.ndarray:
        """One raw value of an input, which may be missing.

        Raises:
            ValueError: the value cannot be read, or must not be missing.
        """
        return self.encode_missing() if value is None else self.encode(value)

    def for_function(self, value: Any) -> Any:
        """One raw value as a function in a stage of a pipeline takes it; most kinds are taken as they come.

        Raises:
            ValueError: the value cannot be read.
        """
        return value

    def encode_cells(self, cells: pl.Series) -> tuple[np.ndarray, dict[int, str]] | None:
        """All cells of a table at once: `(N, *shape)`, and what is wrong by position; None: they are encoded singly."""
        del cells
        return None

    def encoded_array(self, array: np.ndarray) -> np.ndarray | None:
        """An array of raw values `(N, ...)` as encoded ones in the same memory; None where they have to be encoded."""
        del array
        return None

    def encoding_settings(self) -> dict[str, Any]:
        """Everything that encoded values depend on, as JSON values; not the statistics that only `prepare` uses."""
        return self.to_json()

    def count_objects(self, batch: torch.Tensor) -> int | None:
        """How many objects a batch of encoded rows holds; None for kinds that are not lists of objects."""
        del batch
        return None

    def odd(self, batch: Any) -> list[bool]:
        """Which of a batch of encoded values are odd, though they are used; see `oddity`."""
        return [False] * len(batch)

    def cut_short(self, cells: pl.Series, lengths: Iterable[int]) -> tuple[int, int]:
        """Of how many ragged values the end is not read, and how many steps that are in all; most kinds read all.

        Args:
            cells: Values, none of them missing.
            lengths: Of each, the steps that are read.
        """
        del cells, lengths
        return 0, 0

    def comparable(self, cells: pl.Series) -> list[str] | None:
        """The cells as texts among which near duplicates are sought; None where cells are only equal or not."""
        del cells
        return None

    def fingerprints(self, batch: Any) -> torch.Tensor:
        """`(B, D)` unit vectors of a batch of encoded values, whose products say how alike two values are.

        Raises:
            ConfigError: values of this kind are not compared by fingerprints.
        """
        del batch
        raise ConfigError(f"A column of kind {self.kind} has no fingerprints.")

    @abstractmethod
    def decode(self, encoded: Any) -> Any:
        """The raw value that an encoded one stands for."""

    def made_up(self, random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """A random encoded value of this shape, to try networks with; kinds with a smaller range override it."""
        if np.dtype(self.dtype).kind == "f":
            return random.normal(size=shape).astype(self.dtype)
        return random.integers(0, np.iinfo(np.dtype(self.dtype).name).max, shape, dtype=self.dtype, endpoint=True)

    # --- batches -------------------------------------------------------------------------------------------------

    @property
    def ragged(self) -> bool:
        """Whether encoded values differ in their length, the first axis."""
        return False

    @property
    def padding(self) -> float:
        """What stands after the end of a ragged value in a batch."""
        return 0

    def collate(self, values: Sequence[torch.Tensor]) -> torch.Tensor | Ragged:
        """Encoded values as one batch: stacked, or padded where they are ragged."""
        return pad(values, self.padding) if self.ragged else torch.stack(tuple(values))

    def prepare(self, batch: Any, augment_params: Any = None) -> Any:
        """What a network or a loss reads, from a batch of encoded values on the device that trains.

        Args:
            batch: As `collate` gives it.
            augment_params: What was drawn for each of its rows: by `draw_params`, or by that of the input in which the
                values lie. Kinds that know no augmentation ignore it.
        """
        del augment_params
        return batch

    def pixels(self, value: Any) -> np.ndarray:
        """A raw value as an image `(h, w, C)` uint8 at its own size, where a column encodes pixels.

        Raises:
            ConfigError: these values are not images.
            ValueError: the value cannot be read.
        """
        del value
        raise ConfigError(f"A column of kind {self.kind} does not hold images.")

    def prepared_pixels(self, batch: Any, augment_params: Any = None) -> torch.Tensor:
        """A batch after augmentation as images `(B, H, W, C)` uint8 to look at, where a column encodes pixels.

        Raises:
            ConfigError: these values are not images.
        """
        del batch, augment_params
        raise ConfigError(f"A column of kind {self.kind} does not hold images.")

    def spec(self) -> Spec:
        """What a network sees of an input of this fitted column: shape and meaning of what `prepare` gives.

        Raises:
            ConfigError: networks cannot read this kind of value.
        """
        raise ConfigError(f"A network cannot read {self.kind} values as an input; make the column a target.")

    def draw_params(self, config: Augmentation, rows: torch.Tensor, epoch: int, seed: int) -> DrawnParams:
        """How `rows` are changed in `epoch`, each as a function of (seed, epoch, row).

        Args:
            config: Of the class `augmentation`.
            rows: `(B,)` integer row numbers of the table.
            epoch: Number of the epoch.
            seed: The seed of the training.

        Raises:
            ConfigError: there is no augmentation for this kind of value.
        """
        del config, rows, epoch, seed
        raise ConfigError(f"There is no augmentation for {self.kind} values.")

    # --- for people ----------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def row_error(self) -> RowError:
        """How wrong one prediction is: the function, its name, unit and range; see `longspan.metrics.row_errors`."""

    @property
    def error_name(self) -> str:
        """What `error` is, in words for axes and tables."""
        return self.row_error.name

    def error(self, target: Any, prediction: Any) -> float:
        """How wrong the prediction of one row is, 0 where it is right; both are raw values, the target is known."""
        return self.row_error(target, prediction)

    def to_source(self, value: Any, context: Any) -> Any:
        """A decoded value or prediction as it lies in the source of its context, such as the image on disk."""
        del context
        return value

    def draw(self, pixels: np.ndarray, value: Any) -> np.ndarray:
        """The value drawn on an image `(H, W, 3)` uint8 in which it lies, as a new array; else the image as it is."""
        del value
        return pixels

    @property
    def legend(self) -> Sequence[tuple[Any, tuple[int, int, int]]]:
        """What each colour of `draw` means; empty where nothing is drawn, or labels beside the objects say it."""
        return ()

    def json_value(self, value: Any) -> Any:
        """A raw value or prediction as JSON can hold it, for people and programs to read."""
        return plain(value)

    def show_html(self, value: Any) -> str:
        """One value as a cell of an HTML table."""
        return html.escape(str(value))

    # --- files ---------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this column again."""
        assert dataclasses.is_dataclass(self)
        return {"kind": self.kind, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The column that `to_json` described; lists become tuples again."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k != "kind"})
