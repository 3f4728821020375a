"""Predictions as what is sent: JSON, or the image with what was found in it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from longspan.errors import LongspanError
from longspan.serve.problem import Problem
from longspan.serve.served_model import ServedModel

__all__ = ["drawn_png", "png_of", "result_of"]

_THUMBNAIL_PX = 160
_MOST_CLASSES = 25
_MOST_SHOWN = 12  # values of a list that a stage added


def result_of(model: ServedModel, prediction: Any) -> dict[str, Any]:
    """JSON values: the prediction, and of a pipeline what every stage added."""
    stages = getattr(model.model, "stages", ())
    if not stages:
        return {"model": model.name, "prediction": _plain(prediction.to_json())}
    shown = {name: answer for name, answer in prediction.by_target.items() if name in model.model.target_columns}
    return {
        "model": model.name,
        "prediction": {name: _plain(answer.value) for name, answer in shown.items()},
        "stages": [
            {
                "stage": stage.name,
                "adds": {name: _plain(prediction.by_target[name].value) for name in stage.adds},
            }
            for stage in stages
        ],
    }


def drawn_png(prediction: Any, values: Mapping[str, Any]) -> bytes:
    """The image of a request with everything that lies in it, as a PNG file.

    Raises:
        Problem: 422, where nothing of the prediction lies in an image.
    """
    image = next((value for value in values.values() if isinstance(value, bytes)), None)
    if image is None or not prediction.located:
        raise Problem(422, "Nothing of this prediction lies in an image; leave draw out.")
    try:
        return png_of(prediction.draw(image))
    except LongspanError as error:
        raise Problem(422, f"This cannot be drawn: {error!s:.300}") from None


def _plain(value: Any) -> Any:
    """JSON values; arrays that are images become small PNG files, other arrays their shape."""
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        some = value[:_MOST_SHOWN] if any(isinstance(part, np.ndarray) for part in value) else value
        return [_plain(part) for part in some]
    if isinstance(value, np.ndarray):
        if (
            value.dtype == np.uint8
            and value.size
            and (value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (1, 3)))
        ):
            few = int(value.max())  # class numbers of a mask would all look black
            value = value * (255 // few) if 0 < few <= _MOST_CLASSES else value
            return {"image": f"data:image/png;base64,{base64.b64encode(png_of(value, _THUMBNAIL_PX)).decode()}"}
        return {"array": list(value.shape)}
    return str(type(value).__name__)


def png_of(pixels: np.ndarray, side_px: int | None = None) -> bytes:
    """An image as a PNG file; with `side_px` its longer side has at most so many pixels."""
    from PIL import Image as PILImage

    image = PILImage.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    if side_px is not None:
        image.thumbnail((side_px, side_px))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
