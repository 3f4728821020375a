"""TabM with one scale for each member and feature: an ensemble that costs little more than one perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from longspan.columns.spec import FeaturesSpec
from longspan.models.backbone import Backbone
from longspan.models.entries import register_model
from longspan.models.tabular.tabular_config import TabularConfig, check_tabular, describe_tabular, in_order, no_maps
from longspan.nn.feature_input import mask_labels, split_features
from longspan.nn.number_embeddings import BoundedNumbers, LinearPerFeature, PiecewiseLinearEmbeddings

__all__ = ["TabMLight", "TabMLightConfig"]

_SOURCE = "Gorishniy et al. 2024, TabM: advancing tabular deep learning with parameter-efficient ensembling (TabM-mini)"


@final
@dataclass(frozen=True, kw_only=True)
class TabMLightConfig(TabularConfig):
    """Options of the light TabM."""

    family: ClassVar[str] = "tabm_light"

    members: int = 8
    """Perceptrons in the ensemble."""
    blocks: int = 2
    """Layers of each; the first is shared by the features."""
    width: int = 128
    """Values of each layer."""
    dropout: float = 0.1
    """Behind each layer."""
    number_width: int = 16
    """Values of the embedding of a number."""
    mask: float = 0.02
    """Fraction of the labels that are replaced by the unknown one while training."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_tabular(self, {"members": 2, "blocks": 1, "width": 1, "number_width": 1})

    def build_for(self, spec: FeaturesSpec) -> TabMLight:
        """The network for the features of a table."""
        return TabMLight(self, spec)


@final
class TabMLight(Backbone):
    """Features `(B, N + C)` to `(B, members, width)`; each member has a last layer of its own, in the head.

    Each feature is a vector that all members share, its embedding times the part of the first layer that reads it; a
    member adds them up with scales of its own, one for each feature. The first layer is so computed once instead of
    once for each member, which for a table of many labels is most of the work.

    Differs from TabM-mini: in it, the scales of a feature start equal but may learn to differ between the values of its
    embedding. The linear part of a number's embedding reads it bounded (see `BoundedNumbers`), and beyond the outer
    edges of its bins the piecewise part stays as it is; labels are masked at random while training, layers are narrower
    and members fewer, and the members of a row share the mask of dropout.
    """

    # B rows, K members, N numbers, C categories, F = N + C features, D width

    def __init__(self, config: TabMLightConfig, spec: FeaturesSpec) -> None:
        """Build for the features of a table."""
        super().__init__()
        count, width = spec.numbers + len(spec.categories), config.width
        bound = (spec.numbers * config.number_width + len(spec.categories)) ** -0.5
        self.bounded = BoundedNumbers(spec.edges) if spec.numbers else None
        width_of_number = config.number_width
        self.numbers = PiecewiseLinearEmbeddings(spec.edges, width_of_number, bounded=True) if spec.numbers else None
        self.from_numbers = LinearPerFeature(spec.numbers, config.number_width, width, bias=False)
        nn.init.uniform_(self.from_numbers.weight, -bound, bound)
        self.categories = nn.Embedding(sum(spec.categories), width) if spec.categories else None
        if self.categories is not None:
            nn.init.uniform_(self.categories.weight, -bound, bound)
        starts = [0, *accumulate(spec.categories)][: len(spec.categories)]
        self.register_buffer("starts", torch.tensor(starts, dtype=torch.int64))
        self.starts: Tensor
        self.scales = nn.Parameter(torch.randn(config.members, count))
        self.bias = nn.Parameter(torch.empty(width).uniform_(-bound, bound))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(config.blocks - 1))
        self.dropout = config.dropout
        self.mask = config.mask
        self.members = config.members
        describe_tabular(self, "tabm_light", config, spec, width)

    def forward(self, features: Tensor) -> Tensor:
        """`(B, N + C)` float32 to `(B, members, width)`."""
        assert isinstance(self.spec, FeaturesSpec)
        numbers, classes = split_features(features, self.spec)
        if self.training:
            classes = mask_labels(classes, self.mask)
        vectors_FBD = []
        if self.numbers is not None and self.bounded is not None:
            embedded = self.numbers.linear(self.bounded(numbers)) + self.numbers.bends(self.numbers.encode(numbers))
            vectors_FBD.append(self.from_numbers(embedded).transpose(0, 1))
        if self.categories is not None:
            vectors_FBD.append(self.categories((classes + self.starts).T))
        # Members first: sums over features and last layers are then single multiplications of matrices.
        hidden_KBD = self._active(torch.tensordot(self.scales, torch.cat(vectors_FBD), dims=1) + self.bias)
        for layer in self.layers:
            hidden_KBD = self._active(layer(hidden_KBD))
        return hidden_KBD.transpose(0, 1)

    def _active(self, hidden: Tensor) -> Tensor:
        """`(K, B, D)` in place: dropout with one mask for all members of a row, and ReLU.

        A mask for each member would take longer than the layers. ReLU comes last because both can then happen where the
        values are: moving them through memory is half of the work.
        """
        if self.training and self.dropout:
            kept = torch.rand(hidden.shape[1:], device=hidden.device) >= self.dropout
            hidden = hidden.mul_((kept / (1 - self.dropout)).to(hidden.dtype))
        return hidden.relu_()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """None."""
        return no_maps(inputs)

    def groups(self) -> list[list[nn.Parameter]]:
        """Embeddings with the scales, then the layers."""
        embeddings = [module for module in (self.numbers, self.from_numbers, self.categories) if module is not None]
        lowest = [parameter for module in embeddings for parameter in module.parameters()]
        return [[*lowest, self.scales, self.bias], *in_order(*self.layers)]


@register_model("tabm_light", source=_SOURCE, config=TabMLightConfig, reads="features")
def _tabm_light(spec: FeaturesSpec) -> TabMLight:
    return TabMLight(TabMLightConfig(), spec)
