"""What a model predicts for one sample."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import polars as pl

from longspan.columns import Column
from longspan.errors import ConfigError, DataError, unknown_name
from longspan.old_names import warn_renamed
from longspan.portable.target_prediction import TargetPrediction
from longspan.storage.file_names import readable_name
from longspan.vision.image_io import read_pixels

__all__ = ["Prediction", "predictions_to_frame"]


_WHOLE_PX = 1 << 20  # a JPEG is read at its full size


@final
@dataclass(frozen=True, slots=True, repr=False)
class Prediction:
    """Values by target. `prediction["breed"]` is a value; with one target `.value` and `.probability` are shorter."""

    by_target: dict[str, TargetPrediction]
    """The prediction for each target, with its probabilities."""
    source: str | None = None
    """The file it is about, if it came from one."""
    located: Mapping[str, Column] = field(default_factory=dict)
    """The columns of the targets that lie in the image."""

    def __getitem__(self, target: str) -> Any:
        """The predicted value of a target."""
        if target not in self.by_target:
            raise unknown_name("target", target, self.by_target)
        return self.by_target[target].value

    @property
    def answers(self) -> dict[str, TargetPrediction]:
        """`by_target` under its old name, with a warning."""
        warn_renamed("Prediction.answers", "Prediction.by_target")
        return self.by_target

    @property
    def value(self) -> Any:
        """The predicted value of the only target."""
        return self._only().value

    @property
    def probability(self) -> float | None:
        """How sure the model is of the only target; None for quantities."""
        return self._only().probability

    @property
    def probabilities(self) -> dict[Any, float] | None:
        """Of every class of the only target; None for quantities."""
        return self._only().probabilities

    def draw(self, image: Any = None) -> np.ndarray:
        """The image with every prediction that lies in it, `(H, W, 3)` uint8.

        Args:
            image: A path, an array or a Pillow image; None: the file that was predicted.

        Raises:
            ConfigError: no prediction lies in the image, or there is neither file nor `image`.
            DataError: the image cannot be read.
        """
        if not self.located:
            raise ConfigError(f"Nothing of this prediction lies in the image: it says {', '.join(self.by_target)}.")
        if image is None and self.source is None:
            raise ConfigError("The image was not predicted from a file: give it, prediction.draw(image).")
        try:
            pixels = np.asarray(read_pixels(self.source if image is None else image, "RGB", _WHOLE_PX))
        except ValueError as error:
            raise DataError(f"{self.source if image is None else 'The image'}: {error}") from error
        for target, column in self.located.items():
            pixels = column.draw(pixels, self.by_target[target].value)
        return pixels

    def _only(self) -> TargetPrediction:
        if len(self.by_target) != 1:
            raise ConfigError(
                f"This prediction has several targets; ask for one: prediction[{next(iter(self.by_target))!r}]."
            )
        return next(iter(self.by_target.values()))

    def __repr__(self) -> str:
        """`Prediction(cat=True, probability=0.98)`."""
        parts = []
        for target, predicted in self.by_target.items():
            value = f"{predicted.value:.4g}" if isinstance(predicted.value, float) else repr(predicted.value)
            if isinstance(predicted.value, np.ndarray):
                value = f"<mask {predicted.value.shape[0]} x {predicted.value.shape[1]}>"
            parts.append(f"{target}={value}")
            if predicted.probability is not None:
                name = "probability" if len(self.by_target) == 1 else f"{target}_probability"
                parts.append(f"{name}={predicted.probability:.2f}")
        return f"Prediction({', '.join(parts)})"

    def to_json(self) -> dict[str, Any]:
        """JSON values: the file, each target's value, probability and probabilities of all classes; tokens of a text.

        A field that would have the name of a target gets an underscore after it: `file_`.
        """
        fields: dict[str, Any] = {}
        if self.source is not None:
            fields[_free("file", self.by_target)] = readable_name(self.source)
        for target, predicted in self.by_target.items():
            located = self.located.get(target)
            fields[target] = predicted.value if located is None else located.json_value(predicted.value)
            prefix = "" if len(self.by_target) == 1 else f"{target}_"
            if predicted.probability is not None:
                fields[_free(f"{prefix}probability", self.by_target)] = round(predicted.probability, 6)
            if predicted.probabilities is not None:
                named = {str(k): round(p, 6) for k, p in predicted.probabilities.items()}
                fields[_free(f"{prefix}probabilities", self.by_target)] = named
            if predicted.tokens is not None:
                fields[_free(f"{prefix}tokens", self.by_target)] = [
                    [token, round(p, 6)] for token, p in predicted.tokens
                ]
        return fields


def predictions_to_frame(predictions: Sequence[Prediction], *, probabilities: bool = False) -> pl.DataFrame:
    """One row per prediction, in order: the file where there is one, each value and its probability.

    A column that would have the name of a target gets an underscore after it: `file_`.

    Args:
        predictions: Of any model.
        probabilities: Also a column for each class, such as `breed_probability_pug`.
    """
    rows = []
    for prediction in predictions:
        fields: dict[str, Any] = {}
        if prediction.source is not None:
            fields[_free("file", prediction.by_target)] = readable_name(prediction.source)
        for target, predicted in prediction.by_target.items():
            if target not in prediction.located:
                fields[target] = predicted.value
            else:
                fields[target] = json.dumps(prediction.located[target].json_value(predicted.value), ensure_ascii=False)
            if predicted.probability is not None:
                fields[_free(f"{target}_probability", prediction.by_target)] = predicted.probability
            if probabilities and predicted.tokens is not None and predicted.probabilities is not None:
                best = json.dumps(predicted.probabilities, ensure_ascii=False)
                fields[_free(f"{target}_best", prediction.by_target)] = best
            elif probabilities and predicted.probabilities is not None:
                for label, probability in predicted.probabilities.items():
                    fields[_free(f"{target}_probability_{label}", prediction.by_target)] = probability
        rows.append(fields)
    return pl.DataFrame(rows, infer_schema_length=None)


def _free(name: str, targets: Mapping[str, object]) -> str:
    """A field's name, with underscores after it until no target has it."""
    while name in targets:
        name += "_"
    return name
