"""Heads of networks that are ensembles: layers for each member, means of losses and of predictions.

A head's own methods know nothing of members: they get the rows of all members as so many rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from longspan.heads.base import Head, shape_of

__all__ = ["MemberLinear", "MemberOutputs", "outputs_fault", "predictions_of", "row_losses"]


class MemberOutputs(NamedTuple):
    """Outputs of a head of an ensemble."""

    members: Tensor
    """`(B, members, num_outputs)`."""

    @property
    def rows(self) -> Tensor:
        """`(B * members, num_outputs)`: those of a row's members follow one another."""
        return self.members.flatten(0, 1)


@final
class MemberLinear(nn.Module):
    """A linear layer for each member, drawn as `nn.Linear` does: `(B, members, in)` to `MemberOutputs`."""

    def __init__(self, in_features: int, out_features: int, members: int) -> None:
        """Draw the weights."""
        super().__init__()
        bound = in_features**-0.5
        self.weight = nn.Parameter(torch.empty(members, in_features, out_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, out_features).uniform_(-bound, bound))

    def forward(self, features: Tensor) -> MemberOutputs:
        """`(B, members, in)` to `(B, members, out)`."""
        outputs = torch.matmul(features.transpose(0, 1), self.weight.to(features.dtype)).transpose(0, 1)
        return MemberOutputs(outputs + self.bias)


def row_losses(head: Head, outputs: Any, targets: Any) -> Tensor:
    """Loss of each row `(B,)`, of an ensemble the mean over its members."""
    if not isinstance(outputs, MemberOutputs):
        return head.loss(outputs, targets)
    count = outputs.members.shape[1]
    return head.loss(outputs.rows, targets.repeat_interleave(count, 0)).unflatten(0, (-1, count)).mean(1)


def predictions_of(head: Head, outputs: Any) -> Tensor:
    """Predictions `(B, ...)`, of an ensemble the mean over its members' (not of their logits)."""
    if not isinstance(outputs, MemberOutputs):
        return head.postprocess(outputs)
    return head.postprocess(outputs.rows).unflatten(0, (-1, outputs.members.shape[1])).mean(1)


def outputs_fault(head: Head, outputs: Any, rows: int) -> str | None:
    """Why outputs for `rows` rows do not fit, as `Head.outputs_fault` says it."""
    if not isinstance(outputs, MemberOutputs):
        return head.outputs_fault(outputs, rows)
    shape = shape_of(outputs.members)
    return head.outputs_fault(outputs.rows, rows * shape[1]) if len(shape) == 3 else f"which is {shape}"
