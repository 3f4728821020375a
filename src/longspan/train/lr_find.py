"""The learning-rate range test."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import torch

from longspan.data.batches.samples import Batch
from longspan.errors import ConfigError, TrainingError
from longspan.inference.source import batch_loss, whole_source
from longspan.randomness import permutation, step_seed
from longspan.train.config import Phase
from longspan.train.optimizer import make_optimizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from longspan.train.learner import Learner

__all__ = ["LRFind", "range_test", "suggest"]

_SMOOTHING = 0.95  # fraction of the running mean of losses that stays in a step
_BLOWN_UP = 4.0  # times the smallest loss


@final
@dataclass(frozen=True, slots=True, repr=False)
class LRFind:
    """Loss over the learning rate, and the rate that the curve suggests."""

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    """Smoothed, up to where the loss blows up."""
    suggestion: float

    def __repr__(self) -> str:
        return f"LRFind(suggestion={self.suggestion:.2g}; {self.lrs[0]:.1g}..{self.lrs[-1]:.1g})"

    def plot(self) -> Figure:
        """The curve, with the suggestion marked."""
        from longspan.report import lr_curve

        return lr_curve(self.lrs, self.losses, suggested=self.suggestion)


def range_test(learner: Learner, start: float, end: float, steps: int) -> LRFind:
    """See `Learner.lr_find`."""
    if not 0 < start < end < math.inf or steps < 2:
        raise ConfigError(f"lr_find needs 0 < start < end and at least 2 steps, got {start}, {end} and {steps}.")
    network = copy.deepcopy(learner.network)
    network.zero_grad(set_to_none=True)
    optimizer = make_optimizer(network, learner.config, Phase(epochs=1, lr=start, schedule="constant", warmup=0.0))
    source = whole_source(learner.task.samples, learner.inputs, learner.device, learner.dtype)
    lrs, losses, smooth = [], [], 0.0
    network.train_unfrozen()
    for step, batch in enumerate(_batches(learner, steps)):
        lr = start * (end / start) ** (step / (steps - 1))
        for group in optimizer.param_groups:
            group["lr"] = lr
        torch.manual_seed(step_seed(learner.seed, "lr_find", step))
        loss = batch_loss(
            source, network, batch.to(learner.device), learner.heads, learner.task.targets, mixup=0.0, seed=0, step=0
        )
        smooth = _SMOOTHING * smooth + (1 - _SMOOTHING) * loss.item()
        unbiased = smooth / (1 - _SMOOTHING ** (step + 1))
        if not math.isfinite(unbiased) or (losses and unbiased > _BLOWN_UP * min(losses)):
            if not lrs:
                rows = ", ".join(map(str, batch.rows[:8].tolist()))
                raise TrainingError(
                    f"The loss is {loss.item()} before the first step (table rows {rows}, ...), so no rate can be "
                    'found. Look at these rows and at the network, or try precision="float32".'
                )
            break
        lrs.append(lr)
        losses.append(unbiased)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    kept = max(len(lrs) - len(lrs) // 10, 1)  # the last tenth is the blow-up itself
    return LRFind(tuple(lrs), tuple(losses), suggest(np.asarray(lrs[:kept]), np.asarray(losses[:kept])))


def _batches(learner: Learner, steps: int) -> Iterator[Batch]:
    """As many training batches, over as many epochs as it takes, in an order of their own."""
    epoch = 0
    while steps > 0:
        order = learner.task.train[permutation(learner.seed, "lr_find order", epoch, len(learner.task.train))]
        for batch in learner.task.samples.batches(order, learner.config.batch_size):
            yield batch
            steps -= 1
            if steps == 0:
                return
        epoch += 1


def suggest(lrs: np.ndarray, losses: np.ndarray) -> float:
    """The rate two thirds of the way into the longest falling stretch of the smoothed loss.

    The stretch is the longest subsequence of ever smaller losses; steps where the loss rises may lie between.

    Source: the "valley" rule of ESRI, as in fastai's `valley`. Differs: fastai's code takes the middle of the stretch.
    """
    longest = np.ones(len(losses), int)
    for i in range(1, len(losses)):
        below = longest[:i][losses[:i] > losses[i]]
        longest[i] = 1 + (below.max() if below.size else 0)
    end = int(longest.argmax())
    start = max(end - int(longest[end]) + 1, 0)
    return float(lrs[start + (end - start) * 2 // 3])
