"""From the body of a request to values that a model reads; limits come before anything is decoded."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import warnings
from collections.abc import Mapping
from typing import Any, final

from longspan.serve.config import ServeConfig
from longspan.serve.problem import Problem
from longspan.serve.served_model import Field, ServedModel

__all__ = ["check_value", "values_from_json", "values_of_body"]

_FILES = ("image", "audio")


def values_of_body(model: ServedModel, body: bytes, content_type: str, config: ServeConfig) -> dict[str, Any]:
    """Values by field from a body that is one file, one text, or JSON.

    Raises:
        Problem: 400, 413, 415 or 422.
    """
    kind = content_type.split(";")[0].strip().lower()
    if kind == "application/json":
        return values_from_json(model, body, config)
    if not model.one_file or model.fields[0].kind not in (*_FILES, "text"):
        raise Problem(415, f"This model reads {_names(model)}. Send a JSON object, as application/json.")
    field = model.fields[0]
    if field.kind == "text":
        if kind not in ("text/plain", ""):
            raise Problem(
                415, f"{kind or 'This'} is not text. Send text/plain, or JSON: {{{json.dumps(field.name)}: ...}}."
            )
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise Problem(400, f"The text is not UTF-8: {error.reason} at byte {error.start}.") from None
        return {field.name: check_value(field, text, config)}
    if kind.startswith("text/") or kind.startswith("application/x-www"):
        raise Problem(
            415, f"{kind} is not a kind of {field.kind} file. Send the file itself, or as multipart/form-data."
        )
    return {field.name: check_value(field, body, config)}


def values_from_json(model: ServedModel, body: bytes, config: ServeConfig) -> dict[str, Any]:
    """Values by field from a JSON object; files cannot be sent in it.

    Raises:
        Problem: 400 for what is not JSON, 422 for fields that are missing, unknown or of another type.
    """
    try:
        given = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"The body is not JSON: {error!s:.200}.") from None
    if not isinstance(given, dict):
        raise Problem(422, f"The body is a JSON {type(given).__name__}; send an object with {_names(model)}.")
    if files := [field.name for field in model.fields if field.kind in _FILES]:
        raise Problem(415, f"{', '.join(files)}: files cannot be sent in JSON. Send multipart/form-data.")
    known = {field.name: field for field in model.fields}
    unknown = sorted(set(given) - set(known))
    missing = sorted(set(known) - set(given))
    if unknown or missing:
        words = [f"unknown: {', '.join(unknown)}"] if unknown else []
        words += [f"missing: {', '.join(missing)} (null stands for a value that is not known)"] if missing else []
        raise Problem(422, f"{'; '.join(words):.1000}. This model reads {_names(model)}.")
    return {name: check_value(known[name], value, config) for name, value in given.items()}


def check_value(field: Field, value: Any, config: ServeConfig) -> Any:
    """A value within the limits, as columns read it: of an image its bytes, which are not decoded yet.

    Raises:
        Problem: 413 or 422.
    """
    if field.kind in _FILES and not isinstance(value, bytes):
        raise Problem(422, f"{field.name} must be a file.")
    if field.kind == "image":
        return _image(value, config)
    if field.kind == "audio":
        return _audio(field, value, config)
    if value is None or isinstance(value, str | int | float | bool):
        if isinstance(value, str) and len(value) > config.max_characters:
            raise Problem(
                413, f"{field.name} has {len(value):,} characters; at most {config.max_characters:,} are read."
            )
        if field.kind == "text" and not isinstance(value, str):
            raise Problem(422, f"{field.name} must be a text.")
        return value
    raise Problem(422, f"{field.name} must be a single value, not a {type(value).__name__}.")


def _image(body: bytes, config: ServeConfig) -> Any:
    from PIL import Image as PILImage

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = PILImage.open(io.BytesIO(body))
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise Problem(
            422, f"This is not an image that can be read ({error_words(error)}). Send JPEG, PNG or WebP."
        ) from None
    if image.width * image.height > config.max_pixels:
        raise Problem(
            413,
            f"The image has {image.width:,} x {image.height:,} pixels; at most {config.max_pixels:,} in all are read. "
            "Make it smaller.",
        )
    return body  # not the opened image: a large JPEG is read from bytes at a smaller scale, as in training


def _audio(field: Field, body: bytes, config: ServeConfig) -> Any:
    """Samples of a recording, once its header is within the limits. libsndfile needs a file to know what is lost."""
    from longspan.audio.audio_io import read_header, read_samples

    file = tempfile.NamedTemporaryFile(prefix="longspan-", suffix=".sound")  # noqa: SIM115 - or closed by its owner
    with contextlib.ExitStack() as stack:
        stack.enter_context(file)
        file.write(body)
        file.flush()
        try:
            header = read_header(file.name)
            if header.seconds > config.max_seconds:
                raise Problem(
                    413, f"The recording lasts {header.seconds:,.1f} s; at most {config.max_seconds:g} s are read."
                )
            samples = read_samples(file.name, field.rate_hz or header.rate_hz, field.channel)
            if not field.as_file:
                return samples
            stack.pop_all()
            return _OwnedFile(file)
        except ValueError as error:
            raise Problem(422, f"The recording cannot be read: {error_words(error)}.") from None


@final
class _OwnedFile(str):
    """The path of a temporary file, which goes when this does."""

    def __new__(cls, file: Any) -> _OwnedFile:
        path = super().__new__(cls, file.name)
        path.file = file
        return path

    file: Any


def error_words(error: BaseException) -> str:
    """What went wrong, without addresses in memory."""
    words = " ".join(str(error).split())
    return type(error).__name__ if "0x" in words or not words else f"{words:.200}"


def _names(model: ServedModel) -> str:
    return ", ".join(f"{field.name} ({field.kind})" for field in model.fields[:20])


def _refuse_constant(name: str) -> Mapping[str, Any]:
    raise ValueError(f"{name} is not JSON; write null")
