"""The first layer of networks that read a table: numbers and categories as one vector."""

from __future__ import annotations

from typing import Literal, cast, final

import torch
from torch import Tensor, nn

from longspan.columns.spec import FeaturesSpec
from longspan.errors import ShapeError
from longspan.nn.embed_categories import embed_categories
from longspan.nn.number_embeddings import PeriodicEmbeddings, PiecewiseLinearEmbeddings

__all__ = ["FeatureInput", "NumberEmbedding", "embedding_width", "mask_labels", "split_features"]

NumberEmbedding = Literal["none", "piecewise_linear", "periodic"]
"""How a number is embedded; "none": it stands for itself."""


def embedding_width(num_classes: int) -> int:
    """Values of the embedding of a category: fastai's rule, from experience, `1.6 * num_classes ** 0.56`, below 600."""
    return min(600, round(1.6 * num_classes**0.56))


def split_features(features: Tensor, spec: FeaturesSpec) -> tuple[Tensor, Tensor]:
    """Numbers `(B, N)` float and class numbers `(B, C)` int64 of what a `Features` column prepares.

    Raises:
        ShapeError: features of another count.
    """
    expected = spec.numbers + len(spec.categories)
    if features.ndim != 2 or features.shape[1] != expected:
        raise ShapeError(f"This network reads (B, {expected}) features, got {tuple(features.shape)}.")
    return features[:, : spec.numbers], features[:, spec.numbers :].long()


def mask_labels(classes: Tensor, fraction: float) -> Tensor:
    """Class numbers with this fraction of them, at random, replaced by 0: the class of unknown labels."""
    return (
        classes if not fraction else classes.masked_fill(torch.rand(classes.shape, device=classes.device) < fraction, 0)
    )


@final
class FeatureInput(nn.Module):
    """Features `(B, N + C)` to `(B, num_features)`: embeddings of numbers and categories side by side.

    While training, some labels are replaced by the unknown one, so that its embedding is learned although training
    rows have no unknown label.

    Source of embedded categories: Guo and Berkhahn 2016, "Entity embeddings of categorical variables".
    """

    def __init__(
        self,
        spec: FeaturesSpec,
        *,
        numbers: NumberEmbedding = "none",
        number_width: int = 16,
        one_hot: bool = False,
        mask: float = 0.02,
    ) -> None:
        """Build for a table.

        Args:
            spec: Its numbers and categories.
            numbers: How numbers are embedded.
            number_width: Values of the embedding of a number.
            one_hot: Categories as one 1 among zeros, instead of a learned embedding.
            mask: Fraction of the labels that are replaced while training.
        """
        super().__init__()
        self.spec = spec
        self.mask = mask
        self.one_hot = one_hot
        self.numbers: nn.Module | None = None
        if spec.numbers and numbers == "piecewise_linear":
            self.numbers = PiecewiseLinearEmbeddings(spec.edges, number_width)
        elif spec.numbers and numbers == "periodic":
            self.numbers = PeriodicEmbeddings(spec.numbers, number_width)
        self.categories = nn.ModuleList(
            [] if one_hot else [nn.Embedding(classes, embedding_width(classes)) for classes in spec.categories]
        )
        for embedding in self.categories:
            nn.init.trunc_normal_(embedding.weight, std=0.01)  # type: ignore[arg-type]
        widths = [1 if self.numbers is None else number_width] * spec.numbers
        self.widths = (*widths, *(each if one_hot else embedding_width(each) for each in spec.categories))
        """Values of each feature, in order."""
        self.num_features = sum(self.widths)

    def forward(self, features: Tensor) -> Tensor:
        """`(B, N + C)` float32 to `(B, num_features)`."""
        numbers, classes = split_features(features, self.spec)
        if self.training:
            classes = mask_labels(classes, self.mask)
        parts = [numbers if self.numbers is None else self.numbers(numbers).flatten(1)]
        if self.one_hot:
            counts = self.spec.categories
            parts += [nn.functional.one_hot(classes[:, i], count).float() for i, count in enumerate(counts)]
        elif len(self.categories):
            weights = [cast(nn.Embedding, each).weight for each in self.categories]
            parts.append(embed_categories(classes, weights))
        return torch.cat(parts, dim=1)
