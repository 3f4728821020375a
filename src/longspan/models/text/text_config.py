"""What networks of texts have in common: options, attributes of a backbone that reads tokens, means over tokens."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal, NoReturn, final

import torch
from torch import Tensor, nn

from longspan.columns.ragged import Ragged
from longspan.columns.spec import TokensSpec
from longspan.errors import ConfigError, ShapeError
from longspan.models.backbone import Backbone
from longspan.models.entries import ModelConfig

__all__ = ["TEXT_POOLS", "TextConfig", "TextPool", "check_tokens", "describe_text", "drop_words", "pooled"]

TextPool = Literal["mean", "max", "mean_max", "first", "none"]
"""What becomes of the vectors of the tokens: their mean, maximum, both, that of the first token, or a sequence."""
TEXT_POOLS = ("mean", "max", "mean_max", "first", "none")


class TextConfig(ModelConfig):
    """Abstract: the options of a family of networks that read tokens."""

    __slots__ = ()

    reads: ClassVar[str] = "tokens"

    @final
    def build(self, **_: Any) -> NoReturn:
        """Raise ConfigError: no input is an image."""
        raise ConfigError(f"{self.family} reads texts, not images: make the input a Text column.")

    @abstractmethod
    def build_for(self, spec: TokensSpec) -> Backbone:
        """The network with these options for tokens of a vocabulary."""


def describe_text(
    model: Backbone, name: str, config: ModelConfig | None, spec: TokensSpec, width: int, pool: TextPool
) -> None:
    """Set the attributes of a backbone that reads tokens; `width` is that of one token."""
    model.name = name
    model.config = config
    model.spec = spec
    model.in_channels = 0
    model.size_px = (0, 0)
    model.pool = None
    model.sequence = pool == "none"
    model.num_features = 2 * width if pool == "mean_max" else width
    model.channels = ()
    model.strides = ()


def check_tokens(tokens: Any, model: Backbone) -> Ragged:
    """The input as a ragged batch of token numbers; ShapeError if it is none."""
    if not isinstance(tokens, Ragged) or tokens.values.ndim != 2 or tokens.values.dtype != torch.int64:
        shape = tuple(tokens.values.shape) if isinstance(tokens, Ragged) else tuple(getattr(tokens, "shape", ()))
        raise ShapeError(
            f"{model.name} reads ragged token numbers (B, T) int64, got {shape}. Make the input ls.Text()."
        )
    return tokens


def pooled(steps: Tensor, batch: Ragged, pool: TextPool) -> Tensor | Ragged:
    """The vectors `(B, T, F)` of tokens as one for each row, or with their lengths for pool "none"."""
    if pool == "none":
        return Ragged(steps * batch.mask[:, :, None], batch.lengths)
    if pool == "first":
        there = (batch.lengths > 0)[:, None]
        return steps[:, 0] * there if steps.shape[1] else steps.new_zeros(len(steps), steps.shape[2])
    mask = batch.mask[:, :, None]
    mean = (steps * mask).sum(1) / batch.lengths.clamp_min(1)[:, None]
    if pool == "mean":
        return mean
    if steps.shape[1]:
        largest = steps.masked_fill(~mask, torch.finfo(steps.dtype).min).amax(1)
        largest = torch.where(batch.lengths[:, None] > 0, largest, 0.0)
    else:
        largest = torch.zeros_like(mean)
    return largest if pool == "max" else torch.cat([mean, largest], dim=1)


def drop_words(embedding: nn.Embedding, tokens: Tensor, fraction: float, training: bool) -> Tensor:
    """The embeddings of tokens, those of some words of the vocabulary set to 0 wherever they occur.

    Source: Gal and Ghahramani 2016, "A theoretically grounded application of dropout in recurrent neural networks",
    section 4.2; as embedding dropout in Merity et al. 2017.
    """
    if not training or not fraction:
        return embedding(tokens)
    kept = torch.rand(embedding.num_embeddings, device=tokens.device) >= fraction
    return embedding(tokens) * (kept[tokens] / (1 - fraction))[..., None]
