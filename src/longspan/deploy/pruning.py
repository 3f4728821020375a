"""Structured pruning: a network without the channels that matter least, so that it computes less on any processor."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from torch import nn

from longspan.data.batches.samples import Batch
from longspan.deploy.refitting import refit
from longspan.errors import ConfigError, LongspanError
from longspan.extras import require_extra
from longspan.inference import Predictor
from longspan.inference.network import Network
from longspan.inference.new_inputs import column_of
from longspan.inference.source import prepare_inputs, prepare_targets, sum_losses
from longspan.models import Backbone, to_json
from longspan.models import from_json as backbone_from_json
from longspan.models.fused import FusedBackbone
from longspan.models.narrowed import sizes_of

__all__ = ["multiply_adds", "prune"]

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
_TRIES = 7
_MOST = 0.95  # of the channels of a layer
_ROUND_TO = (8, 4)
"""Channels are left in multiples of one of these where layers are wide: processors multiply as many at a time."""
_LEFT_OF_A_LAYER = 0.1
"""At least this fraction of the channels of a layer stays, where layers give different fractions."""
_TOO_MUCH = 0.03
"""How much more than the asked fraction of multiply-adds may go."""


def prune(
    predictor: Predictor, fraction: float, inputs: tuple[torch.Tensor, ...], *, calibration: Sequence[Batch] = ()
) -> tuple[Predictor, float]:
    """The same model without the channels that matter least, not yet fine-tuned.

    Channels that depend on each other go together (Fang et al. 2023, "DepGraph"), as many as it takes to be rid of
    `fraction` of the multiply-adds. What the heads read keeps its width.

    With training rows, a channel matters as much as the loss would change without it, to first order (Molchanov et al.
    2019, "Importance estimation for neural network pruning"); those of all layers are compared with each other, so
    that a layer may lose nine tenths or nothing; and the layers that are left are fitted anew to what they computed
    (see `refit`). Without, the channels with the smallest weights go, the same fraction of every layer, because
    weights of different layers cannot be compared.

    Args:
        predictor: On the CPU; it stays as it is.
        fraction: Of the multiply-adds of the backbone that are to go, between 0 and 1.
        inputs: Prepared inputs of two rows.
        calibration: Training rows with their targets, some at a time.

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
    maps = not predictor.network.reads.isdisjoint(("maps", "places"))
    whole = multiply_adds(backbone, inputs, maps=maps)
    gradients = _gradients(predictor, calibration) if calibration else None
    best, most = None, 0.0
    # Groups of eight channels are coarse: where too much would go, smaller ones.
    for round_to in (*(each for each in _ROUND_TO if 2 * each <= _narrowest(backbone)), None):
        low, high = 0.0, _MOST
        for _ in range(_TRIES):
            ratio = (low + high) / 2
            smaller, kept = _without(backbone, name, ratio, inputs, gradients, maps=maps, round_to=round_to)
            gone = 1 - multiply_adds(smaller, inputs, maps=maps) / whole
            most = max(most, gone)
            if gone >= fraction:
                high = ratio
                if best is None or gone < best[1]:
                    best = (smaller, gone, kept)
            else:
                low = ratio
        if best is not None and best[1] - fraction <= _TOO_MUCH:
            break
    if best is None:
        raise ConfigError(
            f"{name} cannot be pruned by {fraction:.0%} of its multiply-adds, only by {most:.0%}: the others are in "
            "layers whose width something else depends on."
        )
    rows = [prepare_inputs(each, predictor.inputs) for each in calibration]
    if rows and all(isinstance(each, torch.Tensor) for each in rows[0]):
        refit(best[0], backbone, best[2], rows, _Kept.features_of(maps=maps))
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
        if isinstance(layer, _LAYERS):
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

    @staticmethod
    def features_of(*, maps: bool) -> Callable[..., Any]:
        """Computes what the heads read of a backbone."""
        return lambda backbone, *inputs: backbone.features(*inputs) if maps else backbone(*inputs)

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
    backbone: Backbone,
    name: str,
    ratio: float,
    inputs: tuple[torch.Tensor, ...],
    gradients: Mapping[str, torch.Tensor] | None,
    *,
    maps: bool,
    round_to: int | None,
) -> tuple[Backbone, dict[str, torch.Tensor]]:
    """A copy without this fraction of the channels of every group; by name of a layer the channels that are left."""
    import torch_pruning

    smaller = copy.deepcopy(backbone).requires_grad_(True)
    with torch.no_grad():
        found = smaller.features(*inputs) if maps else [smaller(*inputs)]
    widths = [int(each.shape[1 if maps else -1]) for each in found]
    kept = _Kept(smaller, widths, maps=maps).eval()
    judges: Any = torch_pruning.importance
    judge = judges.GroupMagnitudeImportance(p=2) if gradients is None else judges.GroupTaylorImportance()
    left: dict[str, torch.Tensor] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make: Any = torch_pruning.pruner.BasePruner  # its annotations are narrower than what it takes
            pruner = make(
                kept,
                inputs,
                importance=judge,
                pruning_ratio=ratio,
                ignored_layers=_fixed(kept, inputs),
                global_pruning=gradients is not None,
                max_pruning_ratio=1.0 if gradients is None else 1 - _LEFT_OF_A_LAYER,
                round_to=round_to,
            )
            for weight_name, weight in smaller.named_parameters():
                weight.grad = None if gradients is None else gradients[weight_name].clone()
            for group in pruner.step(interactive=True):
                left |= _left(group, pruner.DG, smaller)
                group.prune()
            smaller.zero_grad(set_to_none=True)
            with torch.no_grad():
                kept(*inputs)
    except LongspanError:
        raise
    except Exception as error:  # torch-pruning raises whatever the code raises that it traces
        raise ConfigError(f"{name} cannot be pruned: {' '.join(str(error).split())!r:.200}") from error
    return smaller.eval(), left


def _left(group: Any, graph: Any, backbone: nn.Module) -> dict[str, torch.Tensor]:
    """By name of a layer the output channels that a group of channels to be taken away leaves."""
    names, left = {layer: name for name, layer in backbone.named_modules()}, {}
    for dependency, gone in group:
        layer = dependency.target.module
        if layer in names and isinstance(layer, _LAYERS) and graph.is_out_channel_pruning_fn(dependency.handler):
            there = torch.ones(layer.weight.shape[0], dtype=torch.bool)
            there[list(gone)] = False
            left[names[layer]] = torch.where(there)[0]
    return left


def _gradients(predictor: Predictor, batches: Sequence[Batch]) -> dict[str, torch.Tensor]:
    """Of the loss of training rows, by name of a weight of the backbone."""
    network = copy.deepcopy(predictor.network).requires_grad_(True).eval()
    columns = {name: column_of(head) for name, head in predictor.heads.items()}
    for batch in batches:
        targets = prepare_targets(batch, columns)
        outputs = network(*prepare_inputs(batch, predictor.inputs), targets=targets)
        sum_losses(predictor.heads, outputs, targets, batch.present).backward()
    found = network.backbone.named_parameters()
    return {name: torch.zeros_like(weight) if weight.grad is None else weight.grad for name, weight in found}


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
