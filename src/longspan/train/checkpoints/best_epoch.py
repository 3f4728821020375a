"""The weights of the best epoch, kept in memory and, beside checkpoints, as a model file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, final

import torch

from longspan.inference.predictor import MODEL_FORMAT
from longspan.storage.files import write_tensors
from longspan.train.state import TrainState
from longspan.train.training import Training

__all__ = ["BEST", "BestEpoch"]

BEST = "best.safetensors"


@final
class BestEpoch:
    """Remembers the weights with the lowest validation loss of one training, over all its phases."""

    def __init__(self, training: Training, folder: Path | None) -> None:
        """Nothing is remembered yet; with a folder, `write` writes `best.safetensors` there."""
        self.path = None if folder is None else folder / BEST
        self.loss = math.inf
        self.epoch: int | None = None
        """Number of the best epoch in the history, from 1."""
        self.weights: dict[str, torch.Tensor] = {}
        self._training = training
        self._described: dict[str, Any] | None = None
        """Of weights that are not written yet."""

    def look(self, state: TrainState) -> None:
        """Remember the weights if the epoch that has just ended is the best so far; a short epoch counts too."""
        record = state.history[-1]
        loss = record.get("valid_loss", math.inf)
        if loss >= self.loss:
            return
        self.loss, self.epoch = loss, record["epoch"]
        weights = state.evaluated.state_dict()
        if self.weights:
            kept = list(self.weights.values())
            torch._foreach_copy_(kept, list(weights.values()))  # pyright: ignore[reportPrivateImportUsage]
        else:
            self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        if self.path is not None:
            self._describe()

    def put_back(self) -> None:
        """Give the network the weights of the best epoch, unless the last one was the best, or there was none."""
        training = self._training
        training.best_epoch = None
        if self.epoch is not None and self.epoch != training.history[-1]["epoch"]:
            training.network.load_state_dict(self.weights)
            training.best_epoch = self.epoch

    def write(self) -> None:
        """Write the model file, if it is not up to date.

        Raises:
            ModelFileError: the file cannot be written.
        """
        if self._described is not None and self.path is not None:
            write_tensors(self.path, self.weights, self._described)
            self._described = None

    def state_dict(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """What a checkpoint stores."""
        return dict(self.weights), {"loss": None if math.isinf(self.loss) else self.loss, "epoch": self.epoch}

    def load_state_dict(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        own = self._training.network.state_dict()
        self.loss = math.inf if values["loss"] is None else values["loss"]
        self.epoch = values["epoch"]
        self.weights = {name: torch.empty_like(like).copy_(tensors[name]) for name, like in own.items() if tensors}
        if self.weights and self.path is not None and not self.path.is_file():
            self._describe()

    def _describe(self) -> None:
        self._described = {**MODEL_FORMAT, **self._training.predictor().describe()}
