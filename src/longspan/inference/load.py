"""A saved model, as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from longspan.errors import LongspanError, ModelFileError
from longspan.inference.ensemble import ENSEMBLE_FORMAT, Ensemble
from longspan.inference.predictor import MODEL_FORMAT, Predictor
from longspan.storage.files import read_tensors, tensors_below
from longspan.version import __version__

__all__ = ["from_file", "load"]


def load(path: str | Path, *, model: nn.Module | None = None, device: str = "auto") -> Predictor | Ensemble:
    """The model, or ensemble, in a file that `save` wrote. Nothing in the file is executed; nothing else is needed.

    Args:
        path: The file.
        model: A new instance of your own network class, where the model is one: a file cannot hold code.
        device: Where it shall run.

    Raises:
        ModelFileError: cut short, damaged, not ours, from a newer longspan, or in need of `model`.
    """
    return from_file(Path(path), *read_tensors(Path(path)), model=model, device=device)


def from_file(
    path: Path,
    tensors: dict[str, torch.Tensor],
    described: dict[str, Any],
    *,
    model: nn.Module | None,
    device: str,
) -> Predictor | Ensemble:
    """`load`, from what `read_tensors` found in the file."""
    version, kind = described.get("format_version"), described.get("format")
    if kind == "longspan-image-generator":
        raise ModelFileError(
            f"{path} holds a network that makes images, not one that predicts: longspan generate {path} --out DIR, or "
            "ls.generative.load_generator."
        )
    if kind not in (MODEL_FORMAT["format"], ENSEMBLE_FORMAT["format"]):
        raise ModelFileError(f"{path} is a longspan file of kind {kind!r}, not a model.")
    if not isinstance(version, int):
        raise ModelFileError(f"{path} has no format version that is a number, but {version!r}: its header is damaged.")
    if version > MODEL_FORMAT["format_version"]:
        raise ModelFileError(
            f"{path} has format version {version}, written by longspan {described.get('library_version')}; this is "
            f"longspan {__version__}, which reads up to {MODEL_FORMAT['format_version']}. Update longspan."
        )
    try:
        if kind == MODEL_FORMAT["format"]:
            return Predictor.from_parts(tensors, described, model=model, device=device)
        return Ensemble(
            [
                Predictor.from_parts(tensors_below(tensors, f"{i}."), member, model=model, device=device)
                for i, member in enumerate(_members(described))
            ]
        )
    except LongspanError as error:
        raise ModelFileError(f"{path}: {error}") from error


def _members(described: dict[str, Any]) -> list[dict[str, Any]]:
    members = described.get("members")
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise ModelFileError("the list of the ensemble's members is missing or damaged")
    return members
