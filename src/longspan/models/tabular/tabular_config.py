"""What networks of tables have in common: options, and the attributes of a backbone that reads features."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import fields
from typing import Any, ClassVar, NoReturn, final

from torch import Tensor, nn

from longspan.columns.spec import FeaturesSpec
from longspan.errors import ConfigError
from longspan.models.backbone import Backbone
from longspan.models.entries import ModelConfig
from longspan.models.options import check_options

__all__ = ["TabularConfig", "check_tabular", "describe_tabular", "in_order", "no_maps"]

_NUMBERS = ("none", "piecewise_linear", "periodic")


class TabularConfig(ModelConfig):
    """Abstract: the options of a family of networks that read a `Features` column."""

    __slots__ = ()

    reads: ClassVar[str] = "features"

    @final
    def build(self, **_: Any) -> NoReturn:
        """Raise ConfigError if no input is an image."""
        raise ConfigError(
            f"{self.family} reads the features of a table, not images: table.with_features makes such a column."
        )

    @abstractmethod
    def build_for(self, spec: FeaturesSpec) -> Backbone:
        """The network with these options for the features of a table."""


def describe_tabular(model: Backbone, name: str, config: TabularConfig, spec: FeaturesSpec, num_features: int) -> None:
    """Set the attributes of a backbone that reads features."""
    model.name = name
    model.config = config
    model.spec = spec
    model.in_channels = 0
    model.size_px = (0, 0)
    model.pool = None
    model.num_features = num_features
    model.channels = ()
    model.strides = ()


def check_tabular(config: TabularConfig, least: dict[str, int]) -> None:
    """ConfigError unless whole numbers are at least so much, fractions below 1, and the way to embed numbers known."""
    own = {each.name for each in fields(config)}  # type: ignore[arg-type]
    check_options(
        config,  # type: ignore[arg-type]
        least=least,
        fractions=[each for each in ("dropout", "embedding_dropout", "attention_dropout", "mask") if each in own],
        one_of={"numbers": _NUMBERS} if "numbers" in own else None,
    )


def no_maps(inputs: Tensor) -> list[Tensor]:
    """The feature maps of a table: none."""
    del inputs
    return []


def in_order(*modules: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of modules from lower to upper, without those that have none."""
    return [group for module in modules if (group := list(module.parameters()))]
