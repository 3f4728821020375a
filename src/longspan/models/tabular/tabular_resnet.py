"""A residual network over features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor, nn

from longspan.columns.spec import FeaturesSpec
from longspan.models.backbone import Backbone
from longspan.models.entries import register_model
from longspan.models.tabular.tabular_config import TabularConfig, check_tabular, describe_tabular, in_order, no_maps
from longspan.nn.feature_input import FeatureInput, NumberEmbedding

__all__ = ["TabularResNet", "TabularResNetConfig"]

_SOURCE = "Gorishniy et al. 2021, Revisiting deep learning models for tabular data (ResNet)"


@final
@dataclass(frozen=True, kw_only=True)
class TabularResNetConfig(TabularConfig):
    """Options of the residual network."""

    family: ClassVar[str] = "tabular_resnet"

    blocks: int = 2
    """How many blocks."""
    width: int = 192
    """Values between blocks."""
    hidden: int = 256
    """Values inside a block."""
    dropout: float = 0.15
    """Inside a block."""
    numbers: NumberEmbedding = "none"
    """How numbers are embedded."""
    number_width: int = 16
    """Values of the embedding of a number."""
    mask: float = 0.02
    """Fraction of the labels that are replaced by the unknown one while training."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_tabular(self, {"blocks": 1, "width": 1, "hidden": 1, "number_width": 1})

    def build_for(self, spec: FeaturesSpec) -> TabularResNet:
        """The network for the features of a table."""
        return TabularResNet(self, spec)


@final
class TabularResNet(Backbone):
    """Features `(B, N + C)` to `(B, width)`: blocks of batch normalisation, two linear layers and dropout, added up.

    Source: section 3.2 of the paper, with its second dropout at 0.
    """

    def __init__(self, config: TabularResNetConfig, spec: FeaturesSpec) -> None:
        """Build for the features of a table."""
        super().__init__()
        self.input = FeatureInput(spec, numbers=config.numbers, number_width=config.number_width, mask=config.mask)
        self.project = nn.Linear(self.input.num_features, config.width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(config.width),
                nn.Linear(config.width, config.hidden),
                nn.ReLU(),
                nn.Dropout(config.dropout),
                nn.Linear(config.hidden, config.width),
            )
            for _ in range(config.blocks)
        )
        self.norm = nn.BatchNorm1d(config.width)
        describe_tabular(self, "tabular_resnet", config, spec, config.width)

    def forward(self, features: Tensor) -> Tensor:
        """`(B, N + C)` float32 to `(B, width)`."""
        hidden = self.project(self.input(features))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.norm(hidden).relu()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """None."""
        return no_maps(inputs)

    def groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, projection, blocks, last normalisation."""
        return in_order(self.input, self.project, *self.blocks, self.norm)


@register_model("tabular_resnet", source=_SOURCE, config=TabularResNetConfig, reads="features")
def _tabular_resnet(spec: FeaturesSpec) -> TabularResNet:
    return TabularResNet(TabularResNetConfig(), spec)
