"""The decoder of the Transformer, with a cache of keys and values."""

# B rows, S steps of the memory, L tokens, D width, H heads, N layers

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longspan.nn.text_decoder import DecoderState, TextDecoder

__all__ = ["TransformerDecoder"]


@final
class TransformerDecoder(TextDecoder):
    """Masked self-attention, attention to the memory, and two linear layers, N times.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.1. Differs: layer normalisation stands before
    each branch (Xiong et al. 2020), with one more after the last layer; no dropout of attention weights.
    """

    positions = True

    def __init__(self, width: int, layers: int, heads: int, inner: int, dropout: float) -> None:
        """Build `layers` layers of `width` values; `heads` divide the width."""
        super().__init__()
        self.layers = nn.ModuleList(_Layer(width, heads, inner, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """See `TextDecoder.forward`."""
        seen = mask[:, None, None]
        for layer in self.layers:
            assert isinstance(layer, _Layer)
            query, key, value = layer.self_parts(tokens)
            tokens = layer.add_attention(tokens, F.scaled_dot_product_attention(query, key, value, is_causal=True))
            keys, values = layer.memory_parts(memory)
            tokens = layer.behind_attention(tokens, keys, values, seen)
        return self.norm(tokens)

    def start(self, memory: Tensor, mask: Tensor) -> DecoderState:
        """Keys and values of the memory, `(B, N, H, S, D / H)`, its mask, and an empty cache of the same kind."""
        parts = [layer.memory_parts(memory) for layer in self.layers if isinstance(layer, _Layer)]
        keys, values = (torch.stack(each, dim=1) for each in zip(*parts, strict=True))
        empty = keys[:, :, :, :0]
        return DecoderState((keys, values, mask), (empty, empty))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `TextDecoder.step`; the cache grows by one step."""
        keys, values, mask = state.memory
        tokens, seen, grown = token[:, None], mask[:, None, None], []
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, _Layer)
            query, key, value = layer.self_parts(tokens)
            before = [each[:, number] for each in state.cache]
            key, value = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
            grown.append((key, value))
            tokens = layer.add_attention(tokens, F.scaled_dot_product_attention(query, key, value))
            beams = tokens.reshape(-1, state.beam, tokens.shape[2])
            tokens = layer.behind_attention(beams, keys[:, number], values[:, number], seen).reshape(tokens.shape)
        cache = tuple(torch.stack(each, dim=1) for each in zip(*grown, strict=True))
        return self.norm(tokens[:, 0]), state._replace(cache=cache)


@final
class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.self_norm = nn.LayerNorm(width)
        self.self_in = nn.Linear(width, 3 * width)
        self.self_out = nn.Linear(width, width)
        self.memory_norm = nn.LayerNorm(width)
        self.memory_query = nn.Linear(width, width)
        self.memory_in = nn.Linear(width, 2 * width)
        self.memory_out = nn.Linear(width, width)
        self.inner_norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.self_in, self.memory_in, self.memory_query, self.self_out, self.memory_out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def self_parts(self, tokens: Tensor) -> list[Tensor]:
        """Query, key and value of the tokens, each `(B, H, L, D / H)`."""
        return [self._by_head(each) for each in self.self_in(self.self_norm(tokens)).chunk(3, dim=2)]

    def memory_parts(self, memory: Tensor) -> list[Tensor]:
        """Key and value of the memory, each `(B, H, S, D / H)`."""
        return [self._by_head(each) for each in self.memory_in(memory).chunk(2, dim=2)]

    def add_attention(self, tokens: Tensor, attended: Tensor) -> Tensor:
        return tokens + self.dropout(self.self_out(attended.transpose(1, 2).flatten(2)))

    def behind_attention(self, tokens: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        """Attention to the memory, and the two linear layers."""
        query = self._by_head(self.memory_query(self.memory_norm(tokens)))
        attended = F.scaled_dot_product_attention(query, keys, values, attn_mask=seen)
        tokens = tokens + self.dropout(self.memory_out(attended.transpose(1, 2).flatten(2)))
        return tokens + self.dropout(self.outer(self.dropout(F.relu(self.inner(self.inner_norm(tokens))))))

    def _by_head(self, values: Tensor) -> Tensor:
        return values.unflatten(2, (self.heads, -1)).transpose(1, 2)
