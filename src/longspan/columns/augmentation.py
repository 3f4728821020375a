"""What every kind of augmentation has in common: a config, and the parameters that are drawn for each row and epoch."""

from __future__ import annotations

from typing import Any, Protocol, Self

from longspan.lazy_torch import torch

__all__ = ["Augmentation", "DrawnParams"]


class Augmentation(Protocol):
    """How far chance may change one kind of input in training, such as `longspan.vision.Augment` for images."""

    @property
    def active(self) -> bool:
        """Whether anything is drawn at all."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        ...


class DrawnParams(Protocol):
    """What happens to each of B rows, such as `longspan.vision.AugmentParams`: a function of (seed, epoch, row)."""

    def __len__(self) -> int:
        """The number of rows, B."""
        ...

    def take(self, rows: slice | torch.Tensor) -> Self:
        """The parameters of some rows."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """The same parameters on `device`."""
        ...
