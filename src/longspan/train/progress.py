"""A bar with time left in terminals and notebooks; one line per epoch where output is a file."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, final

from longspan.train.callbacks import Callback
from longspan.train.state import TrainState

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["ProgressBar"]


@final
class ProgressBar(Callback):
    """Shows a phase's progress, and each epoch's figures as a line that stays."""

    def __init__(self, metrics: Collection[str]) -> None:
        """Nothing is shown before a phase starts; of each epoch the losses and these metrics are."""
        self.shown = ("train_loss", "valid_loss", *metrics, "float32_steps")
        self.progress: Progress | None = None
        self.bar: TaskID | None = None

    def fit_start(self, state: TrainState) -> None:
        """Open the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console()
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figure]}"),
            TimeRemainingColumn(), console=console, transient=True,
            disable=not (console.is_terminal or console.is_jupyter),
        )  # fmt: skip
        self.progress.start()
        done = state.epoch * state.num_batches + state.batch
        self.bar = self.progress.add_task(
            self._label(state), total=state.phase.epochs * state.num_batches, completed=done, figure=""
        )

    def step_end(self, state: TrainState) -> None:
        """Move the bar."""
        if self.progress is not None and self.bar is not None and not self.progress.disable:
            self.progress.update(self.bar, advance=1, description=self._label(state), figure=f"loss {state.loss:.3f}")

    def epoch_end(self, state: TrainState) -> None:
        """Print the epoch's figures."""
        assert self.progress is not None
        record = state.history[-1]
        figures = "  ".join(f"{name} {_short(value)}" for name, value in record.items() if name in self.shown)
        seconds = record["seconds"]
        line = f"epoch {record['epoch']:>3}  {figures}  {seconds:.{1 if seconds >= 1 else 2}f} s"
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def fit_end(self, state: TrainState) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Take the bar away, also after an error."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    @staticmethod
    def _label(state: TrainState) -> str:
        what = "heads" if state.phase.frozen == 1 else "training"
        return f"{what}, epoch {min(state.epoch + 1, state.phase.epochs)}/{state.phase.epochs}"


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
