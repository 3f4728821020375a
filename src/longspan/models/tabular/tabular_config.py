"""What networks of tables have in common: options, and the attributes of a backbone that reads features."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NoReturn, final

from torch import Tensor, nn

from longspan.columns.spec import FeaturesSpec
from longspan.errors import ConfigError
from longspan.models.backbone import Backbone
from longspan.models.entries import ModelConfig

__all__ = ["TabularConfig", "check_options", "describe_tabular", "in_order", "no_maps"]


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


def check_options(config: TabularConfig, **least: int) -> None:
    """ConfigError unless each named option is a whole number of at least so much, and fractions are below 1."""
    for name, smallest in least.items():
        value = getattr(config, name)
        values = value if isinstance(value, tuple | list) else (value,)
        if any(not isinstance(each, int) or isinstance(each, bool) or each < smallest for each in values):
            raise ConfigError(
                f"{type(config).__name__}.{name} must be whole numbers of at least {smallest}, got {value!r}."
            )
    for name in ("dropout", "embedding_dropout", "attention_dropout", "mask"):
        value = getattr(config, name, 0.0)
        if not 0 <= value < 1:
            raise ConfigError(f"{type(config).__name__}.{name} must be at least 0 and below 1, got {value!r}.")
    embedding = getattr(config, "numbers", "none")
    if embedding not in ("none", "piecewise_linear", "periodic"):
        raise ConfigError(
            f"{type(config).__name__}.numbers must be 'none', 'piecewise_linear' or 'periodic', got {embedding!r}."
        )


def no_maps(inputs: Tensor) -> list[Tensor]:
    """The feature maps of a table: none."""
    del inputs
    return []


def in_order(*modules: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of modules from lower to upper, without those that have none."""
    return [group for module in modules if (group := list(module.parameters()))]
