"""Events for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from longspan.extras import require_extra
from longspan.train.tracking.tracking import Step

__all__ = ["TensorBoard"]


@final
class TensorBoard:
    """Losses and rate of every step, metrics of every epoch, as events that `tensorboard --logdir FOLDER` shows."""

    def __init__(self, folder: str | Path) -> None:
        """Write below `folder`.

        Raises:
            DependencyError: TensorBoard is not installed.
        """
        require_extra("tensorboard", "TensorBoard events")
        self.folder = Path(folder).expanduser()
        self._writer: Any = None

    def open(self, first_step: int, settings: Mapping[str, Any]) -> None:
        """A new file of events; TensorBoard drops those of steps that are taken again."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self.folder), purge_step=first_step)
        rows = "".join(f"| {name} | {value} |\n" for name, value in settings.items())
        self._writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", first_step)

    def steps(self, steps: Sequence[Step]) -> None:
        """Scalars "step/loss" and "step/lr"."""
        for step in steps:
            for name, value in step.items():
                if name not in ("step", "epoch", "time"):
                    self._writer.add_scalar(f"step/{name}", value, int(step["step"]), walltime=step["time"])

    def epoch(self, step: int, record: Mapping[str, float]) -> None:
        """Scalars "epoch/valid_loss", "epoch/accuracy" and so on."""
        for name, value in record.items():
            if name not in ("epoch", "lr"):
                self._writer.add_scalar(f"epoch/{name}", value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def state_dict(self) -> dict[str, Any]:
        """Nothing: a resumed training begins a file of its own."""
        return {}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Nothing to restore."""
