"""A network built without memory, so that a description can be compared with the weights that came with it.

A file's header may describe a network of any size. Built on PyTorch's meta device it has names and shapes and no
numbers, and building ends as soon as it has more tensors than the file: nothing is allocated for a stranger's word.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as registry

from longspan.columns import Column, ImageSpec, SequenceSpec
from longspan.columns.spec import spec_from_json
from longspan.errors import ModelFileError
from longspan.models.fused import FUSED
from longspan.nn.without_memory import on_meta

__all__ = ["check_fitted", "check_model_inputs", "check_tensors_match"]

_SHOWN = 5
_LEFT_OUT = 130_000_000
"""Weights of the last layers for ImageNet's classes, which a network below other heads is built with and then loses:
VGG has 124 million of them."""


def check_tensors_match(build: Callable[[], nn.Module], tensors: Mapping[str, torch.Tensor]) -> None:
    """ModelFileError unless the network that `build` makes has exactly these tensors, by name and shape."""
    with _no_more_than(tensors):
        try:
            with on_meta():
                own = build().state_dict()
        except (
            NotImplementedError
        ):  # the regnets compute their widths with tensors; parameters are counted all the same
            own = build().state_dict()
    faults = [f"{name} is missing" for name in own if name not in tensors]
    faults += [f"{name} has no place in the network" for name in tensors if name not in own]
    faults += [
        f"{name} is {list(tensor.shape)}, the network has {list(own[name].shape)}"
        for name, tensor in tensors.items()
        if name in own and tensor.shape != own[name].shape
    ]
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise ModelFileError(f"weights and description do not fit together: {'; '.join(faults[:_SHOWN])}{more}")


def check_fitted(columns: Mapping[str, Column]) -> None:
    """ModelFileError for a column that lacks what training rows teach it: size, vocabulary, mean and spread."""
    for name, column in columns.items():
        if lacking := column.not_learned:
            raise ModelFileError(f"the column {name!r} ({column.kind}) has no {', '.join(lacking)}")


def check_model_inputs(model: Mapping[str, Any], inputs: Mapping[str, Column]) -> None:
    """ModelFileError unless the inputs are what the described network reads: of one with a name, one image."""
    if not inputs:
        raise ModelFileError("it describes no input")
    if model.get("name") is None:
        return
    if model["name"] == FUSED:
        specs = {name: column.spec() for name, column in inputs.items()}
        known = {name: spec_from_json(fields) for name, fields in model["inputs"].items()}
        if list(known.items()) != list(specs.items()):
            raise ModelFileError(f"its network reads {known!r:.200}, its inputs are {specs!r:.200}")
        return
    spec = next(iter(inputs.values())).spec()
    if "reads" in model:
        known = spec_from_json(model["reads"])
        if len(inputs) != 1 or known != spec:
            raise ModelFileError(f"its network reads {known!r:.200}, its inputs are {spec!r:.200}")
        return
    if len(inputs) == 1 and isinstance(spec, SequenceSpec):
        if spec.features != model["in_channels"]:
            raise ModelFileError(
                f"its network reads {model['in_channels']!r:.20} features a step, its input has {spec.features}"
            )
        return
    if len(inputs) != 1 or not isinstance(spec, ImageSpec):
        raise ModelFileError(f"its network {model['name']!r:.60} reads one image, its inputs are {list(inputs)!r:.80}")
    if spec.channels != model["in_channels"] or spec.size_px != tuple(model["size_px"]):
        raise ModelFileError(
            f"its network reads {model['in_channels']!r:.20} channels of {model['size_px']!r:.40} px, "
            f"its images have {spec.channels} of {spec.size_px}"
        )


@contextmanager
def _no_more_than(tensors: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Meanwhile no more is made in this thread than `tensors` hold, and what torchvision makes and we leave out.

    A parameter is counted before it is filled, so even on a device with memory nothing large is touched.
    """
    most = 2 * len(tensors) + 100
    room = sum(tensor.numel() for tensor in tensors.values()) + _LEFT_OUT
    made, mine = 0, threading.get_ident()

    def counted(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal made, room
        if threading.get_ident() != mine or parameter is None:
            return
        made += 1
        room -= parameter.numel()
        if made > most or room < 0:
            what = (
                f"{name} of a {type(module).__name__} is {list(parameter.shape)}" if made <= most else "it has no end"
            )
            raise ModelFileError(f"weights and description do not fit together: the network is too large; {what}")

    handle = registry.register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()
