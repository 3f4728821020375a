"""Which layers of a network give maps, what a place of them sees, and where they are strongest."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from longspan.errors import ConfigError, unknown_name
from longspan.explain.attribution_checks import make_random
from longspan.explain.receptive_field import ReceptiveField, trace_fields
from longspan.inference.predictor import Predictor

__all__ = ["chosen_layers", "fields_of", "keeper", "map_layers", "strongest", "with_random_weights"]

_DEPTHS = 5
_BATCH = 16
_LEAST_PX = 3


def map_layers(backbone: nn.Module, fields: Mapping[str, ReceptiveField]) -> list[str]:
    """Names of layers whose channels can be shown, from the first to the last: normalised ones where there are any."""
    kinds = {name: module for name, module in backbone.named_modules() if name in fields}
    normed = [name for name, module in kinds.items() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    convolutions = [name for name, module in kinds.items() if isinstance(module, nn.Conv1d | nn.Conv2d)]
    # LeNet-5 of 1998, for one, has layers of its own kind: all that give a map of more than one place.
    others = [
        name for name, module in kinds.items() if not fields[name].whole and not any(True for _ in module.children())
    ]
    found = normed if len(normed) > 1 else convolutions or others
    return [name for name in fields if name in found]


def fields_of(backbone: nn.Module, example: Tensor) -> dict[str, ReceptiveField]:
    """Receptive fields; ConfigError where they are not known."""
    try:
        return trace_fields(backbone, example)
    except Exception as error:
        raise ConfigError(
            f"The receptive fields of this network are not known, so patches cannot be cut: "
            f"{str(error).splitlines()[0]}"
        ) from error


def chosen_layers(backbone: nn.Module, fields: Mapping[str, ReceptiveField], layers: Sequence[str] | None) -> list[str]:
    """The named layers, or five depths; errors as of `learned_layers`."""
    known = map_layers(backbone, fields)
    if layers is not None:
        modules = dict(backbone.named_modules())
        for name in layers:
            if name not in modules:
                raise unknown_name("layer", name, known)
            if name not in fields:
                raise ConfigError(
                    f"Layer {name!r} gives no map whose receptive field is known; take {', '.join(known[-6:])}."
                )
        return list(layers)
    wide = [name for name in known if min(fields[name].height_px, fields[name].width_px) >= _LEAST_PX]
    if not wide:
        raise ConfigError("This network has no convolutions, so its layers have no patches that excite them.")
    places = np.linspace(0, len(wide) - 1, min(_DEPTHS, len(wide))).round().astype(int)
    return [wide[place] for place in places]


def with_random_weights(predictor: Predictor, seed: int) -> nn.Module:
    """A copy of the backbone with fresh weights."""
    backbone = copy.deepcopy(predictor.network.get_submodule("backbone"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in backbone.modules():
            if any(True for _ in module.parameters(recurse=False)):
                make_random(module)
    return backbone.eval()


@torch.no_grad()
def strongest(backbone: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, tuple[Tensor, Tensor, int]]:
    """By layer: of each image and channel the highest activation `(N, K)`, its place `(N, K)`, and the map's width."""
    kept: dict[str, Any] = {}
    hooks = [backbone.get_submodule(name).register_forward_hook(keeper(kept, name)) for name in names]
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in names}
    widths: dict[str, int] = {}
    try:
        for part in images.split(_BATCH):
            backbone(part)
            for name in names:
                if kept[name].ndim not in (3, 4):  # (B, K, H, W), or (B, K, T) of convolutions along time
                    raise ConfigError(f"Layer {name!r} gives no map.")
                widths[name] = kept[name].shape[-1]
                highest = kept[name].flatten(2).max(dim=2)
                parts[name].append((highest.values.cpu(), highest.indices.cpu()))
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: (torch.cat([each for each, _ in found]), torch.cat([each for _, each in found]), widths[name])
        for name, found in parts.items()
    }


def keeper(kept: dict[str, Any], name: str) -> Any:
    """A hook that copies what a layer gives: a rectifier behind it may work in place."""

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        kept[name] = output.clone()

    return keep
