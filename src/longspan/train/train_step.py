"""Loss and gradients of one batch, or the reason why there are none; half precision that overflows is made up for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

import torch

from longspan.data.batches.samples import Batch
from longspan.errors import TrainingError
from longspan.inference.network import Network
from longspan.inference.source import Source, batch_loss
from longspan.randomness import step_seed
from longspan.train.callbacks import TrainState
from longspan.train.training_errors import first_rows, is_out_of_memory, largest_that_fits, no_number, out_of_memory

if TYPE_CHECKING:
    from longspan.train.loop import Run

__all__ = ["Snapshot", "train_step"]


@final
class Snapshot:
    """What a network goes back to when a step fails: batch statistics before it, weights at the epoch's start."""

    def __init__(self, network: Network) -> None:
        """Copy both; the weights to the processor's memory."""
        self._network = network
        self._buffers = list(network.buffers())
        self._before = [buffer.clone() for buffer in self._buffers]
        self._weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}

    def before_step(self) -> None:
        """Copy the batch statistics: a loss that is no number has spoilt them when it is found."""
        if self._buffers:
            torch._foreach_copy_(self._before, self._buffers)  # pyright: ignore[reportPrivateImportUsage]

    def undo_statistics(self) -> None:
        """Put the batch statistics back."""
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._before)  # pyright: ignore[reportPrivateImportUsage]

    def undo(self) -> None:
        """Put the batch statistics back, and take gradients away."""
        self.undo_statistics()
        self._network.zero_grad(set_to_none=True)

    def weights_are_sound(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(parameter.isfinite().all()) for parameter in self._network.parameters())

    def back_to_the_epoch(self) -> None:
        """The weights as they were when the epoch began."""
        self._network.load_state_dict(self._weights)


def train_step(
    run: Run, state: TrainState, batch: Batch, kept: Snapshot, *, step: int, fraction: float, ends: bool
) -> None:
    """Add the gradients of a batch to those that are there; `state.loss` is its loss.

    Where half precision gives no finite loss or gradient, the batch is computed again in float32.

    Args:
        run: What is trained on and with.
        state: Where the training stands.
        batch: On the device that trains.
        kept: What to go back to.
        step: Number of the batch in the whole training.
        fraction: Of the batch in the loss of its optimizer step.
        ends: Whether the optimizer's step comes next; the gradients are then checked and clipped.

    Raises:
        TrainingError: loss or gradient are not finite, or memory does not suffice; weights and batch statistics are
            those before this batch, or where those were lost, of the epoch's start.
    """
    kept.before_step()
    told = ""
    try:
        _learn(run, state, batch, kept, step, fraction, ends)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        told = str(error)  # and not the error: its frames hold on to the memory
    if told:
        raise _too_large(run, state, batch, kept, step, told)


def _learn(run: Run, state: TrainState, batch: Batch, kept: Snapshot, step: int, fraction: float, ends: bool) -> None:
    parameters = [parameter for parameter in state.network.parameters() if parameter.requires_grad]
    alone = all(parameter.grad is None for parameter in parameters)
    what = ""
    for source in run.source.ways():
        state.float32_steps += source is not run.source
        loss = _loss(run, source, state.network, batch, step)
        state.loss = loss.item()
        if math.isfinite(state.loss):
            (loss * fraction).backward()
            if not ends or _clipped(parameters, run):
                return
            what = "The gradient became infinite, or no number,"
            kept.undo()
            if not alone:  # gradients of earlier batches are gone with it
                break
        else:
            what = f"The loss became {state.loss}"
            kept.undo_statistics()
    kept.undo()
    raise _no_number(run, state, batch, kept, step, what)


def _loss(run: Run, source: Source, network: Network, batch: Batch, step: int) -> torch.Tensor:
    torch.manual_seed(step_seed(run.seed, "step", step))  # dropout
    mixup, seed = run.config.mixup, run.seed
    return batch_loss(source, network, batch, run.heads, run.targets, mixup=mixup, seed=seed, step=step)


def _clipped(parameters: list[torch.nn.Parameter], run: Run) -> bool:
    """Clip the gradient where that is wanted; False if it is not finite.

    Unclipped on a GPU it is not looked at, for the GPU would have to be waited for: the next loss tells.
    """
    longest = run.config.clip_norm
    if longest is None and run.source.device.type != "cpu":
        return True
    norm = torch.nn.utils.get_total_norm([each.grad for each in parameters if each.grad is not None])
    if not bool(norm.isfinite()):
        return False
    if longest is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, longest, norm)
    return True


def _no_number(run: Run, state: TrainState, batch: Batch, kept: Snapshot, step: int, what: str) -> TrainingError:
    rows, weights = batch.rows, "The weights are those before this step."
    if not kept.weights_are_sound():
        kept.back_to_the_epoch()
        weights = (
            "The weights were no longer finite numbers before this step, so the one before it went wrong; they are "
            "those at the start of this epoch again."
        )
        if not kept.weights_are_sound():
            weights = "The weights were no longer finite numbers before this epoch."
    return no_number(
        what, step=step, place=f"epoch {state.epoch + 1}, batch {state.batch + 1}", lr=state.lr, rows=rows.tolist(),
        names=run.files(rows[:8]), weights=weights,
    )  # fmt: skip


def _too_large(run: Run, state: TrainState, batch: Batch, kept: Snapshot, step: int, told: str) -> TrainingError:
    """Find out how many rows would fit, by steps that nothing is learned from."""
    kept.undo()
    parameters = [parameter for parameter in state.network.parameters() if parameter.requires_grad]
    copies = 0 if state.optimizer.state else 2 if run.config.optimizer == "adamw" else 1

    def attempt(count: int) -> None:
        try:
            later = [
                torch.zeros_like(each) for each in parameters for _ in range(copies)
            ]  # the optimizer's, at its step
            _loss(run, run.source, state.network, first_rows(batch, count), step).backward()
            del later
        finally:
            kept.undo()

    fits = largest_that_fits(attempt, len(batch), run.source.device)
    return out_of_memory("a training step", len(batch), fits, run.config.accumulate, told)
