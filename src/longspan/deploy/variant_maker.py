"""The files of the variants of a model: pruned, taught, quantized."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from longspan.columns.augmentation import Augmentation
from longspan.deploy.compress_rows import Rows
from longspan.deploy.export import export
from longspan.deploy.pruning import prune
from longspan.deploy.quantization import has_vnni, quantize
from longspan.deploy.retraining import fine_tuned, taught
from longspan.deploy.variants import PRUNED, Recipe
from longspan.errors import LongspanError
from longspan.inference import Predictor
from longspan.inference.new_inputs import encode_targets
from longspan.inference.predictor import MODEL_FORMAT
from longspan.inference.source import prepare_inputs
from longspan.portable.new_values import EncodedValues, with_inputs
from longspan.storage.files import write_tensors

__all__ = ["VariantMaker"]

_JUDGING = 96  # training rows that say which channels matter, and that layers are fitted to


@final
@dataclass(slots=True)
class VariantMaker:
    """Makes variants; networks that several variants share are made once."""

    original: Predictor
    rows: Rows
    work: Path
    student: str | None
    epochs: int
    lr: float
    student_epochs: int
    student_lr: float
    batch_size: int
    augment: Augmentation | Mapping[str, Augmentation]
    seed: int
    progress: bool
    tell: Callable[[str], None]
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    networks: dict[str, tuple[Predictor, dict[str, Any]]] = field(default_factory=dict)
    failed: dict[str, LongspanError] = field(default_factory=dict)

    def make(self, recipe: Recipe) -> Path:
        """The file of a variant."""
        predictor, notes = self._network(recipe)
        notes = dict(notes)
        path = self.work / recipe.file
        info = {**predictor.info, "compressed": {"variant": recipe.name, **notes}}
        predictor = Predictor(
            predictor.network, predictor.inputs, predictor.heads, augment=predictor.augment, info=info, device="cpu",
            precision="bfloat16" if recipe.format == "bfloat16" else predictor.precision,
        )  # fmt: skip
        self.tell(f"{recipe.name} ...")
        if recipe.format is None:
            predictor.save(path)
        elif recipe.format == "bfloat16":
            weights = dict(predictor.network.named_parameters())
            state = {
                name: tensor.to(torch.bfloat16) if name in weights and tensor.is_floating_point() else tensor
                for name, tensor in predictor.network.state_dict().items()
            }
            write_tensors(path, state, {**MODEL_FORMAT, **predictor.describe()})
        elif recipe.format == "onnx":
            self._exported(recipe, predictor, path)
        else:
            plain_file = self.work / f".{recipe.network}.float.onnx"
            if not plain_file.exists():
                self._exported(recipe, predictor, plain_file)
            notes["integer_layers"] = quantize(plain_file, path, self.rows.calibration)
            notes["calibration_rows"] = _count(self.rows.calibration)
            notes["reduced_range"] = not has_vnni()
            plain_file.unlink()
            self.tell(f"{recipe.name}: {notes['integer_layers']} layers are computed in 8-bit integers.")
        self.notes[recipe.name] = notes
        return path

    def _exported(self, recipe: Recipe, predictor: Predictor, path: Path) -> None:
        export(predictor, path, with_inputs(self.rows.held_out, predictor.inputs).take([0]), dynamic_size=False)

    def _network(self, recipe: Recipe) -> tuple[Predictor, dict[str, Any]]:
        """The trained network below a variant's format."""
        if recipe.network in self.failed:
            raise self.failed[recipe.network]
        if recipe.network not in self.networks:
            try:
                self.networks[recipe.network] = self._made(recipe)
            except LongspanError as error:
                self.failed[recipe.network] = error
                raise
        return self.networks[recipe.network]

    def _made(self, recipe: Recipe) -> tuple[Predictor, dict[str, Any]]:
        found, notes = self.original, {}
        if recipe.student:
            assert self.student is not None
            taught_before = self.networks.get("student")
            if taught_before is None:
                self.tell(f"student: {self.student} learns from the original for {self.student_epochs} epochs ...")
                found = taught(
                    self.original, self.student, self.rows.train, epochs=self.student_epochs, lr=self.student_lr,
                    batch_size=self.batch_size, augment=self.augment, seed=self.seed, progress=self.progress,
                )  # fmt: skip
                notes = {"student": self.student, "student_epochs": self.student_epochs}
                self.networks["student"] = (found, notes)
            else:
                found, notes = taught_before
        if recipe.pruned:
            order = np.random.default_rng(self.seed).permutation(len(self.rows.train))
            some = self.rows.train.take(np.sort(order[:_JUDGING]))
            samples = encode_targets(some, found.inputs, found.heads)
            batches = [*samples.batches(torch.arange(len(some)), 16)]
            few = next(samples.batches(torch.arange(min(2, len(some))), 2))
            inputs = prepare_inputs(few, found.inputs)
            found, gone = prune(found, PRUNED[recipe.pruned], inputs, calibration=batches)
            self.tell(
                f"{recipe.network}: {gone:.0%} of the multiply-adds are gone; {self.epochs} epochs of training ..."
            )
            found = fine_tuned(
                found, self.original, self.rows.train, epochs=self.epochs, lr=self.lr, batch_size=self.batch_size,
                augment=self.augment, seed=self.seed, progress=self.progress,
            )  # fmt: skip
            notes = {**notes, "multiply_adds_gone": round(gone, 4), "epochs": self.epochs}
        return found, notes


def _count(read: EncodedValues) -> int:
    return len(next(iter(read.encoded.values()), []))
