"""Augmentation of texts: words left out and neighbours exchanged, another choice in every epoch."""

# B rows, T tokens

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self, final

from longspan.errors import ConfigError, check_names
from longspan.lazy_torch import torch
from longspan.randomness import uniform

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TextAugment", "TextParams", "augment_tokens"]

_STEPS = 1024  # tokens of a text that are changed; what lies behind stays


@final
@dataclass(frozen=True, slots=True)
class TextParams:
    """What happens to the tokens of each of the B rows of one batch."""

    dropped: Tensor
    """`(B, T)` bool: tokens that are left out."""
    swapped: Tensor
    """`(B, T)` bool: tokens that change places with the next one."""

    def __len__(self) -> int:
        """The number of rows, B."""
        return len(self.dropped)

    def take(self, rows: slice | Tensor) -> TextParams:
        """The parameters of some rows."""
        return TextParams(self.dropped[rows], self.swapped[rows])

    def to(self, device: torch.device | str) -> TextParams:
        """The same parameters on `device`."""
        return TextParams(self.dropped.to(device), self.swapped.to(device))


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TextAugment:
    """How far chance may change a text in training; everything is off by default.

    What happens to a row is a function of (seed, epoch, row): see `longspan.randomness`.

    Source: Wei and Zou 2019, "EDA: easy data augmentation techniques for boosting performance on text classification
    tasks" (random deletion, random swap). Differs: tokens are exchanged with their neighbours only.

    Raises:
        ConfigError: a value is out of its range.

    Example:
        >>> TextAugment(word_dropout=0.1).active, TextAugment().active
        (True, False)
    """

    word_dropout: float = 0.0
    """Fraction of the tokens that are left out; 0..0.9. A text never loses all of them."""
    swap: float = 0.0
    """Fraction of the tokens that change places with the next one; 0..0.5."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        faults = [
            f"TextAugment.{name} must be a number in 0..{high}, got {value!r}"
            for name, value, high in (("word_dropout", self.word_dropout, 0.9), ("swap", self.swap, 0.5))
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high
        ]
        if faults:
            raise ConfigError("; ".join(faults) + ".")

    @classmethod
    def mild(cls) -> TextAugment:
        """A mild choice: a tenth of the words left out, a few exchanged."""
        return cls(word_dropout=0.1, swap=0.05)

    @property
    def active(self) -> bool:
        """Whether anything is drawn at all."""
        return bool(self.word_dropout or self.swap)

    def draw(self, rows: Tensor, epoch: int, seed: int, steps: int = _STEPS) -> TextParams:
        """What happens to `rows` in `epoch`, each as a function of (seed, epoch, row) alone.

        Args:
            rows: `(B,)` integer row numbers of the table.
            epoch: Number of the epoch.
            seed: The run's seed.
            steps: Tokens of the longest text.
        """
        rows, steps = rows.cpu(), min(steps, _STEPS)
        return TextParams(
            dropped=uniform(seed, "word dropout", epoch, rows, steps) < self.word_dropout,
            swapped=uniform(seed, "word swap", epoch, rows, steps) < self.swap,
        )

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> Self:
        """The augmentation whose `to_json` gave `settings`; UnknownNameError for a setting that does not exist."""
        check_names("text augmentation setting", settings, [each.name for each in fields(cls)])
        return cls(**settings)


def augment_tokens(
    values: Tensor, lengths: Tensor, params: TextParams, *, padding: int, fixed: Sequence[int] = ()
) -> tuple[Tensor, Tensor]:
    """Tokens `(B, T)` and lengths after their draws: neighbours exchanged, then tokens left out.

    Args:
        values: Token numbers; not changed.
        lengths: `(B,)` tokens of each row.
        params: For the same B rows.
        padding: Stands after the end of a row.
        fixed: Tokens that stay in their place, such as marks.
    """
    steps = values.shape[1]
    if not steps:
        return values, lengths
    places = torch.arange(steps, device=values.device)
    there = places < lengths[:, None]
    if fixed:
        there &= ~torch.isin(values, torch.tensor(fixed, device=values.device))
    swap = _as_long(params.swapped, steps) & there & torch.roll(there, -1, 1) & (places < steps - 1)
    before = torch.roll(swap, 1, 1)
    before[:, 0] = False
    swap &= ~before  # of neighbours that all want to move, the first pair does
    before = torch.roll(swap, 1, 1)
    before[:, 0] = False
    order = places + swap.long() - before.long()
    values = values.gather(1, order)
    there = there.gather(1, order)
    drop = _as_long(params.dropped, steps) & there
    every = (drop | ~there).all(1) & there.any(1)
    keep = (places < lengths[:, None]) & ~(drop & ~every[:, None])
    left = keep.sum(1)
    order = torch.argsort((~keep).to(torch.uint8), dim=1, stable=True)
    longest = int(left.max())
    packed = values.gather(1, order)[:, :longest]
    return packed.masked_fill(places[:longest] >= left[:, None], padding), left


def _as_long(draws: Tensor, steps: int) -> Tensor:
    """`(B, steps)`: draws cut, or with nothing after their end."""
    if draws.shape[1] >= steps:
        return draws[:, :steps]
    return torch.nn.functional.pad(draws, (0, steps - draws.shape[1]))
