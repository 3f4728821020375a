"""A linear layer for each member of an ensemble, and its outputs."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

__all__ = ["MemberLinear", "MemberOutputs"]


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
