"""The network of the best epoch of a training, kept as a model file beside its checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch

from longspan.inference.predictor import MODEL_FORMAT, Predictor
from longspan.storage.files import write_tensors
from longspan.train.callbacks import TrainState

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
        self._predictor: Predictor | None = None
        self._weights: dict[str, torch.Tensor] = {}
        self._described: dict[str, Any] | None = None
        """Of weights that are not written yet."""

    def look(self, state: TrainState) -> None:
        """Remember the weights if the epoch that has just ended is the best so far; it may have been a short one."""
        loss = state.history[-1].get("valid_loss", math.inf)
        if loss >= self._loss:
            return
        self._loss = loss
        weights = state.evaluated.state_dict()
        if self._predictor is None:
            self._predictor = self._learner.predictor()
            self._weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        else:
            kept = list(self._weights.values())
            torch._foreach_copy_(kept, list(weights.values()))  # pyright: ignore[reportPrivateImportUsage]
            self._predictor.info = self._learner.info()
        self._described = {**MODEL_FORMAT, **self._predictor.describe()}

    def write(self) -> None:
        """Write what is not written yet.

        Raises:
            ModelFileError: the file cannot be written.
        """
        if self._described is not None:
            write_tensors(self.path, self._weights, self._described)
            self._described = None
