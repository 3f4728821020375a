"""An exported model in use: ONNX Runtime computes, columns read, decoders make values. PyTorch is not imported."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from longspan.columns import Column, column_from_json
from longspan.data import Table
from longspan.errors import ConfigError, DataError, LongspanError, ModelFileError, data_error
from longspan.extras import require_extra
from longspan.portable.decoders import Decoder, decoder_from_json
from longspan.portable.new_values import EncodedValues, encode_table, encode_values, image_in, path_of, with_inputs
from longspan.portable.prediction import Prediction
from longspan.portable.target_prediction import TargetPrediction
from longspan.portable.trained_model import Ability, TrainedModel
from longspan.portable.written_text import Arrays, WrittenText, search_texts
from longspan.storage.plain_json import parse_json
from longspan.version import __version__
from longspan.vision import ResizeTransform

__all__ = ["ONNX_FORMAT", "ONNX_KEY", "OnnxModel", "output_name", "state_names", "step_key", "tensor_names"]

ONNX_KEY = "longspan"
"""The entry of the file's metadata that holds our JSON."""
ONNX_FORMAT = {"format": "longspan onnx", "format_version": 1}
"""What marks that JSON; higher versions are refused."""

_MISFIT = (KeyError, TypeError, ValueError, AttributeError)


def tensor_names(number: int, column: Column) -> tuple[str, ...]:
    """Names in the graph of the tensors that hold the input at this position: values, and lengths of ragged ones."""
    return (f"input_{number}", f"input_{number}_lengths") if column.ragged else (f"input_{number}",)


def output_name(number: int) -> str:
    """Name in the graph of the predictions of the target at this position."""
    return f"output_{number}"


def state_names(number: int, memories: int, caches: int) -> tuple[str, ...]:
    """Names of what the decoder of a target's texts remembers: of the input, and what changes with each token."""
    name = output_name(number)
    return (*(f"{name}_memory_{i}" for i in range(memories)), *(f"{name}_cache_{i}" for i in range(caches)))


def step_key(number: int) -> str:
    """The entry of the file's metadata that holds, in base64, the graph of one step of a target's texts."""
    return f"{ONNX_KEY}_step_{number}"


@final
class OnnxModel(TrainedModel):
    """A model that `longspan export` wrote. It predicts as the `Predictor` does that it was made of.

    ONNX Runtime's sessions may be used from several threads at once, and nothing changes while it predicts.

    Example:
        model = OnnxModel.load("pets.onnx")
        model.predict("cat.jpg").value
    """

    what: ClassVar[str] = "an exported model"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"batch_size"})

    def __init__(
        self,
        session: Any,
        inputs: Mapping[str, Column],
        decoders: Mapping[str, Decoder],
        columns: Mapping[str, Column],
        info: Mapping[str, Any],
        steps: Mapping[str, Any] | None = None,
    ) -> None:
        """Put the parts together; `load` does.

        Args:
            session: An `onnxruntime.InferenceSession`.
            inputs: Fitted input columns by name, in the graph's order.
            decoders: By target, in the graph's order.
            columns: The fitted columns of the targets.
            info: The other JSON values in the file.
            steps: By target the session of one step, of texts that are written token by token.
        """
        self.session = session
        self.inputs = dict(inputs)
        self.decoders = dict(decoders)
        self.heads = {}  # decoders do their work
        self.columns = dict(columns)
        self.info = dict(info)
        self.steps = dict(steps or {})
        self._one_row = any(
            each.shape[:1] == [1] for each in session.get_inputs()
        )  # detectors read one image at a time

    def __repr__(self) -> str:
        return f"OnnxModel({self.info.get('model')}: {', '.join(self.inputs)} -> {', '.join(self.decoders)})"

    @classmethod
    def load(cls, path: str | Path, *, threads: int | None = None) -> OnnxModel:
        """The model in a file that `longspan export` wrote.

        Args:
            path: The file.
            threads: That compute one batch; None: as many as there are cores.

        Raises:
            DependencyError: ONNX Runtime is not installed.
            ModelFileError: no such file, damaged, not written by longspan, or from a newer version.
        """
        path = Path(path)
        if not path.is_file():
            raise ModelFileError(f"The model file {path} does not exist.")
        require_extra("onnx", "An ONNX model")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads

        def opened(model: str | bytes) -> Any:
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        try:
            session = opened(str(path))
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise ModelFileError(f"{path} {_fault(str(error), onnxruntime.__version__)}") from error
        entries = session.get_modelmeta().custom_metadata_map
        text = entries.get(ONNX_KEY)
        if text is None:
            raise ModelFileError(
                f"{path} is an ONNX file, but not one that `longspan export` wrote: nothing in it says how its inputs "
                "are read."
            )
        try:
            model = cls._from_json(session, parse_json(text))
            for number, (name, decoder) in enumerate(model.decoders.items()):
                if isinstance(decoder, WrittenText):
                    model.steps[name] = opened(base64.b64decode(entries[step_key(number)], validate=True))
            return model
        except LongspanError as error:
            raise ModelFileError(f"{path}: {error}") from error
        except _MISFIT as error:
            raise ModelFileError(f"{path}: the description in its metadata is damaged: {error!r:.300}") from error
        except Exception as error:  # ONNX Runtime's, of the graph of a step
            raise ModelFileError(f"{path}: the step of its decoder is damaged: {error!s:.300}") from error

    @classmethod
    def _from_json(cls, session: Any, described: Any) -> OnnxModel:
        version = described["format_version"]
        if version > ONNX_FORMAT["format_version"]:
            raise ModelFileError(
                f"it has format version {version}, written by longspan {described.get('library_version')}; this is "
                f"longspan {__version__}, which reads up to {ONNX_FORMAT['format_version']}. Update longspan."
            )
        targets = described["targets"]
        return cls(
            session,
            {name: column_from_json(fields) for name, fields in described["inputs"].items()},
            {name: decoder_from_json(fields["decoder"]) for name, fields in targets.items()},
            {name: column_from_json(fields["column"]) for name, fields in targets.items()},
            described["info"],
        )

    @property
    def input_columns(self) -> dict[str, Column | None]:
        """What it reads, in the graph's order."""
        return dict(self.inputs)

    @property
    def target_columns(self) -> dict[str, Column | None]:
        """What it predicts, in the graph's order."""
        return dict(self.columns)

    def predict(self, data: Any, *, batch_size: int = 64) -> Any:
        """Predictions for one sample, several, or a table; in order. As `Predictor.predict`.

        Args:
            data: One value of the input column (a path, an array, a Pillow image), or a dict by input where there are
                several; a list of such; or a Table with the input columns.
            batch_size: Rows at a time.

        Returns:
            One `Prediction`, or a list of them, as many as samples.

        Raises:
            DataError: inputs that cannot be read, all of them by name.
        """
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ConfigError(f"batch_size must be a whole number of at least 1, got {batch_size!r}.")
        image = self._image()
        if isinstance(data, Table):
            data = with_inputs(data, self.inputs)
            read = encode_table(data, self.inputs)
            values: list[Any] = [data.value(row, image or next(iter(self.inputs))) for row in range(len(data))]
        else:
            values = list(data) if isinstance(data, list | tuple) else [data]
            read = encode_values(values, self.inputs)
        if read.faults:
            raise data_error("Nothing was predicted, because some inputs cannot be used:", read.faults)
        transforms = [None if image is None else self.inputs[image].context_of(image_in(v, image)) for v in values]
        predictions: list[Prediction] = []
        for start in range(0, len(values), batch_size):
            some = slice(start, start + batch_size)
            predictions += self._predict_batch(read, some, values[some], transforms[some])
        return predictions if isinstance(data, Table | list | tuple) else predictions[0]

    def run(self, read: EncodedValues, rows: slice) -> dict[str, np.ndarray]:
        """What the graph gives for some encoded rows, `(B, ...)` by target: probabilities, quantities, maps."""
        if self._one_row and len(next(iter(read.encoded.values()))[rows]) > 1:
            first = range(len(next(iter(read.encoded.values()))))[rows]
            each = [self.run(read, slice(row, row + 1)) for row in first]
            return {name: np.concatenate([one[name] for one in each]) for name in self.decoders}
        feeds: dict[str, np.ndarray] = {}
        for number, (name, column) in enumerate(self.inputs.items()):
            tensors = batch_of(column, read.encoded[name][rows])
            feeds |= dict(zip(tensor_names(number, column), tensors, strict=True))
        known = {each.name for each in self.session.get_inputs()}  # an input that no layer reads is not in the graph
        names = [each.name for each in self.session.get_outputs()]
        try:
            found = self.session.run(names, {name: each for name, each in feeds.items() if name in known})
            values = dict(zip(names, found, strict=True))
            return {
                name: self._written(name, number, values) if name in self.steps else values[output_name(number)]
                for number, name in enumerate(self.decoders)
            }
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise DataError(f"The exported model cannot compute these inputs: {error!s:.300}") from error

    def _written(self, target: str, number: int, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Texts `(B, N, T, 2)` that the target's decoder writes, one token after another."""
        decoder, session = self.decoders[target], self.steps[target]
        assert isinstance(decoder, WrittenText)
        start = output_name(number)
        memories = [name for name in values if name.startswith(f"{start}_memory_")]
        caches = [name for name in values if name.startswith(f"{start}_cache_")]
        known = {each.name for each in session.get_inputs()}

        def step(newest: np.ndarray, place: int, memory: Arrays, cache: Arrays) -> tuple[np.ndarray, Arrays]:
            feeds = {"newest": newest, "place": np.array(place), **dict(zip(memories, memory, strict=True))}
            feeds |= dict(zip(caches, cache, strict=True))
            log_probs, *after = session.run(None, {name: each for name, each in feeds.items() if name in known})
            return log_probs, tuple(after)

        memory, cache = (tuple(values[name] for name in names) for names in (memories, caches))
        return search_texts(step, memory, cache, len(cache[0]), decoder)

    def _image(self) -> str | None:
        """The input that targets lie in."""
        kinds = {column.context_kind for column in self.located.values()}
        return next((name for name, column in self.inputs.items() if column.kind in kinds), None)

    def _predict_batch(
        self, read: EncodedValues, rows: slice, values: Sequence[Any], transforms: Sequence[ResizeTransform | None]
    ) -> list[Prediction]:
        arrays = self.run(read, rows)
        decoded = {name: decoder.decode(arrays[name], transforms) for name, decoder in self.decoders.items()}
        predictions = []
        for i, value in enumerate(values):
            answers = {}
            for name, found in decoded.items():
                one, transform = found[i], transforms[i]
                if transform is not None and name in self.located and not self.decoders[name].in_source:
                    moved = self.located[name].to_source(one.value, transform)
                    one = TargetPrediction(moved, one.probability, one.probabilities)
                answers[name] = one
            predictions.append(Prediction(answers, path_of(value), self.located))
        return predictions


def _fault(message: str, version: str) -> str:
    """Why ONNX Runtime does not open a file, from what it says."""
    # "... Opset 99 is under development ... Current official support for domain ai.onnx is till opset 25."
    if found := re.search(r"Opset (\d+) is under development.*till opset (\d+)", message, re.DOTALL):
        needed, known = found.groups()
        return (
            f"needs opset {needed} of ONNX's operators, and ONNX Runtime {version} knows up to {known}: update "
            f"onnxruntime, or export the model again with --opset {known}."
        )
    return f"is damaged, not an ONNX file, or needs a newer ONNX Runtime than {version}: {message:.300}"


def batch_of(column: Column, encoded: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Encoded values as the arrays of a batch: stacked; of a ragged column padded, and their lengths `(B,)` int64."""
    if not column.ragged:
        return (np.stack(encoded),)
    lengths = np.array([len(value) for value in encoded], np.int64)
    padded = np.full((len(encoded), int(lengths.max()), *column.shape), column.padding, column.dtype)
    for row, value in zip(padded, encoded, strict=True):
        row[: len(value)] = value
    return padded, lengths
