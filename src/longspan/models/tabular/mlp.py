"""A multilayer perceptron over embedded features, as fastai's tabular learner has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor, nn

from longspan.columns.spec import FeaturesSpec
from longspan.models.backbone import Backbone
from longspan.models.entries import register_model
from longspan.models.tabular.tabular_config import TabularConfig, check_tabular, describe_tabular, in_order, no_maps
from longspan.nn.feature_input import FeatureInput, NumberEmbedding

__all__ = ["MLP", "MLPConfig"]

_SOURCE = "Howard and Gugger 2020, fastai: a layered API for deep learning (TabularModel)"


@final
@dataclass(frozen=True, kw_only=True)
class MLPConfig(TabularConfig):
    """Options of the multilayer perceptron."""

    family: ClassVar[str] = "mlp"

    hidden: tuple[int, ...] = (200, 100)
    """Widths of the layers."""
    dropout: float = 0.0
    """Behind each layer."""
    embedding_dropout: float = 0.0
    """Behind the embeddings."""
    numbers: NumberEmbedding = "none"
    """How numbers are embedded."""
    number_width: int = 16
    """Values of the embedding of a number."""
    mask: float = 0.02
    """Fraction of the labels that are replaced by the unknown one while training."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        check_tabular(self, {"hidden": 1, "number_width": 1})

    def build_for(self, spec: FeaturesSpec) -> MLP:
        """The network for the features of a table."""
        return MLP(self, spec)


@final
class MLP(Backbone):
    """Features `(B, N + C)` to `(B, hidden[-1])`: linear layer, ReLU, batch normalisation and dropout for each width.

    Differs from fastai: an embedding is drawn for unknown labels by masking; numbers are scaled by the column instead
    of batch normalisation, and may be embedded.
    """

    def __init__(self, config: MLPConfig, spec: FeaturesSpec) -> None:
        """Build for the features of a table."""
        super().__init__()
        self.input = FeatureInput(spec, numbers=config.numbers, number_width=config.number_width, mask=config.mask)
        self.dropout = nn.Dropout(config.embedding_dropout)
        widths = (self.input.num_features, *config.hidden)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(low, high, bias=False), nn.ReLU(), nn.BatchNorm1d(high), nn.Dropout(config.dropout))
            for low, high in zip(widths[:-1], config.hidden, strict=True)
        )
        name = "mlp_plr" if config.numbers == "periodic" else "mlp"
        describe_tabular(self, name, config, spec, config.hidden[-1] if config.hidden else self.input.num_features)

    def forward(self, features: Tensor) -> Tensor:
        """`(B, N + C)` float32 to `(B, num_features)`."""
        hidden = self.dropout(self.input(features))
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden

    def features(self, inputs: Tensor) -> list[Tensor]:
        """None."""
        return no_maps(inputs)

    def groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, then the layers."""
        return in_order(self.input, *self.layers)


@register_model("mlp", source=_SOURCE, config=MLPConfig, reads="features")
def _mlp(spec: FeaturesSpec) -> MLP:
    return MLP(MLPConfig(), spec)


@register_model(
    "mlp_plr", source="Gorishniy et al. 2022, On embeddings for numerical features in tabular deep learning",
    config=MLPConfig, reads="features",
)  # fmt: skip
def _mlp_plr(spec: FeaturesSpec) -> MLP:
    return MLP(MLPConfig(hidden=(256, 256), dropout=0.1, numbers="periodic"), spec)
