"""What protects a training step: half-precision fallback, checks for losses that are not finite, advice on memory.

On the processor every step is checked before its weights change, which costs nothing there. On an accelerator, reading
a number would wait for all queued work; so the optimizer itself skips a step whose gradient is not finite, and the host
learns of it every `CHECK_EVERY` steps and at the end of an epoch.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, final

import torch

from longspan.data.batches.samples import Batch
from longspan.errors import TrainingError
from longspan.inference.source import precision_fallbacks
from longspan.randomness import seed_generators, step_seed
from longspan.train.protection.snapshot import Snapshot
from longspan.train.protection.training_errors import (
    first_rows,
    is_out_of_memory,
    largest_that_fits,
    not_finite,
    out_of_memory,
)
from longspan.train.state import Run, TrainState
from longspan.train.step import StepInfo, TrainStep

__all__ = ["CHECK_EVERY", "GuardedStep"]

CHECK_EVERY = 50
"""Steps on an accelerator after which the host waits to learn whether any was skipped."""


@final
class GuardedStep:
    """A `TrainStep` around another one.

    - Every attempt at a batch draws the same random numbers.
    - A batch whose loss or gradient is not finite in half precision is computed again in float32 (on an accelerator:
      skipped and counted); in float32 it is an error. The weights stay those before this batch.
    - Where there is not enough memory, the error names a batch size that fits.
    """

    def __init__(self, step: TrainStep, run: Run, state: TrainState, *, deferred: bool | None = None) -> None:
        """Guard the steps of one phase.

        Args:
            step: What is done with a batch.
            run: What is trained on and with.
            state: Where the training stands.
            deferred: Whether not to wait for the device in every step; None: on all but the processor.
        """
        self.step = step
        self.of = run
        self.state = state
        self.networks = step.networks
        self.optimizers = step.optimizers
        self.deferred = run.source.device.type != "cpu" if deferred is None else deferred
        self.snapshot = Snapshot(step.networks)
        self._bad = False
        """Whether an optimizer met a gradient that is not finite in this attempt."""
        self._stepped = False
        """Whether an optimizer has changed weights in this attempt."""
        self._fine: torch.Tensor | None = None
        """The same on the device, in a deferred step: False if a gradient is not finite."""
        self._unread: list[tuple[int, int, torch.Tensor, torch.Tensor]] = []
        """Deferred steps that were not looked at yet: number, batch, rows, whether all went well."""
        for optimizer in self.optimizers.values():
            optimizer.register_step_pre_hook(self._before_optimizer)

    def start_epoch(self) -> None:
        """Put the networks in training mode, and remember their weights."""
        for network in self.networks.values():
            network.train()
        self.snapshot = Snapshot(self.networks)

    def run(self, batch: Batch, step: StepInfo) -> dict[str, torch.Tensor]:
        """Learn from a batch; see `TrainStep.run`.

        Raises:
            TrainingError: loss or gradient are not finite, or there is not enough memory; weights and batch statistics
                are those before this batch, or where those were lost, those at the start of the epoch.
        """
        dtypes = precision_fallbacks(step.dtype)
        self.snapshot.before_step(gradients=len(dtypes) > 1)
        message, bad = "", []
        try:
            if self.deferred and all(optimizer.state for optimizer in self.optimizers.values()):
                self._begin_attempt(step)
                return self._look_later(batch, step, dict(self.step.run(batch, step)))
            for dtype in dtypes:
                self.state.float32_steps += dtype != step.dtype
                self._begin_attempt(step)
                losses = dict(self.step.run(batch, replace(step, dtype=dtype)))
                bad = [value for loss in losses.values() if not math.isfinite(value := loss.item())]
                if not bad and not self._bad:
                    return losses
                self.snapshot.undo_step()
                if self._stepped:  # another optimizer of this step has changed weights already
                    break
            self.snapshot.drop_gradients()
            what = f"The loss became {bad[0]}" if bad else "The gradient became infinite or NaN"
            raise self._not_finite(what, step.number, self.state.batch, batch.rows)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            message = str(error)  # and not the error: its frames hold on to the memory
        raise self._too_large(batch, step, message)

    def settle(self) -> None:
        """Wait for the device, and raise what went wrong in steps that were not waited for.

        Raises:
            TrainingError: a step in float32 was not finite, or all of the last ones in half precision.
        """
        if not self._unread:
            return
        unread, self._unread = self._unread, []
        fine = torch.stack([each[3] for each in unread]).tolist()
        skipped = [each for each, went_well in zip(unread, fine, strict=True) if not went_well]
        if not skipped:
            return
        half = self.of.source.dtype != torch.float32
        if half and len(skipped) < len(unread):
            self.state.skipped_steps += len(skipped)
            return
        number, batch, rows, _ = skipped[0]
        raise self._not_finite("The loss or the gradient became infinite or NaN", number, batch, rows)

    def _begin_attempt(self, step: StepInfo) -> None:
        self._bad, self._stepped, self._fine = False, False, None
        seed_generators(step_seed(self.of.seed, "step", step.number), self.of.source.device)  # dropout

    def _look_later(self, batch: Batch, step: StepInfo, losses: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Note on the device whether a step went well, and undo what a bad one did to batch statistics."""
        finite = torch.stack([loss.isfinite() for loss in losses.values()]).all()
        self.snapshot.undo_statistics_unless(finite)
        fine = finite if self._fine is None else finite & self._fine
        self._unread.append((step.number, self.state.batch, batch.rows, fine))
        if len(self._unread) >= CHECK_EVERY:
            self.settle()
        return losses

    def _before_optimizer(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Keep an optimizer from a step with a gradient that is not finite."""
        del args, kwargs
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        gradients = [each.grad for each in parameters if each.grad is not None]
        if not gradients:
            return
        overflow = torch.zeros((), device=gradients[0].device)
        one = torch.ones((), device=overflow.device)  # what gradients are multiplied by on the way
        check = torch._amp_foreach_non_finite_check_and_unscale_  # pyright: ignore[reportPrivateImportUsage]
        check(gradients, overflow, one)
        if self.deferred and optimizer.state:
            finite = overflow == 0
            self._fine = finite if self._fine is None else finite & self._fine
            optimizer.found_inf = (~self._fine).float()  # type: ignore[attr-defined]  # fused optimizers skip the step
            return
        self._bad = self._bad or bool(overflow)
        if self._bad:
            for parameter in parameters:
                parameter.grad = None  # nothing to step on
        else:
            self._stepped = True

    def _not_finite(self, what: str, number: int, batch: int, rows: torch.Tensor) -> TrainingError:
        state, weights = self.state, "The weights are those before this step."
        if self._stepped:
            weights = "Some weights are those after this step."
        if self.deferred:
            weights = "This step was skipped; the weights are those after later steps."
        if not self.snapshot.weights_are_finite():
            self.snapshot.restore_epoch_start()
            weights = (
                "The weights were no longer finite before this step, so the one before it went wrong; they are those "
                "at the start of this epoch again."
            )
            if not self.snapshot.weights_are_finite():
                weights = "The weights were no longer finite before this epoch."
        place = f"epoch {state.epoch + 1}, batch {batch + 1}"
        return not_finite(
            what, step=number, place=place, lr=state.lr, rows=rows.tolist(), names=self.of.files(rows[:8]),
            weights=weights,
        )  # fmt: skip

    def _too_large(self, batch: Batch, step: StepInfo, message: str) -> TrainingError:
        """Find out how many rows would fit, by steps that nothing is learned from."""
        self.snapshot.undo_step()
        self.snapshot.drop_gradients()
        parameters = [each for network in self.networks.values() for each in network.parameters() if each.requires_grad]
        stepped = any(optimizer.state for optimizer in self.optimizers.values())
        copies = 0 if stepped else 2 if self.of.config.optimizer == "adamw" else 1

        def attempt(count: int) -> None:
            try:
                # What the optimizer will need at its step.
                later = [torch.zeros_like(each) for each in parameters for _ in range(copies)]
                self._begin_attempt(step)
                self.step.run(first_rows(batch, count), replace(step, ends=False))
                del later
            finally:
                self.snapshot.undo_step()
                self.snapshot.drop_gradients()

        fits = largest_that_fits(attempt, len(batch), self.of.source.device)
        return out_of_memory("a training step", len(batch), fits, self.of.config.accumulate, message)
