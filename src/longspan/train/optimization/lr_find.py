"""The learning-rate range test."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np
import torch

from longspan.data.batches.order import shuffled_rows
from longspan.data.batches.samples import Batch
from longspan.errors import ConfigError, TrainingError
from longspan.inference.source import whole_source
from longspan.randomness import step_seed
from longspan.train.config import Phase
from longspan.train.loop import SupervisedStep
from longspan.train.optimization.optimizer import make_optimizer, set_rates
from longspan.train.step import StepInfo
from longspan.train.training import Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def range_test(training: Training, start: float, end: float, steps: int) -> LRFind:
    """See `Learner.lr_find`."""
    if not 0 < start < end < math.inf or steps < 2:
        raise ConfigError(f"lr_find needs 0 < start < end and at least 2 steps, got {start}, {end} and {steps}.")
    network, config = copy.deepcopy(training.network), replace(training.config, mixup=0.0, clip_norm=None)
    network.zero_grad(set_to_none=True)
    optimizer = make_optimizer(network, config, Phase(epochs=1, lr=start, schedule="constant", warmup=0.0))
    source = whole_source(training.task.samples, training.inputs, training.device, training.dtype)
    step = SupervisedStep(
        network, optimizer, source, training.heads, training.task.targets, config=config, seed=training.seed
    )
    lrs, losses, smooth = [], [], 0.0
    network.train()
    for number, batch in enumerate(_batches(training, steps)):
        lr = start * (end / start) ** (number / (steps - 1))
        set_rates(step.optimizers, lr, None)
        torch.manual_seed(step_seed(training.seed, "lr_find", number))
        info = StepInfo(number=number, rows=len(batch), fraction=1.0, ends=True, dtype=training.dtype)
        loss = step.run(batch.to(training.device), info)["loss"].item()
        smooth = _SMOOTHING * smooth + (1 - _SMOOTHING) * loss
        unbiased = smooth / (1 - _SMOOTHING ** (number + 1))
        if not math.isfinite(unbiased) or (losses and unbiased > _BLOWN_UP * min(losses)):
            if not lrs:
                rows = ", ".join(map(str, batch.rows[:8].tolist()))
                raise TrainingError(
                    f"The loss is {loss} before the first step (table rows {rows}, ...), so lr_find cannot start. "
                    'Look at these rows and at the network, or try precision="float32".'
                )
            break
        lrs.append(lr)
        losses.append(unbiased)
    kept = max(len(lrs) - len(lrs) // 10, 1)  # the last tenth is the blow-up itself
    return LRFind(tuple(lrs), tuple(losses), suggest(np.asarray(lrs[:kept]), np.asarray(losses[:kept])))


def _batches(training: Training, steps: int) -> Iterator[Batch]:
    """As many training batches, over as many epochs as it takes, in an order of their own."""
    epoch = 0
    while steps > 0:
        samples = training.task.samples
        order = shuffled_rows(training.task.train, epoch, training.seed, "lr_find order", samples.block_rows)
        for batch in samples.batches(order, training.config.batch_size):
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
