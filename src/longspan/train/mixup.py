"""MixUp: each row of a batch is blended with another, and is to predict the targets of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from longspan.heads import Head
from longspan.inference.source import Inputs, sum_losses
from longspan.randomness import permutation, step_seed

__all__ = ["Mixture", "draw_mixture"]


@final
@dataclass(frozen=True, slots=True)
class Mixture:
    """How the rows of one batch are blended.

    Source: Zhang et al. 2018, eq. 1, with one fraction for the whole batch as in the authors' code. Losses are blended
    instead of targets, which is equal for cross-entropy and also works for quantities.
    """

    fraction: float
    """Of each row itself."""
    partner: torch.Tensor
    """`(B,)`: the row that makes up the rest."""

    def inputs(self, inputs: Inputs) -> Inputs:
        """The blended inputs."""
        return tuple(self.fraction * values + (1 - self.fraction) * values[self.partner] for values in inputs)

    def loss(
        self,
        heads: Mapping[str, Head],
        outputs: Mapping[str, Any],
        targets: Mapping[str, torch.Tensor],
        present: Mapping[str, torch.Tensor],
    ) -> torch.Tensor:
        """The loss of outputs for blended inputs."""
        theirs = {name: values[self.partner] for name, values in targets.items()}
        their_presence = {name: known[self.partner] for name, known in present.items()}
        mine = sum_losses(heads, outputs, targets, present)
        return self.fraction * mine + (1 - self.fraction) * sum_losses(heads, outputs, theirs, their_presence)


def draw_mixture(alpha: float, rows: int, seed: int, step: int, device: torch.device) -> Mixture:
    """The mixture of one step: a fraction from Beta(alpha, alpha), and a permutation of the rows."""
    fraction = float(np.random.default_rng(step_seed(seed, "mixup", step)).beta(alpha, alpha))
    return Mixture(fraction, permutation(seed, "mixup partner", step, rows).to(device))
