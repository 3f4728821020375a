"""Masks of whole images at their own size, a tile at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from longspan.columns import Mask
from longspan.data import Table
from longspan.data.batches.context import context_for
from longspan.errors import ConfigError, Fault, data_error
from longspan.inference.source import autocast
from longspan.inference.tiling.tiles import segment_tiled
from longspan.portable.new_values import image_in, path_of
from longspan.portable.prediction import Prediction

if TYPE_CHECKING:
    from longspan.inference.predictor import Predictor

__all__ = ["predict_tiled"]


def predict_tiled(predictor: Predictor, data: Any, *, batch_size: int) -> Any:
    """`Predictor.predict` of masks at the images' own sizes."""
    (target, head), *others = predictor.heads.items()
    image = None if head.column is None else context_for(head.column, predictor.inputs)
    if others or not isinstance(head.column, Mask) or image is None or len(predictor.inputs) > 1:
        raise ConfigError("tiles=True is for models that read one image and predict one mask.")
    name, column = image
    height, width, _ = column.shape
    if isinstance(data, Table):
        values = data.column_values(name)
    else:
        values = [image_in(value, name) for value in (data if isinstance(data, list | tuple) else [data])]

    def probabilities_of(tiles: torch.Tensor) -> torch.Tensor:
        inputs = column.prepare(tiles.to(predictor.device))
        with autocast(predictor.device, predictor.dtype):
            outputs = predictor.network(inputs)
        return head.postprocess(outputs[target]).cpu()

    predictions, faults = [], []
    with torch.no_grad():
        for number, value in enumerate(values):
            try:
                pixels = column.pixels(value)
            except ValueError as error:
                faults.append(Fault(path_of(value) or f"sample {number}", str(error)))
                continue
            probabilities = segment_tiled(
                probabilities_of, torch.from_numpy(pixels), (height, width), batch_size=batch_size
            )
            predictions.append(head.reduce(probabilities[None]))
    if faults:
        raise data_error("Nothing was predicted, because some inputs cannot be used:", faults)
    predictions = [
        Prediction({target: head.decode(each)[0]}, path_of(value), {target: head.column})
        for each, value in zip(predictions, values, strict=True)
    ]
    return predictions if isinstance(data, Table | list | tuple) else predictions[0]
