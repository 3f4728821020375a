"""A backbone and its heads: one module from inputs to the outputs of every target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from longspan.errors import ConfigError, ShapeError
from longspan.heads import Head
from longspan.heads.base import shape_of
from longspan.models import Backbone, FeatureMaps, FeatureShapes
from longspan.models.backbone import Map

__all__ = ["Features", "Network", "evaluating", "place"]


@final
@dataclass(frozen=True, slots=True)
class Features:
    """What a backbone gave for a batch, as far as the heads read it."""

    vector: Any = None
    """`(B, num_features)`, or `(B, T, num_features)`; of a whole network its outputs."""
    maps: FeatureMaps | None = None


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
        # What the user froze stays so; in a tuple, so that it is no submodule.
        self.at_rest = tuple(parameter for parameter in backbone.parameters() if not parameter.requires_grad)
        self.target_names = tuple(heads)
        num_features = getattr(backbone, "num_features", None)
        self.whole = not isinstance(num_features, int)
        # A list, not a dict by target: a column may be called "values" or "a.b", a submodule may not.
        self.heads = nn.ModuleList(
            [] if self.whole else [head.layers(_shapes(backbone, name, head)) for name, head in heads.items()]
        )
        self._reads = tuple(head.reads for head in heads.values())
        self.reads = frozenset(self._reads)

    def forward(self, *inputs: torch.Tensor) -> dict[str, Any]:
        """Outputs by target, of the form that each head gives and understands."""
        return self.from_features(self.features(*inputs))

    def features(self, *inputs: torch.Tensor) -> Features:
        """What the heads read, from the backbone: a vector, maps, or both."""
        if self.whole or "maps" not in self.reads:
            return Features(self.backbone(*inputs))
        (images,) = inputs
        if self.reads == {"maps"}:
            return Features(maps=FeatureMaps(images, _maps(self.backbone, images)))
        if isinstance(self.backbone, Backbone):
            vector, maps = self.backbone.both(images)
        else:
            vector, maps = self.backbone(images), _maps(self.backbone, images)
        return Features(vector, FeatureMaps(images, maps))

    def from_features(self, features: Features) -> dict[str, Any]:
        """Outputs by target, from what the backbone gave."""
        if self.whole:
            outputs = features.vector
            return outputs if isinstance(outputs, dict) else {self.target_names[0]: outputs}
        return {
            name: head(features.vector if features.maps is None or reads != "maps" else features.maps)
            for name, head, reads in zip(self.target_names, self.heads, self._reads, strict=True)
        }

    def groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the lowest layers to the heads."""
        return [group for group in (*self._lower_groups(), list(self.heads.parameters())) if group]

    def freeze(self, fraction: float) -> None:
        """Let the lowest `share` of the backbone's groups, 0..1, keep their weights; the others learn."""
        frozen, at_rest = self.frozen_groups(fraction), {id(parameter) for parameter in self.at_rest}
        for index, group in enumerate(self._lower_groups()):
            for parameter in group:
                parameter.requires_grad_(index >= frozen and id(parameter) not in at_rest)

    def frozen_groups(self, fraction: float) -> int:
        """How many of the backbone's groups `freeze(share)` lets rest."""
        return round(fraction * len(self._lower_groups()))

    def parts(self, groups: int) -> tuple[Map, Map] | None:
        """The backbone up to its lowest `groups` groups, and from there to the features; None if it is no chain there.

        The first may read several inputs, as the backbone does.
        """
        if "maps" in self.reads:
            return None
        if groups == len(self._lower_groups()):
            return self.backbone, lambda features: features
        return self.backbone.parts(groups) if isinstance(self.backbone, Backbone) and groups else None

    def train_unfrozen(self) -> None:
        """Training mode, but evaluation mode for frozen parts: their batch statistics and dropout rest too."""
        self.train()
        for module in self.backbone.modules():
            parameters = list(module.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                module.eval()

    def _lower_groups(self) -> list[list[nn.Parameter]]:
        backbone = self.backbone
        return backbone.groups() if isinstance(backbone, Backbone) else [list(backbone.parameters())]

    def check(self, inputs: tuple[torch.Tensor, ...], heads: Mapping[str, Head]) -> None:
        """One pass over a few rows, to find a network that does not fit before training does.

        Raises:
            ShapeError: the network cannot read the inputs, or gives outputs of another shape than the heads need.
            ConfigError: its outputs are not those of the targets, or it gives one vector where a head reads a sequence.
        """
        if not self.whole:
            _check_reads(self.backbone, heads)
        shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
        with torch.no_grad(), evaluating(self):
            try:
                features = self.features(*inputs)
            except (RuntimeError, TypeError, ValueError, IndexError) as error:
                raise ShapeError(f"The network cannot read inputs of shape {shapes}: {error}") from error
            if not self.whole:
                _check_features(features, len(inputs[0]), self.backbone, shapes)
            elif not isinstance(features.vector, torch.Tensor | dict):
                raise ConfigError(
                    f"The network gives {type(features.vector).__name__}; it must give the outputs of the one target, "
                    f"or a dict of them by target: {sorted(heads)}."
                )
            outputs = self.from_features(features)
        if set(outputs) != set(heads):
            raise ConfigError(f"The network gives {sorted(outputs)}, the task wants {sorted(heads)}.")
        for name, head in heads.items():
            fault = head.outputs_fault(outputs[name], len(inputs[0]))
            if fault is not None:
                got = shape_of(outputs[name]) or type(outputs[name]).__name__
                raise ShapeError(f"For inputs of shape {shapes} the network gives {got} for target {name!r}, {fault}")


def _check_reads(backbone: nn.Module, heads: Mapping[str, Head]) -> None:
    """Refuse one vector for a head that reads a sequence, and the other way round."""
    name = backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__
    sequence = _gives_sequence(backbone)
    for target, head in heads.items():
        if head.reads == "maps":
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


def _maps(backbone: Any, images: torch.Tensor) -> list[torch.Tensor]:
    """Of a backbone of ours, or of a module that has maps too."""
    return backbone.features(images)


def _shapes(backbone: nn.Module, target: str, head: Head) -> FeatureShapes:
    """What a head's layers will read; ConfigError for a head that reads maps where the backbone has none."""
    channels, strides = tuple(getattr(backbone, "channels", ())), tuple(getattr(backbone, "strides", ()))
    if head.reads == "maps" and not strides:
        name = backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__
        raise ConfigError(
            f"{name} has no feature maps, which target {target!r} needs (head {type(head).__name__}). Take for "
            "instance resnet34, squeezenet1_1 or mobilenet_v3_large; a module of yours gives maps with a method "
            "features(images) and the attributes channels and strides, from fine to coarse."
        )
    return FeatureShapes(
        num_features=int(getattr(backbone, "num_features", 0)),
        channels=channels,
        strides=strides,
        in_channels=getattr(backbone, "in_channels", 3),
        size_px=getattr(backbone, "size_px", (224, 224)),
    )


def _check_features(given: Features, rows: int, backbone: nn.Module, shapes: str) -> None:
    features = given.vector
    if features is None:  # only maps are read
        return
    sequence, width = _gives_sequence(backbone), backbone.num_features
    shape: tuple[int, ...] = tuple(features.shape) if isinstance(features, torch.Tensor) else ()
    if len(shape) == 2 + sequence and shape[:1] + shape[-1:] == (rows, width):
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


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; afterwards every module is in the mode it was in, also within a training step."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
