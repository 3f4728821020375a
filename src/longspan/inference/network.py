"""A backbone and its heads: one module from inputs to the outputs of every target."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, final

import torch
from torch import nn

from longspan.columns.ragged import Ragged
from longspan.errors import ConfigError, ShapeError
from longspan.heads import Head
from longspan.heads.base import shape_of
from longspan.heads.members import outputs_fault
from longspan.models import Backbone, FeatureMaps, FeatureShapes
from longspan.models.backbone import Map
from longspan.nn.dropout import replace_dropout

__all__ = ["Features", "Network", "UpperLayers", "eval_view", "place"]

Targets = Mapping[str, torch.Tensor]
_OF_MAPS = frozenset(("maps", "places"))
_Module = TypeVar("_Module", bound=nn.Module)


@final
@dataclass(frozen=True, slots=True)
class Features:
    """The features of a batch, as far as the heads read them."""

    vector: Any = None
    """`(B, num_features)`, or `(B, T, num_features)`; of a whole network its outputs."""
    maps: FeatureMaps | None = None
    places: torch.Tensor | None = None
    """`(B, S, C)`: the coarsest map as a sequence, row by row."""


@final
class Network(nn.Module):
    """Outputs per target, from inputs in the task's order.

    The backbone is one of ours, any module with an int `num_features` that gives `(B, num_features)` (with an attribute
    `sequence = True`: a vector for each of T steps, `(B, T, num_features)`; with `channels`, `strides` and a method
    `features`: also maps, as `Backbone` has them), or a whole network that gives the one target's outputs itself (for
    several targets: a dict of them).
    """

    def __init__(self, backbone: nn.Module, heads: Mapping[str, Head]) -> None:
        """Add new head layers to a backbone; a whole network gets none."""
        super().__init__()
        self.backbone = backbone
        # Parameters that the user froze stay frozen; in a tuple, so that it is not a submodule.
        self.frozen = tuple(parameter for parameter in backbone.parameters() if not parameter.requires_grad)
        self.target_names = tuple(heads)
        num_features = getattr(backbone, "num_features", None)
        self.whole = not isinstance(num_features, int)
        # A list, not a dict by target: a column may be called "values" or "a.b", a submodule may not.
        self.heads = nn.ModuleList(
            [] if self.whole else [head.layers(_shapes(backbone, name, head)) for name, head in heads.items()]
        )
        self._reads = tuple(head.reads for head in heads.values())
        self._sees_targets = tuple(head.sees_targets for head in heads.values())
        self.reads = frozenset(self._reads)
        replace_dropout(self)

    def forward(self, *inputs: torch.Tensor, targets: Targets | None = None) -> dict[str, Any]:
        """Outputs by target: tensors, or named tuples of tensors.

        Args:
            inputs: Prepared inputs of B rows, in the task's order.
            targets: Prepared targets `(B, ...)` by name, for heads that see them (`Head.sees_targets`).
        """
        return self.from_features(self.features(*inputs, targets=targets), targets)

    def features(self, *inputs: torch.Tensor, targets: Targets | None = None) -> Features:
        """What the heads read, from the backbone: a vector, maps, or both. A whole network may see `targets`."""
        if self.whole and any(self._sees_targets):
            return Features(self.backbone(*inputs, targets=targets))
        if self.whole or not self.reads & _OF_MAPS:
            return Features(self.backbone(*inputs))
        (images,) = inputs
        if self.reads <= _OF_MAPS:
            vector, maps = None, _maps(self.backbone, images)
        elif isinstance(self.backbone, Backbone):
            vector, maps = self.backbone.both(images)
        else:
            vector, maps = self.backbone(images), _maps(self.backbone, images)
        return Features(
            vector,
            FeatureMaps(images, maps) if "maps" in self.reads else None,
            _places(maps) if "places" in self.reads else None,
        )

    def from_features(self, features: Features, targets: Targets | None = None) -> dict[str, Any]:
        """Outputs by target, from the features of the backbone."""
        if self.whole:
            outputs = features.vector
            return outputs if isinstance(outputs, dict) else {self.target_names[0]: outputs}
        outputs = {}
        for (name, (head, read)), sees in zip(self.read_by_heads(features).items(), self._sees_targets, strict=True):
            outputs[name] = head(read, targets=None if targets is None else targets[name]) if sees else head(read)
        return outputs

    def read_by_heads(self, features: Features) -> dict[str, tuple[nn.Module, Any]]:
        """By target the layers of its head, and what they read; nothing of a whole network."""
        other = {"maps": features.maps, "places": features.places}
        return {
            name: (head, other.get(reads, features.vector))
            for name, head, reads in zip(self.target_names, self.heads, self._reads, strict=bool(self.heads))
        }

    def groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the lowest layers to the heads, with layers of the backbone that learn like a head."""
        return [group for group in (*self._lower_groups(), [*self.heads.parameters(), *self._ungrouped()]) if group]

    def freeze(self, fraction: float) -> None:
        """Freeze this fraction, 0..1, of the backbone's layer groups, the lowest first; the others learn."""
        frozen, by_user = self.frozen_groups(fraction), {id(parameter) for parameter in self.frozen}
        for index, group in enumerate(self._lower_groups()):
            for parameter in group:
                parameter.requires_grad_(index >= frozen and id(parameter) not in by_user)

    def frozen_groups(self, fraction: float) -> int:
        """How many of the backbone's groups `freeze(fraction)` freezes."""
        return round(fraction * len(self._lower_groups()))

    def parts(self, groups: int) -> tuple[Map, Map] | None:
        """The backbone up to its lowest `groups` groups, and from there to the features; None unless it is a chain.

        The first may read several inputs, as the backbone does. Where all heads read places, the features are these.
        """
        if "maps" in self.reads or self._ungrouped():
            return None
        whole = groups == len(self._lower_groups())
        if "places" in self.reads:
            alone = whole and self.reads == {"places"}
            return (lambda images: _places(_maps(self.backbone, images)), _unchanged) if alone else None
        if whole:
            return self.backbone, _unchanged
        return self.backbone.parts(groups) if isinstance(self.backbone, Backbone) and groups else None

    def train(self, mode: bool = True) -> Network:
        """Training mode, but evaluation mode for frozen parts: their batch statistics and dropout stay as they are."""
        super().train(mode)
        for module in self.backbone.modules() if mode else ():
            parameters = list(module.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                module.eval()
        return self

    def _lower_groups(self) -> list[list[nn.Parameter]]:
        backbone = self.backbone
        return backbone.groups() if isinstance(backbone, Backbone) else [list(backbone.parameters())]

    def _ungrouped(self) -> list[nn.Parameter]:
        """Parameters of the backbone that are in no group."""
        grouped = {id(parameter) for group in self._lower_groups() for parameter in group}
        return [parameter for parameter in self.backbone.parameters() if id(parameter) not in grouped]

    @torch.no_grad()
    def check(self, inputs: tuple[torch.Tensor, ...], heads: Mapping[str, Head]) -> None:
        """One forward pass over a few rows, to find a network that does not fit before training does.

        Raises:
            ShapeError: the network cannot read the inputs, or gives outputs of another shape than the heads need.
            ConfigError: its outputs are not those of the targets, or it gives one vector where a head reads a sequence.
        """
        if not self.whole:
            _check_reads(self.backbone, heads)
        shapes = ", ".join(str(tuple(_values(each).shape)) for each in inputs)
        rows = len(_values(inputs[0]))
        network = eval_view(self)
        try:
            features = network.features(*inputs)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise ShapeError(f"The network cannot read inputs of shape {shapes}: {error}") from error
        if not self.whole:
            _check_features(features, rows, self.backbone, shapes)
        elif not (isinstance(features.vector, torch.Tensor | dict) or hasattr(features.vector, "_fields")):
            raise ConfigError(
                f"The network gives {type(features.vector).__name__}; it must give the outputs of the one target, "
                f"or a dict of them by target: {sorted(heads)}."
            )
        outputs = network.from_features(features)
        if set(outputs) != set(heads):
            raise ConfigError(f"The network gives {sorted(outputs)}, the task needs {sorted(heads)}.")
        for name, head in heads.items():
            fault = outputs_fault(head, outputs[name], rows)
            if fault is not None:
                got = shape_of(outputs[name]) or type(outputs[name]).__name__
                raise ShapeError(f"For inputs of shape {shapes} the network gives {got} for target {name!r}, {fault}")


@final
class UpperLayers(nn.Module):
    """A network without the lowest groups of its backbone: it reads what those computed."""

    def __init__(self, network: Network, groups: int) -> None:
        """Leave the lowest `groups` groups out; the weights stay those of `network`."""
        super().__init__()
        self.network = network
        self.num_groups = groups

    def forward(self, *inputs: torch.Tensor, targets: Targets | None = None) -> dict[str, Any]:
        """Outputs by target, from the outputs of the lower groups."""
        parts = self.network.parts(self.num_groups)
        assert parts is not None
        read = parts[1](*inputs)
        places = self.network.reads == {"places"}
        return self.network.from_features(Features(places=read) if places else Features(read), targets)


def _unchanged(features: torch.Tensor) -> torch.Tensor:
    return features


def _places(maps: list[torch.Tensor]) -> torch.Tensor:
    """The coarsest map `(B, C, H, W)` as `(B, H x W, C)`."""
    return maps[-1].flatten(2).transpose(1, 2)


def _values(batch: Any) -> torch.Tensor:
    """The values of a prepared input, ragged or not."""
    return batch.values if isinstance(batch, Ragged) else batch


def _check_reads(backbone: nn.Module, heads: Mapping[str, Head]) -> None:
    """ConfigError for one vector where a head reads a sequence, and the other way round."""
    name = backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__
    sequence = _gives_sequence(backbone)
    for target, head in heads.items():
        if head.reads in ("maps", "places", "any"):
            continue
        if head.reads == "sequence" and not sequence:
            raise ConfigError(
                f"{name} gives one vector per image, but target {target!r} is read step by step (head "
                f"{type(head).__name__}), which needs a sequence. Take line_cnn (without pool=) or "
                "space_displacement_lenet; a module of yours that gives (B, T, num_features) says so with an attribute "
                "sequence = True."
            )
        if head.reads == "vector" and sequence:
            raise ConfigError(
                f"{name} gives a sequence, one vector for each step across the image, but target {target!r} needs "
                f"one vector per image (head {type(head).__name__}). Pool the steps, with pool='avg_max' for "
                "line_cnn, or take a network such as resnet20; if the target is a text, make its column Text()."
            )


def _gives_sequence(backbone: nn.Module) -> bool:
    return getattr(backbone, "sequence", False) is True


def _members(backbone: nn.Module) -> int:
    members = getattr(backbone, "members", 1)
    return members if isinstance(members, int) else 1


def _maps(backbone: Any, images: torch.Tensor) -> list[torch.Tensor]:
    """Of a backbone of ours, or of a module that also has maps."""
    return backbone.features(images)


def _of_each_map(backbone: nn.Module, name: str) -> tuple[int, ...]:
    return tuple(getattr(backbone, name, ()))


def _shapes(backbone: nn.Module, target: str, head: Head) -> FeatureShapes:
    """What a head's layers will read; ConfigError for a head that reads maps where the backbone has none."""
    channels, strides = _of_each_map(backbone, "channels"), _of_each_map(backbone, "strides")
    if head.reads in _OF_MAPS and not strides:
        name = backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__
        raise ConfigError(
            f"{name} has no feature maps, which target {target!r} needs (head {type(head).__name__}). Use for "
            "example resnet34, squeezenet1_1 or mobilenet_v3_large; a module of yours gives maps with a method "
            "features(images) and the attributes channels and strides, from fine to coarse."
        )
    return FeatureShapes(
        num_features=channels[-1] if head.reads == "places" else int(getattr(backbone, "num_features", 0)),
        members=_members(backbone),
        channels=channels,
        strides=strides,
        in_channels=getattr(backbone, "in_channels", 3),
        size_px=getattr(backbone, "size_px", (224, 224)),
    )


def _check_features(given: Features, rows: int, backbone: nn.Module, shapes: str) -> None:
    features = _values(given.vector)
    if features is None:  # only maps are read
        return
    sequence, width = _gives_sequence(backbone), backbone.num_features
    shape: tuple[int, ...] = tuple(features.shape) if isinstance(features, torch.Tensor) else ()
    members = _members(backbone)
    if members > 1 and shape == (rows, members, width):
        return
    if members == 1 and len(shape) == 2 + sequence and shape[:1] + shape[-1:] == (rows, width):
        return
    got = shape if isinstance(features, torch.Tensor) else type(features).__name__
    expected = f"({rows}, T, {width})" if sequence else f"({rows}, {width})"
    raise ShapeError(
        f"For inputs of shape {shapes} {type(backbone).__name__} gives {got}, but with num_features = {width}"
        f"{' and sequence = True' if sequence else ''} it must give {expected}. "
        f"{'Bring the steps to the second axis' if sequence else 'Pool or flatten the rest'}, or correct num_features."
    )


def place(network: Network, device: torch.device) -> Network:
    """The same network on a device, with the kernels of its convolutions over images channels-last."""
    network.to(device)
    for parameter in network.parameters():
        if parameter.ndim == 4:  # and no others: channels-last is a format of four axes
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def eval_view(network: _Module) -> _Module:
    """The same weights and buffers in modules of their own, in evaluation mode.

    It costs no memory and follows every change of the weights. No module is switched between modes, so it can be used
    while another thread, or the training loop that called, has `network` in training mode.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared).eval()
