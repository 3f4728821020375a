"""Convolutions over word embeddings, the largest value of each over the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.columns.ragged import Ragged
from longspan.columns.spec import TokensSpec
from longspan.models.backbone import Backbone
from longspan.models.entries import register_model
from longspan.models.options import check_options
from longspan.models.text.text_config import TextConfig, check_tokens, describe_text

__all__ = ["TextCNN", "TextCNNConfig"]

_SOURCE = "Kim 2014, Convolutional neural networks for sentence classification"


@final
@dataclass(frozen=True, kw_only=True)
class TextCNNConfig(TextConfig):
    """Options of `TextCNN`."""

    family: ClassVar[str] = "text_cnn"

    width: int = 128
    """Values of a word embedding (paper: 300)."""
    kernels: tuple[int, ...] = (3, 4, 5)
    """Words that a convolution sees at a time."""
    channels: int = 100
    """Feature maps of each kernel."""
    dropout: float = 0.5
    """Probability that a feature is dropped."""
    embedding_dropout: float = 0.0
    """Probability that a value of an embedding is dropped."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        object.__setattr__(self, "kernels", tuple(self.kernels))
        check_options(self, least={"width": 1, "kernels": 1, "channels": 1}, fractions=["dropout", "embedding_dropout"])

    def build_for(self, spec: TokensSpec) -> TextCNN:
        """The network for tokens of a vocabulary."""
        return TextCNN(self, spec)


@final
class TextCNN(Backbone):
    """Tokens `(B, T)` to `(B, channels * len(kernels))`: convolutions, ReLU, the maximum over time, dropout.

    Source: Kim 2014, section 2, the model CNN-rand. Differs: no limit of the norm of the last layer's weights, which
    weight decay replaces; embeddings are narrower by default; texts are padded on both sides, so that the first and the
    last words are seen as often as others.
    """

    def __init__(self, config: TextCNNConfig | None, spec: TokensSpec) -> None:
        """Build for tokens of a vocabulary."""
        super().__init__()
        config = config or TextCNNConfig()
        self.kernels = config.kernels
        self.embedding = nn.Embedding(spec.vocab_size, config.width, padding_idx=spec.padding)
        nn.init.uniform_(self.embedding.weight, -0.25, 0.25)
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.convs = nn.ModuleList(
            nn.Conv1d(config.width, config.channels, kernel, padding=kernel - 1) for kernel in config.kernels
        )
        self.dropout = nn.Dropout(config.dropout)
        describe_text(self, "text_cnn", config, spec, config.channels * len(config.kernels), "max")

    def features(self, images: Tensor) -> list[Tensor]:
        """None: texts have no maps."""
        del images
        return []

    def forward(self, tokens: Ragged) -> Tensor:  # type: ignore[override]
        """The largest value of each feature map over the text."""
        tokens = check_tokens(tokens, self)
        embedded = self.embedding_dropout(self.embedding(tokens.values)) * tokens.mask[:, :, None]
        columns = embedded.transpose(1, 2)  # (B, width, T)
        if not columns.shape[2]:  # no row has a token
            columns = F.pad(columns, (0, 1))
        found = []
        for conv, kernel in zip(self.convs, self.kernels, strict=True):
            maps = F.relu(conv(columns))  # (B, channels, T + kernel - 1)
            # Windows after the end of a row see padding alone, which must not give its maximum.
            last = tokens.lengths + kernel - 1
            there = torch.arange(maps.shape[2], device=maps.device) < last[:, None]
            found.append((maps * there[:, None]).amax(2))
        return self.dropout(torch.cat(found, dim=1))

    def groups(self) -> list[list[nn.Parameter]]:
        """The embeddings, and the convolutions."""
        return [list(self.embedding.parameters()), list(self.convs.parameters())]


@register_model("text_cnn", source=_SOURCE, config=TextCNNConfig, reads="tokens")
def _text_cnn(*, spec: TokensSpec) -> TextCNN:
    return TextCNN(None, spec)
