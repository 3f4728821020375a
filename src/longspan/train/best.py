"""The network of the best epoch of a training, kept as a model file beside its checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch

from longspan.train.callbacks import TrainState
from longspan.train.files import write_tensors
from longspan.train.predictor import MODEL_FORMAT

if TYPE_CHECKING:
    from longspan.train.learner import Learner

__all__ = ["BEST", "BestModel"]

BEST = "best.safetensors"


@final
class BestModel:
    """Remembers the weights with the lowest validation loss, and writes them when it is told to.

    What was best before is read from the history, which checkpoints hold, so a training that goes on knows it too.
    """

    def __init__(self, learner: Learner, folder: Path) -> None:
        """The file is `best.safetensors` in `folder`; without one, the best begins here."""
        self.path = folder / BEST
        self._learner = learner
        known = [record["valid_loss"] for record in learner.history if record.get("valid_loss") is not None]
        self._loss = min(known, default=math.inf) if self.path.is_file() else math.inf
        self._unwritten: tuple[dict[str, torch.Tensor], dict[str, Any]] | None = None

    def look(self, state: TrainState) -> None:
        """Remember the weights if the epoch that has just ended is the best so far."""
        loss = state.history[-1].get("valid_loss", math.inf)
        if loss < self._loss:
            self._loss = loss
            weights = {name: tensor.detach().clone() for name, tensor in state.evaluated.state_dict().items()}
            self._unwritten = weights, {**MODEL_FORMAT, **self._learner.predictor().describe()}

    def write(self) -> None:
        """Write what is not written yet.

        Raises:
            ModelFileError: the file cannot be written.
        """
        if self._unwritten is not None:
            write_tensors(self.path, *self._unwritten)
            self._unwritten = None
