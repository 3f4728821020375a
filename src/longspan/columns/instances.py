"""Things and their masks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt
import torch

from longspan.columns.category import Label
from longspan.columns.located import Located
from longspan.columns.pictures import Resize
from longspan.columns.placement import Placement

if TYPE_CHECKING:
    from longspan.columns.draws import Draws

__all__ = ["Instances"]


@final
@dataclass(frozen=True, kw_only=True)
class Instances(Located):
    """Things and their masks."""

    kind: ClassVar[str] = "instances"

    vocab: tuple[Label, ...] = ()
    max_instances: int | None = None
    size_px: tuple[int, int] | None = None
    resize: Resize = "crop"

    def fit(self, values: Iterable[Any]) -> Self:
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        assert self.size_px is not None
        assert self.max_instances is not None
        return (self.max_instances, 24 + self.size_px[0] * -(-self.size_px[1] // 8))

    @property
    def dtype(self) -> npt.DTypeLike:
        return np.uint8

    def check(self, value: Any) -> str | None:
        raise NotImplementedError

    def encode_in(self, value: Any, placement: Placement) -> np.ndarray:
        raise NotImplementedError

    def prepare(self, batch: torch.Tensor, draws: Draws | None = None) -> torch.Tensor:
        raise NotImplementedError

    def decode(self, encoded: Any) -> Any:
        raise NotImplementedError

    def to_source(self, value: Any, placement: Placement) -> Any:
        raise NotImplementedError

    def draw(self, pixels: np.ndarray, value: Any) -> np.ndarray:
        raise NotImplementedError

    def json_value(self, value: Any) -> Any:
        raise NotImplementedError

    def boxes_of(self, batch: torch.Tensor) -> torch.Tensor:
        """`(B, N, 6)` float32 as in `Boxes`."""
        raise NotImplementedError

    def masks_of(self, batch: torch.Tensor) -> torch.Tensor:
        """`(B, N, H, W)` bool."""
        raise NotImplementedError
