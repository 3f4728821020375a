"""TabM: an ensemble of perceptrons that share nearly all weights."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from longspan.columns.spec import FeaturesSpec
from longspan.models.backbone import Backbone
from longspan.models.entries import register_model
from longspan.models.tabular.tabular_config import TabularConfig, check_tabular, describe_tabular, in_order, no_maps
from longspan.nn.feature_input import FeatureInput, NumberEmbedding

__all__ = ["SharedLinear", "TabM", "TabMConfig"]

_SOURCE = "Gorishniy et al. 2024, TabM: advancing tabular deep learning with parameter-efficient ensembling"


@final
@dataclass(frozen=True, kw_only=True)
class TabMConfig(TabularConfig):
    """Options of TabM."""

    family: ClassVar[str] = "tabm"

    members: int = 32
    """Perceptrons in the ensemble."""
    blocks: int = 2
    """Layers of each."""
    width: int = 256
    """Values of each layer; the reference package's default is 512."""
    dropout: float = 0.1
    """Behind each layer."""
    mini: bool = False
    """Share everything but the scales of the inputs and the last layer (the paper's TabM-mini)."""
    numbers: NumberEmbedding = "piecewise_linear"
    """How numbers are embedded."""
    number_width: int = 16
    """Values of the embedding of a number."""
    mask: float = 0.02
    """Fraction of the labels that are replaced by the unknown one while training."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_tabular(self, {"members": 2, "blocks": 1, "width": 1, "number_width": 1})

    def build_for(self, spec: FeaturesSpec) -> TabM:
        """The network for the features of a table."""
        return TabM(self, spec)


@final
class SharedLinear(nn.Module):
    """K linear layers with one weight: each scales its inputs and outputs by vectors of its own; `(B, K, in)`.

    Source: Wen et al. 2020, "BatchEnsemble", equation 5; the scales start at 1 but for those that `signs` asks for.
    """

    def __init__(self, in_features: int, out_features: int, members: int) -> None:
        """Draw the weights: the members start with equal ones."""
        super().__init__()
        bound = in_features**-0.5
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-bound, bound))
        self.scale_in = nn.Parameter(torch.ones(members, in_features))
        self.scale_out = nn.Parameter(torch.ones(members, out_features))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound).repeat(members, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """`(B, K, in)` to `(B, K, out)`."""
        return torch.addcmul(self.bias, (inputs * self.scale_in) @ self.weight.T, self.scale_out)


@final
class TabM(Backbone):
    """Features `(B, N + C)` to `(B, members, width)`; each member has a last layer of its own, in the head.

    The members are drawn apart by the scales of their inputs: one random number for each member and feature.

    Differs from the reference package: labels are masked at random while training; width 256.
    """

    def __init__(self, config: TabMConfig, spec: FeaturesSpec) -> None:
        """Build for the features of a table."""
        super().__init__()
        self.input = FeatureInput(
            spec, numbers=config.numbers, number_width=config.number_width, one_hot=True, mask=config.mask
        )
        num_features = self.input.num_features
        embedded = config.numbers != "none" and spec.numbers > 0
        drawn = torch.randn(config.members, len(self.input.widths))
        each = (drawn if embedded else drawn.sign()).split(1, dim=1)
        scales = torch.cat([one.expand(-1, width) for one, width in zip(each, self.input.widths, strict=True)], dim=1)
        self.scales: nn.Parameter | None = nn.Parameter(scales) if config.mini else None
        widths = (num_features, *[config.width] * config.blocks)
        self.blocks = nn.ModuleList(
            nn.Linear(low, high) if config.mini else SharedLinear(low, high, config.members)
            for low, high in pairwise(widths)
        )
        first = self.blocks[0]
        if isinstance(first, SharedLinear):
            with torch.no_grad():
                first.scale_in.copy_(scales)
        self.dropout = nn.Dropout(config.dropout)
        self.members = config.members
        describe_tabular(self, "tabm_mini" if config.mini else "tabm", config, spec, config.width)

    def forward(self, features: Tensor) -> Tensor:
        """`(B, N + C)` float32 to `(B, members, width)`."""
        hidden = self.input(features)[:, None].expand(-1, self.members, -1)
        if self.scales is not None:
            hidden = hidden * self.scales
        for block in self.blocks:
            hidden = self.dropout(block(hidden).relu())
        return hidden

    def features(self, inputs: Tensor) -> list[Tensor]:
        """None."""
        return no_maps(inputs)

    def groups(self) -> list[list[nn.Parameter]]:
        """Embeddings with the scales of TabM-mini, then the layers."""
        lowest = [*self.input.parameters(), *([] if self.scales is None else [self.scales])]
        return [group for group in (lowest, *in_order(*self.blocks)) if group]


@register_model("tabm", source=_SOURCE, config=TabMConfig, reads="features")
def _tabm(spec: FeaturesSpec) -> TabM:
    return TabM(TabMConfig(), spec)


@register_model("tabm_mini", source=_SOURCE, config=TabMConfig, reads="features")
def _tabm_mini(spec: FeaturesSpec) -> TabM:
    return TabM(TabMConfig(mini=True), spec)
