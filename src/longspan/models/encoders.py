"""Small encoders of inputs that are not images: numbers and categories, tokens, sequences of vectors."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from longspan.columns.ragged import Ragged
from longspan.columns.spec import FeaturesSpec, SequenceSpec, Spec, TokensSpec, VectorSpec
from longspan.errors import ConfigError
from longspan.nn.feature_input import FeatureInput

__all__ = ["FeaturesEncoder", "SequenceEncoder", "TokensEncoder", "VectorEncoder", "encoder_for"]

_WIDTH = 64
_WIDEST_EMBEDDING = 32


@final
class VectorEncoder(nn.Module):
    """Numbers and categories to `(B, 64)`: embeddings beside the numbers, then two linear layers with ReLU.

    Source: Guo and Berkhahn 2016, "Entity embeddings of categorical variables". An embedding has half as many values as
    the category has classes, at most 32.
    """

    def __init__(self, spec: VectorSpec) -> None:
        """Build for inputs as `VectorSpec` describes them."""
        super().__init__()
        self.num_features = _WIDTH
        self.num_numbers = spec.numbers
        self.embeddings = nn.ModuleList(
            nn.Embedding(classes, min(_WIDEST_EMBEDDING, (classes + 1) // 2)) for classes in spec.categories
        )
        width = spec.numbers + sum(min(_WIDEST_EMBEDDING, (classes + 1) // 2) for classes in spec.categories)
        self.layers = nn.Sequential(nn.Linear(width, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU())

    def forward(self, values: Tensor) -> Tensor:
        """`(B,)` or `(B, numbers)` float, or `(B,)` or `(B, categories)` int64, to `(B, 64)`."""
        columns = values.reshape(values.shape[0], -1)
        parts = [columns] if self.num_numbers else []
        parts += [embed(columns[:, place]) for place, embed in enumerate(self.embeddings)]
        return self.layers(torch.cat(parts, dim=1))


@final
class FeaturesEncoder(nn.Module):
    """The features of a table to `(B, 64)`: embedded categories beside the numbers, then two layers with ReLU."""

    def __init__(self, spec: FeaturesSpec) -> None:
        """Build for features as `FeaturesSpec` describes them."""
        super().__init__()
        self.num_features = _WIDTH
        self.input = FeatureInput(spec)
        self.layers = nn.Sequential(
            nn.Linear(self.input.num_features, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU()
        )

    def forward(self, features: Tensor) -> Tensor:
        """`(B, N + C)` float32 to `(B, 64)`."""
        return self.layers(self.input(features))


@final
class TokensEncoder(nn.Module):
    """Tokens to `(B, 64)`: the mean of their embeddings, then a linear layer with ReLU. The order is lost.

    Source: Joulin et al. 2016, "Bag of tricks for efficient text classification", without n-grams.
    """

    def __init__(self, spec: TokensSpec) -> None:
        """Build for tokens as `TokensSpec` describes them."""
        super().__init__()
        self.num_features = _WIDTH
        self.embedding = nn.Embedding(spec.vocab_size, _WIDTH, padding_idx=spec.padding)
        self.layers = nn.Sequential(nn.Linear(_WIDTH, _WIDTH), nn.ReLU())

    def forward(self, tokens: Ragged) -> Tensor:
        """`Ragged` of values `(B, T)` int64 to `(B, 64)`."""
        return self.layers(_mean(self.embedding(tokens.values), tokens))


@final
class SequenceEncoder(nn.Module):
    """A sequence of vectors to `(B, 128)`: a linear layer with ReLU at each step, then mean and maximum over steps."""

    def __init__(self, spec: SequenceSpec) -> None:
        """Build for sequences as `SequenceSpec` describes them."""
        super().__init__()
        self.num_features = 2 * _WIDTH
        self.layers = nn.Sequential(nn.Linear(spec.features, _WIDTH), nn.ReLU())

    def forward(self, sequence: Ragged) -> Tensor:
        """`Ragged` of values `(B, T, features)` float to `(B, 128)`."""
        steps = self.layers(sequence.values)  # (B, T, 64), not below 0
        largest = (steps * sequence.mask[:, :, None]).amax(dim=1)
        return torch.cat([_mean(steps, sequence), largest], dim=1)


def encoder_for(spec: Spec) -> FeaturesEncoder | VectorEncoder | TokensEncoder | SequenceEncoder:
    """The small encoder for an input that is not an image.

    Raises:
        ConfigError: there is none for this kind.
    """
    if isinstance(spec, FeaturesSpec):
        return FeaturesEncoder(spec)
    if isinstance(spec, VectorSpec):
        return VectorEncoder(spec)
    if isinstance(spec, TokensSpec):
        return TokensEncoder(spec)
    if isinstance(spec, SequenceSpec):
        return SequenceEncoder(spec)
    raise ConfigError(f"There is no small encoder for inputs of kind {spec.kind!r}; give a network by name for images.")


def _mean(steps: Tensor, batch: Ragged) -> Tensor:
    """The mean over the steps of each row, `(B, F)`; zeros for an empty row."""
    total = (steps * batch.mask[:, :, None]).sum(dim=1)
    return total / batch.lengths.clamp_min(1)[:, None]
