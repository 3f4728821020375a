"""Structured pruning: a network without the channels that matter least, so that it computes less on any processor."""

from __future__ import annotations

import copy
import warnings
from typing import Any, final

import torch
from torch import nn

from longspan.errors import ConfigError, LongspanError
from longspan.extras import require_extra
from longspan.inference import Predictor
from longspan.inference.network import Network
from longspan.models import Backbone, to_json
from longspan.models import from_json as backbone_from_json
from longspan.models.fused import FusedBackbone
from longspan.models.narrowed import sizes_of

__all__ = ["multiply_adds", "prune"]

_TRIES = 7
_MOST = 0.95  # of the channels of a layer
_ROUND_TO = 8
"""Channels are left in multiples of this where layers are wide: processors multiply as many at a time."""


def prune(predictor: Predictor, fraction: float, inputs: tuple[torch.Tensor, ...]) -> tuple[Predictor, float]:
    """The same model without the channels whose weights are smallest, not yet fine-tuned.

    Groups of channels that depend on each other go together (Fang et al. 2023, "DepGraph"), the same fraction of every
    group, as many as it takes to be rid of `fraction` of the multiply-adds. What the heads read keeps its width.

    Args:
        predictor: On the CPU; it stays as it is.
        fraction: Of the multiply-adds of the backbone that are to go, between 0 and 1.
        inputs: Prepared inputs of two rows.

    Returns:
        The smaller model, and the fraction of the multiply-adds that is gone.

    Raises:
        DependencyError: the extra `compress` is not installed.
        ConfigError: the network cannot be pruned, or not by as much; the message says why.
    """
    require_extra("compress", "Pruning")
    backbone = predictor.network.backbone
    name = backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__
    if not isinstance(backbone, Backbone) or isinstance(backbone, FusedBackbone):
        raise ConfigError(f"{name} cannot be pruned: only networks by name that read one input can.")
    maps = "maps" in predictor.network.reads
    whole = multiply_adds(backbone, inputs, maps=maps)
    best, most = None, 0.0
    for round_to in (_ROUND_TO, None) if _narrowest(backbone) >= 2 * _ROUND_TO else (None,):
        low, high = 0.0, _MOST
        for _ in range(_TRIES):
            ratio = (low + high) / 2
            smaller = _without(backbone, name, ratio, inputs, maps=maps, round_to=round_to)
            gone = 1 - multiply_adds(smaller, inputs, maps=maps) / whole
            most = max(most, gone)
            if gone >= fraction:
                best, high = (smaller, gone), ratio
            else:
                low = ratio
        if best is not None:
            break
    if best is None:
        raise ConfigError(
            f"{name} cannot be pruned by {fraction:.0%} of its multiply-adds, only by {most:.0%}: the others are in "
            "layers whose width something else depends on."
        )
    network = Network(_rebuilt(best[0], backbone, name, inputs, maps=maps), predictor.heads)
    network.heads.load_state_dict(predictor.network.heads.state_dict())
    found = Predictor(
        network.eval(), predictor.inputs, predictor.heads, augment=predictor.augment, info=predictor.info,
        device="cpu", precision=predictor.precision,
    )  # fmt: skip
    return found, best[1]


def multiply_adds(module: nn.Module, inputs: tuple[torch.Tensor, ...], *, maps: bool = False) -> int:
    """Of convolutions and linear layers, for one row.

    Args:
        module: A backbone.
        inputs: Prepared inputs.
        maps: Count what makes feature maps, not the vector.
    """
    counted, handles = [0], []

    def count(layer: Any, _: Any, output: torch.Tensor) -> None:
        each = layer.weight[0].numel()  # a value of the output takes as many
        counted[0] += output.numel() * each // len(output)

    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            handles.append(layer.register_forward_hook(count))
    try:
        with torch.no_grad():
            module.features(*inputs) if maps else module(*inputs)  # type: ignore[operator]
    finally:
        for handle in handles:
            handle.remove()
    return counted[0]


@final
class _Kept(nn.Module):
    """A backbone below layers that read its features, so that no channel of those is taken away."""

    def __init__(self, backbone: Backbone, shapes: list[int], *, maps: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self._maps = maps
        self.readers = nn.ModuleList(nn.Linear(width, 1) for width in shapes)

    def forward(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        found = self.backbone.features(*inputs) if self._maps else [self.backbone(*inputs)]
        # Times one, and not through the layer itself: a normalisation would be one more thing to be sized.
        return [
            reader(each.movedim(1, -1) if self._maps else each)
            for reader, each in zip(self.readers, found, strict=True)
        ]


def _narrowest(backbone: nn.Module) -> int:
    return min((layer.out_channels for layer in backbone.modules() if isinstance(layer, nn.Conv2d)), default=0)


def _without(
    backbone: Backbone, name: str, ratio: float, inputs: tuple[torch.Tensor, ...], *, maps: bool, round_to: int | None
) -> Backbone:
    """A copy without this fraction of the channels of every group."""
    import torch_pruning

    smaller = copy.deepcopy(backbone).requires_grad_(True)
    with torch.no_grad():
        found = smaller.features(*inputs) if maps else [smaller(*inputs)]
    widths = [int(each.shape[1 if maps else -1]) for each in found]
    kept = _Kept(smaller, widths, maps=maps).eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make: Any = torch_pruning.pruner.BasePruner  # its annotations are narrower than what it takes
            pruner = make(
                kept,
                inputs,
                importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
                pruning_ratio=ratio,
                ignored_layers=_fixed(kept, inputs),
                round_to=round_to,
            )
            pruner.step()
            with torch.no_grad():
                kept(*inputs)
    except LongspanError:
        raise
    except Exception as error:  # torch-pruning raises whatever the code raises that it traces
        raise ConfigError(f"{name} cannot be pruned: {' '.join(str(error).split())!r:.200}") from error
    return smaller.eval()


def _fixed(kept: _Kept, inputs: tuple[torch.Tensor, ...]) -> list[nn.Module]:
    """Layers whose outputs stay: the readers, and whatever makes the features that they read."""
    import torch_pruning

    graph = torch_pruning.DependencyGraph().build_dependency(kept, example_inputs=inputs)
    fixed: list[nn.Module] = list(kept.readers)
    for reader in kept.readers:
        assert isinstance(reader, nn.Linear)
        group = graph.get_pruning_group(
            reader, torch_pruning.prune_linear_in_channels, idxs=list(range(reader.in_features))
        )
        fixed += [
            dependency.target.module for dependency, _ in group if graph.is_out_channel_pruning_fn(dependency.handler)
        ]
    return fixed


def _rebuilt(
    smaller: Backbone, backbone: Backbone, name: str, inputs: tuple[torch.Tensor, ...], *, maps: bool
) -> Backbone:
    """The smaller network as a model file builds it; ConfigError where that computes something else."""
    with torch.random.fork_rng(devices=[]):
        like = backbone_from_json({key: each for key, each in to_json(backbone).items() if key != "narrowed"})
    try:
        described = {**to_json(like), "narrowed": sizes_of(smaller, like)}
    except ValueError as error:
        raise ConfigError(f"{name} cannot be pruned: {error}, which cannot be made smaller.") from error
    with torch.random.fork_rng(devices=[]):
        built = backbone_from_json(described)
    built.load_state_dict(smaller.state_dict())
    built.eval()
    with torch.no_grad():
        pairs = (
            zip(built.features(*inputs), smaller.features(*inputs), strict=True)
            if maps
            else [(built(*inputs), smaller(*inputs))]
        )
        if not all(torch.allclose(one, other, rtol=1e-4, atol=1e-5) for one, other in pairs):
            raise ConfigError(f"{name} cannot be pruned: built again from a file, it computes something else.")
    return built
