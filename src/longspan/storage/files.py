"""Files that hold tensors and JSON and nothing else, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from longspan.errors import ModelFileError
from longspan.lazy_torch import torch
from longspan.storage.file_signatures import MAX_HEADER_BYTES, PICKLE_ENDINGS, check_model_file
from longspan.storage.plain_json import parse_json

__all__ = ["plain", "read_description", "read_tensors", "tensors_below", "write_tensors", "write_whole"]

_KEY = "longspan"  # the entry of the header's metadata that is ours
_CRC = "longspan_crc32"  # safetensors itself does not notice a flipped bit


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary neighbour of `path`, sync it, and rename it: `path` is never half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o644)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], values: Mapping[str, Any]) -> None:
    """A safetensors file with JSON in its header; figures that are not finite numbers are null there.

    Raises:
        ModelFileError: the file cannot be written, or its name promises a pickle.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    if path.suffix.lower() in PICKLE_ENDINGS:
        raise ModelFileError(f"{path} would be a pickle by its name; models are saved as .safetensors.")
    text = json.dumps(plain(values), allow_nan=False)
    if len(text) > MAX_HEADER_BYTES // 2:  # the header escapes it again
        raise ModelFileError(
            f"{path} cannot be written: its description has {len(text):,} characters, more than a file may have. Of "
            "vocabularies, notes and history, one is enormous."
        )
    apart: dict[str, torch.Tensor] = {}
    memory: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        # Tied weights lie in one place; the format wants each tensor in its own.
        apart[name] = tensor.clone() if tensor.untyped_storage().data_ptr() in memory else tensor
        memory.add(tensor.untyped_storage().data_ptr())
    try:
        write_whole(path, lambda part: save_file(apart, part, metadata={_KEY: text, _CRC: _checksum(text, apart)}))
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"{path} cannot be written: {error}. Nothing of it was left behind.") from error


def _checksum(text: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """CRC-32 of everything in a file: its JSON, and of each tensor name, type, shape and bytes."""
    crc = zlib.crc32(text.encode())
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), crc)
        values = tensor.contiguous().reshape(-1)
        if values.stride(0) != 1:  # one value that was broadcast counts as contiguous
            values = values.clone(memory_format=torch.contiguous_format)
        crc = zlib.crc32(values.view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


def plain(value: Any) -> Any:
    """As JSON knows it: no NaN, no infinity, no numpy."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and JSON of a file that `write_tensors` wrote; nothing in it is executed.

    Raises:
        ModelFileError: no such file, cut short, damaged, or not one of ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        check_model_file(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            text = metadata.get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()} if text is not None else {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is cut short, damaged or not a safetensors file ({error}). Copy or download it again."
        ) from error
    if text is None:
        raise ModelFileError(
            f"{path} is a safetensors file, but not a longspan model: it has weights and no description of what to do "
            "with them. Pass it as weights= to a Learner."
        )
    if _CRC in metadata and metadata[_CRC] != _checksum(text, tensors):  # files of the first versions have none
        raise ModelFileError(
            f"{path} is damaged: its bytes are not those that were written. Copy or download it again."
        )
    try:
        values = parse_json(text)
    except ValueError as error:
        raise ModelFileError(f"{path}: the JSON in its header is damaged ({error}).") from error
    if not isinstance(values, dict):
        raise ModelFileError(f"{path}: the JSON in its header is {type(values).__name__}, not an object.")
    return tensors, values


def read_description(path: Path) -> dict[str, Any]:
    """The JSON of a file that `write_tensors` wrote, without its tensors and unchecked; empty where there is none."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, MAX_HEADER_BYTES))
    try:
        found = parse_json(parse_json(header.decode())["__metadata__"][_KEY])
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def tensors_below(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
