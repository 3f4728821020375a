"""A trained model in use: it predicts, is measured, saved to one file and loaded from it."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, final

import numpy as np
import torch
from torch import nn

from longspan.columns import Column, ImageSpec, column_from_json
from longspan.columns.augmentation import Augmentation
from longspan.data import Samples, Table, encode_rows
from longspan.data.batches.augmentation import augment_from_json, augment_to_json, augmentation_by_input
from longspan.data.batches.order import check_batch_size
from longspan.data.batches.row_hashes import hash_rows, hashes_from_json, known_rows
from longspan.errors import ConfigError, ModelFileError, unknown_name
from longspan.heads import Head, head_from_json
from longspan.inference.labelled_rows import labelled_rows
from longspan.inference.model_file_validation import check_fitted, check_model_inputs, check_tensors_match
from longspan.inference.network import Network, eval_view, place
from longspan.inference.new_inputs import ReadInputs, column_of, encode_targets, read_inputs
from longspan.inference.precision import Precision, pick_device, pick_dtype
from longspan.inference.predictions import Predictions
from longspan.inference.scores import Scores, predict_rows, score_rows
from longspan.inference.source import Source, whole_source
from longspan.inference.tiling.tiled_predictions import predict_tiled
from longspan.metrics.per_class import ClassMetrics
from longspan.models import Backbone
from longspan.models import from_json as backbone_from_json
from longspan.models import to_json as backbone_to_json
from longspan.portable.known_rows import ROW_PARTS, PartMetrics, describe_known
from longspan.portable.new_values import with_inputs
from longspan.portable.trained_model import Ability, TrainedModel
from longspan.storage.files import write_tensors
from longspan.version import __version__
from longspan.vision import Augment

__all__ = ["MODEL_FORMAT", "HasPredictor", "Predictor", "as_predictor"]

MODEL_FORMAT = {"format": "longspan model", "format_version": 1}
"""What marks the header of a model file; `load` refuses higher versions."""

_MISFIT = (KeyError, TypeError, AttributeError, RuntimeError, ValueError, IndexError, ArithmeticError, AssertionError)
"""What constructors raise over values of a wrong type or size."""

_OWN_KEYS = ("library_version", "model", "inputs", "heads", "augment", "precision")


@final
class Predictor(TrainedModel):
    """A network, what its inputs and targets mean, and where it comes from. `ls.load` gives one.

    Its network is in evaluation mode and nothing changes while it predicts, so several threads may use it at once.
    """

    what: ClassVar[str] = "a single network"
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {"batch_size", "views", "tiles", "per_class", "open_vault", "score", "explain"}
    )

    def __init__(
        self,
        network: Network,
        inputs: Mapping[str, Column],
        heads: Mapping[str, Head],
        *,
        augment: Augmentation | Mapping[str, Augmentation] | None = None,
        info: Mapping[str, Any] | None = None,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> None:
        """Put the parts together; a Learner and `load` do.

        Args:
            network: Trained. The predictor has modules of its own on the same weights, in evaluation mode.
            inputs: Fitted input columns by name, in the network's order.
            heads: Heads with their columns, by target.
            augment: What it was trained with; test-time augmentation draws from it.
            info: JSON values that travel in the file: library version, task, training, metrics, vault.
            device: Where it runs.
            precision: As it was trained; see `TrainConfig.precision`.
        """
        self.device = pick_device(device)
        self.precision: Precision = precision
        self.dtype = pick_dtype(precision, self.device)
        # The memory format of training: in another one sums are taken in another order, and the last digit differs.
        self.network = eval_view(place(network, self.device))
        self.inputs = dict(inputs)
        self.heads = dict(heads)
        self.augment: Augmentation | Mapping[str, Augmentation] = Augment() if augment is None else augment
        self.info = dict(info or {})

    def __repr__(self) -> str:
        backbone = self.network.backbone
        model = backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__
        return f"Predictor({model}: {', '.join(self.inputs)} -> {', '.join(self.heads)})"

    @property
    def input_columns(self) -> dict[str, Column | None]:
        """What it reads, by name."""
        return dict(self.inputs)

    def single_network(self, use: str) -> Predictor:
        """The model itself."""
        del use
        return self

    def predict(self, data: Any, *, views: int = 1, tiles: bool = False, batch_size: int = 64) -> Any:
        """Predictions for one sample, several, or a table; in order.

        Args:
            data: One value of the input column (a path, an array, a Pillow image), or a dict by input where there are
                several; a list of such; or a Table with the input columns.
            views: More than 1 averages over augmented views of each image (see `Augment.views`).
            tiles: For masks: look at each image at its own size, a tile of the training's size at a time, and not at
                the whole of it made smaller (see `segment_tiled`).
            batch_size: Rows at a time.

        Returns:
            One `Prediction`, or a list of them, as many as samples.

        Raises:
            DataError: inputs that cannot be read, all of them by name.
        """
        check_batch_size(batch_size)
        if tiles:
            if views > 1:
                raise ConfigError("views= and tiles= exclude each other.")
            return predict_tiled(self, data, batch_size=min(batch_size, 8))
        read = read_inputs(data, self.inputs, self.heads)
        if not read.sources or not any(head.decodes_in_source for head in self.heads.values()):
            return self._predicted(read, views, batch_size, reduce=True).decode(self.heads, data)
        # Whole maps of probabilities are kept until they have each image's own size, so only of a batch at a time.
        predictions: list[Any] = []
        for rows in torch.arange(len(read.sources)).split(batch_size):
            values = self.predict_rows(read.samples, rows, views=views, batch_size=batch_size, reduce=False)
            some = slice(int(rows[0]), int(rows[-1]) + 1)
            part = Predictions(values, read.sources[some], read.transforms[some], reduced=False)
            predictions += part.decode(self.heads, [])
        return predictions if isinstance(data, Table | list | tuple) else predictions[0]

    def raw_predictions(self, data: Any, *, views: int = 1, batch_size: int = 64, reduce: bool = True) -> Predictions:
        """Predictions as tensors, for what `predict` takes; see `scores.predict_rows` for `reduce`."""
        return self._predicted(read_inputs(data, self.inputs, self.heads), views, batch_size, reduce=reduce)

    def evaluate(self, data: Table | str | Path, *, views: int = 1, batch_size: int = 64) -> dict[str, float]:
        """Metrics over rows that have the targets, without those whose target is missing.

        The loss is among them for views=1. Training rows and sealed test rows of this very model are recognised, and
        a warning says how many there are; `evaluate_parts` measures them separately.

        Args:
            data: A table with inputs and targets; or what holds one: a folder, a CSV file, annotations.
            views: See `predict`.
            batch_size: Rows at a time.
        """
        table = labelled_rows(data, self.inputs, self.heads)
        samples = encode_targets(table, self.inputs, self.heads)
        rows = torch.arange(len(table))
        opened = bool(self.info.get("vault", {}).get("openings"))
        if words := describe_known(self._recognise(samples, rows), len(table), opened=opened):
            warnings.warn(words, stacklevel=2)
        return self._measure(samples, rows, views, batch_size)

    def evaluate_parts(
        self, table: Table, *, parts: Sequence[str] = ROW_PARTS, views: int = 1, batch_size: int = 64
    ) -> dict[str, PartMetrics]:
        """Metrics by what the rows of a table were when this model was trained.

        Args:
            table: With inputs and targets.
            parts: Which parts to measure; "train", "valid", "test" (sealed then), and "new" for rows the model does
                not know. Of the other parts the rows are counted.
            views: See `predict`.
            batch_size: Rows at a time.
        """
        samples = encode_targets(table, self.inputs, self.heads)
        found = self._recognise(samples, torch.arange(len(table)))
        return {
            part: PartMetrics(
                rows, self._measure(samples, torch.from_numpy(rows), views, batch_size) if part in parts else {}
            )
            for part, rows in found.items()
            if len(rows)
        }

    def per_class(self, table: Table, *, batch_size: int = 64) -> dict[str, list[ClassMetrics]]:
        """By target precision, recall, F1, average precision and ROC AUC of each class, over the rows of a table.

        Only of targets that are a class, or several labels, of a whole row.
        """
        samples = encode_targets(table, self.inputs, self.heads)
        return self._scores(samples, torch.arange(len(table)), batch_size).per_class(self.heads)

    def recognise(self, table: Table) -> dict[str, np.ndarray]:
        """Row numbers of a table by what they were in training: "train", "valid", "test"; "new" are all others.

        Rows are recognised by their encoded inputs, wherever their files lie now.
        """
        samples = encode_rows(with_inputs(table, self.inputs), np.arange(len(table)), self.inputs, {})
        return self._recognise(samples, torch.arange(len(table)))

    def source(self, samples: Samples) -> Source:
        """These samples as this model reads them."""
        return whole_source(samples, self.inputs, self.device, self.dtype)

    def predict_rows(
        self, samples: Samples, rows: torch.Tensor, *, views: int = 1, batch_size: int = 64, reduce: bool = True
    ) -> dict[str, torch.Tensor]:
        """Predictions for encoded rows as tensors, by target; see `scores.predict_rows`."""
        drawn, source = self._views(views), self.source(samples)
        return predict_rows(source, self.network, rows, self.heads, batch_size, drawn, reduce=reduce)

    def with_options(self, target: str, **options: Any) -> Predictor:
        """The same weights with other options of a head that change no layer, such as the width of a search.

        Raises:
            UnknownNameError: no such target.
            ConfigError: the head has no such option, or it changes the layers.
        """
        if target not in self.heads:
            raise unknown_name("target", target, self.heads)
        head: Any = self.heads[target]
        for name in options:
            if name not in {each.name for each in dataclasses.fields(head)} - {"column"}:
                raise ConfigError(f"{type(head).__name__} has no option {name!r}.")
        heads = {**self.heads, target: dataclasses.replace(head, **options)}
        try:
            with torch.random.fork_rng(devices=[]):
                network = Network(self.network.backbone, heads)
            network.load_state_dict(self.network.state_dict())
        except (RuntimeError, AttributeError) as error:
            raise ConfigError(f"{', '.join(options)} cannot be changed in a trained model: {error:.300}") from error
        return Predictor(
            network.eval(), self.inputs, heads, augment=self.augment, info=self.info, device=str(self.device),
            precision=self.precision,
        )  # fmt: skip

    def save(self, path: str | Path) -> Path:
        """One safetensors file: weights, and as JSON everything needed to use them. It holds no code."""
        path = Path(path)
        write_tensors(path, self.network.state_dict(), {**MODEL_FORMAT, **self.describe()})
        return path

    @classmethod
    def from_parts(
        cls, tensors: dict[str, torch.Tensor], described: Mapping[str, Any], *, model: nn.Module | None, device: str
    ) -> Predictor:
        """The model that `describe` described; ModelFileError if weights and description do not fit together."""
        try:
            heads = {name: head_from_json(fields) for name, fields in described["heads"].items()}
            inputs = {name: column_from_json(fields) for name, fields in described["inputs"].items()}
            check_fitted({**inputs, **{name: column_of(head) for name, head in heads.items()}})
            check_model_inputs(described["model"], inputs)
            if described["model"].get("name") is None and model is None:
                raise ModelFileError(
                    f"it holds the weights of your own class {described['model'].get('class')!r}, and a file "
                    "cannot hold its code. Pass a new instance: load(path, model=...)."
                )

            def build() -> Network:
                named = described["model"].get("name") is not None
                return Network(backbone_from_json(described["model"]) if named else model, heads)  # type: ignore[arg-type]

            with torch.random.fork_rng(devices=[]):  # the first weights, soon overwritten, draw random numbers
                check_tensors_match(build, tensors)
                network = build()
            network.load_state_dict(tensors)
            augment = augment_from_json(described["augment"], inputs)
            precision = described["precision"]
        except _MISFIT as error:
            raise ModelFileError(f"weights and description do not fit together: {error!r:.500}") from error
        info = {k: v for k, v in described.items() if k not in _OWN_KEYS}
        network.eval()
        return cls(network, inputs, heads, augment=augment, info=info, device=device, precision=precision)

    def describe(self) -> dict[str, Any]:
        """Everything needed to use the weights, as JSON values."""
        backbone = self.network.backbone
        model = (
            backbone_to_json(backbone)
            if isinstance(backbone, Backbone)
            else {"name": None, "class": type(backbone).__name__}
        )
        return {
            **self.info,
            "library_version": __version__,
            "model": model,
            "inputs": {name: column.to_json() for name, column in self.inputs.items()},
            "heads": {name: head.to_json() for name, head in self.heads.items()},
            "augment": augment_to_json(self.augment, self.inputs),
            "precision": self.precision,
        }

    # --- helpers -------------------------------------------------------------------------------------------------

    def _predicted(self, read: ReadInputs, views: int, batch_size: int, *, reduce: bool) -> Predictions:
        if not read.sources:
            return Predictions({}, [], [])
        rows = torch.arange(len(read.sources))
        predictions = self.predict_rows(read.samples, rows, views=views, batch_size=batch_size, reduce=reduce)
        return Predictions(predictions, read.sources, read.transforms, reduced=reduce)

    def _measure(self, samples: Samples, rows: torch.Tensor, views: int, batch_size: int) -> dict[str, float]:
        scores = self._scores(samples, rows, batch_size)
        if views == 1:
            return scores.metrics(self.heads)
        return scores.metrics_of(self.predict_rows(samples, rows, views=views, batch_size=batch_size), self.heads)

    def _scores(self, samples: Samples, rows: torch.Tensor, batch_size: int) -> Scores:
        columns = {name: column_of(head) for name, head in self.heads.items()}
        return score_rows(self.source(samples), self.network, rows, self.heads, columns, batch_size)

    def _recognise(self, samples: Samples, rows: torch.Tensor) -> dict[str, np.ndarray]:
        known = hashes_from_json(self.info.get("row_hashes", {}))
        empty = {part: np.empty(0, np.int64) for part in ROW_PARTS}
        if not any(map(len, known.values())):  # an older file, or a training that read its inputs anew in every epoch
            return {**empty, "new": rows.numpy()}
        found = {**empty, **known_rows(hash_rows(samples, rows), known)}
        return {**found, "new": np.setdiff1d(rows.numpy(), np.concatenate(list(found.values())))}

    def _views(self, views: int) -> Callable[[torch.Tensor], Sequence[Any]]:
        if views == 1:
            return lambda rows: [{}]
        configs = augmentation_by_input(self.augment, self.inputs)
        if not configs:
            raise ConfigError(f"views={views} needs a model trained with augmentation: the views are drawn from it.")
        drawn = {
            name: (config, spec.size_px)
            for name, config in configs.items()
            if isinstance(config, Augment) and isinstance(spec := self.inputs[name].spec(), ImageSpec)
        }
        if not drawn:
            raise ConfigError(f"views={views} needs a model that reads images.")

        def each(rows: torch.Tensor) -> list[dict[str, Any]]:
            by_input = {name: config.views(views, rows, size_px) for name, (config, size_px) in drawn.items()}
            return [{name: params[view] for name, params in by_input.items()} for view in range(views)]

        return each


class HasPredictor(Protocol):
    """What holds a trained model, such as a Learner."""

    def predictor(self) -> Predictor:
        """The trained model."""
        ...


def as_predictor(model: Predictor | HasPredictor) -> Predictor:
    """A trained model, or the one that `model` holds."""
    return model if isinstance(model, Predictor) else model.predictor()
