"""Recurrent layers over sequences of several lengths."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["run_recurrent"]


def run_recurrent(
    layer: nn.RNNBase, steps: Tensor, lengths: Tensor, weights: dict[str, Tensor] | None = None
) -> Tensor:
    """The states of a recurrent layer at all steps, `(B, T, directions * hidden)`; zeros after its last step.

    Args:
        layer: An LSTM or GRU of one layer, `batch_first`, in one direction or two.
        steps: `(B, T, F)`; what stands after the last step of a sequence is not read.
        lengths: `(B,)`, at least 1.
        weights: Of the layer by name, in place of its own.
    """
    if torch.compiler.is_exporting():  # packed sequences have no operation in exported graphs
        return _run_padded(layer, steps, lengths)
    packed = nn.utils.rnn.pack_padded_sequence(steps, lengths.cpu(), batch_first=True, enforce_sorted=False)
    read = layer(packed)[0] if weights is None else torch.func.functional_call(layer, weights, (packed,))[0]
    return nn.utils.rnn.pad_packed_sequence(read, batch_first=True, total_length=steps.shape[1])[0]


def _run_padded(layer: nn.RNNBase, steps: Tensor, lengths: Tensor) -> Tensor:
    """The same, padded: backwards, each sequence is turned round at its own end, and its states are turned back."""
    places = torch.arange(steps.shape[1], device=steps.device)
    there = (places < lengths[:, None]).unsqueeze(-1)
    turned = (lengths[:, None] - 1 - places).clamp_min(0).unsqueeze(-1)
    states = _one_way(layer, steps, "")
    if layer.bidirectional:
        given = steps.gather(1, turned.expand(-1, -1, steps.shape[2]))
        back = _one_way(layer, given, "_reverse")
        states = torch.cat([states, back.gather(1, turned.expand(-1, -1, back.shape[2]))], dim=2)
    return states * there


def _one_way(layer: nn.RNNBase, steps: Tensor, suffix: str) -> Tensor:
    weights = [getattr(layer, f"{name}_l0{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    start = steps.new_zeros(1, steps.shape[0], layer.hidden_size)
    run: Any = torch.gru if isinstance(layer, nn.GRU) else torch.lstm
    state = start if isinstance(layer, nn.GRU) else (start, start)
    return run(steps, state, weights, True, 1, 0.0, False, False, True)[0]
