"""Networks with fewer channels than their name has: what structured pruning leaves, and how it is built again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from longspan.errors import ModelFileError
from longspan.models.backbone import Backbone

__all__ = ["NARROWED_KINDS", "narrow", "sizes_of"]

NARROWED_KINDS = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
"""Layers that can have fewer channels than the network's name says; all others keep what they have."""


def sizes_of(model: nn.Module, like: nn.Module) -> dict[str, list[int]]:
    """What `narrow` needs to make `model` of `like`: by layer its sizes, of the layers where they differ.

    Of a convolution output channels, input channels of a group, and groups; of a linear layer outputs and inputs; of a
    normalisation channels.

    Raises:
        ValueError: they differ in something else; the message names the layer.
    """
    others, sizes = dict(like.named_modules()), {}
    for name, layer in model.named_modules():
        mine = [parameter.shape for parameter in layer.parameters(recurse=False)]
        theirs = [parameter.shape for parameter in others[name].parameters(recurse=False)]
        if mine == theirs:
            continue
        if not isinstance(layer, NARROWED_KINDS):
            raise ValueError(f"layer {name or 'of the network itself'} is a {type(layer).__name__}")
        sizes[name] = _size(layer)
    return sizes


def narrow(model: Backbone, sizes: Mapping[str, Any]) -> Backbone:
    """Give layers of a network fewer channels, in place; their weights are to be loaded afterwards.

    Args:
        model: As it is built by its name.
        sizes: From `sizes_of`.

    Raises:
        ModelFileError: a layer that the network does not have, or sizes that are not below its own.
    """
    layers = dict(model.named_modules())
    for name, size in sizes.items():
        layer = layers.get(name)
        if not isinstance(layer, NARROWED_KINDS):
            raise ModelFileError(f"its network has no layer {name!r:.80} that can have fewer channels")
        own = _size(layer)
        whole = isinstance(size, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in size)
        if not whole or len(size) != len(own) or not all(n >= 1 for n in size) or not _fits(layer, size, own):
            raise ModelFileError(f"layer {name!r:.80} of its network is {own}; {size!r:.80} is not a part of it")
        _resize(layer, size)
    model.narrowed = {name: list(size) for name, size in sizes.items()}
    return model


def _size(layer: nn.Module) -> list[int]:
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        return [*layer.weight.shape[:2], layer.groups]
    return list(layer.weight.shape) if isinstance(layer, nn.Linear) else [len(layer.running_mean)]  # type: ignore[arg-type]


def _fits(layer: nn.Module, size: list[int], own: list[int]) -> bool:
    if any(n > most for n, most in zip(size, own, strict=True)):
        return False
    return not isinstance(layer, nn.Conv1d | nn.Conv2d) or size[0] % size[2] == 0


def _resize(layer: nn.Module, size: list[int]) -> None:
    """New parameters and buffers of these sizes, with the numbers of the old ones where those were."""
    outputs = size[0]
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        layer.out_channels, layer.in_channels, layer.groups = outputs, size[1] * size[2], size[2]
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = size
    else:
        assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
        layer.num_features = outputs
    for name, parameter in list(layer.named_parameters(recurse=False)):
        kept = parameter.detach()[:outputs]
        if name == "weight" and len(size) > 1:
            kept = kept[:, : size[1]]
        setattr(layer, name, nn.Parameter(kept.clone(), requires_grad=parameter.requires_grad))
    for name, buffer in list(layer.named_buffers(recurse=False)):
        if buffer.ndim:
            layer.register_buffer(name, torch.clone(buffer[:outputs]))
