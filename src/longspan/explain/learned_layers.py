"""What each layer of a convolutional network learned: the patches that excite its channels most, and why they do."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from longspan.data import Table, encode_rows
from longspan.errors import ConfigError, unknown_name
from longspan.explain.attribution import network_of
from longspan.explain.attribution_checks import make_random
from longspan.explain.receptive_field import ReceptiveField, receptive_fields
from longspan.inference.network import eval_view
from longspan.inference.predictor import Predictor
from longspan.portable.new_values import with_inputs
from longspan.randomness import permutation
from longspan.study.statistics.t_distribution import t_quantile

__all__ = ["ChannelPatches", "LayerPatches", "Purity", "learned_layers", "map_layers"]

_DEPTHS = 5
_BATCH = 16
_MOST_CHANNELS = 64
_LEAST_PX = 3
_CONTRAST = 0.999


@final
@dataclass(frozen=True, eq=False, slots=True)
class ChannelPatches:
    """One channel of a layer."""

    channel: int
    patches: tuple[np.ndarray, ...]
    """The pieces of images that excite it most, `(h, w, C)` uint8, the strongest first; grey outside the image."""
    reconstructions: tuple[np.ndarray, ...]
    """What in each of them does: projected back by a deconvolution network, `(h, w, C)` uint8, grey for nothing."""
    rows: tuple[int, ...]
    """Of the table, from which they are."""
    activations: tuple[float, ...]
    labels: tuple[Any, ...]
    """Of these rows; empty without classes."""


@final
@dataclass(frozen=True, slots=True)
class Purity:
    """How often two of the strongest patches of a channel are of one class."""

    trained: float
    interval: tuple[float, float]
    """95 %, over channels."""
    random: float
    """Of the same network with random weights."""
    random_interval: tuple[float, float]
    chance: float
    """Of patches drawn at random."""


@final
@dataclass(frozen=True, eq=False, slots=True)
class LayerPatches:
    """One layer."""

    name: str
    field: ReceptiveField
    channels: tuple[ChannelPatches, ...]
    purity: Purity | None
    """None without classes."""


def learned_layers(
    model: Any,
    table: Table,
    *,
    layers: Sequence[str] | None = None,
    channels: int = 6,
    patches: int = 9,
    rows: int = 400,
    target: str | None = None,
    seed: int = 0,
) -> list[LayerPatches]:
    """The strongest patches of a few channels of some layers, their reconstructions, and how alike they are in meaning.

    Source: Zeiler and Fergus 2013, "Visualizing and understanding convolutional networks", section 2.1 and figure 2.
    A deconvolution network with switches is the backward pass with another rule for rectifiers (Springenberg et al.
    2014, section 3.4): convolutions go back through the same filters, maximum pooling through the places of the maxima,
    and every rectifier lets through what is positive on the way back. Differs: of an image each channel gets its
    strongest place only, so that nine patches are of nine images; batch normalisation scales the signal back;
    smooth and leaky rectifiers count as such, and saturating ones go back by their derivative.

    Args:
        model: A trained network that reads one image, or a Learner.
        table: Rows with images, best ones that it was not trained on; with the target, purity is measured.
        layers: Names of modules in the backbone that give maps; None: five depths.
        channels: Shown of each layer: those whose strongest patch stands out most.
        patches: Of each channel.
        rows: At most so many are looked at, drawn at random.
        target: Whose classes are counted, of a model with several; it must predict classes for a purity.
        seed: Of the draw, and of the random weights.

    Raises:
        ConfigError: a model that does not read exactly one image, has no convolutions, or options out of range.
        UnknownNameError: there is no such layer; with the nearest name.
        DataError: images that cannot be read.
    """
    if channels < 1 or patches < 2:
        raise ConfigError(f"channels must be at least 1 and patches at least 2, got {channels} and {patches}.")
    predictor = network_of(model)
    taken = np.sort(permutation(seed, "learned layers", 0, len(table)).numpy()[:rows])
    if len(taken) < patches:
        raise ConfigError(f"There are {len(taken)} rows, but {patches} patches of each channel are of as many images.")
    prepared, pixels = _read(predictor, table, taken)
    backbone = eval_view(predictor.network).get_submodule("backbone")
    fields = _fields(backbone, prepared[:1])
    chosen = _chosen(backbone, fields, layers)
    labels = _labels(predictor, table, taken, target)
    strongest = _strongest(backbone, prepared, chosen)
    again = _strongest(_with_random_weights(predictor, seed), prepared, chosen) if labels is not None else {}
    found = []
    for name in chosen:
        values, places, widths = strongest[name]
        purity = None
        if labels is not None:
            purity = _purity(values, again[name][0], labels, patches)
        # A channel that is silent, or equally loud everywhere, shows nothing.
        order = torch.topk(values, patches, dim=0).values
        spread = (order.mean(dim=0) - values.mean(dim=0)) / values.std(dim=0).clamp_min(1e-9)
        loudest = [int(each) for each in torch.argsort(spread, descending=True) if order[0, each] > 0][:channels]
        shown = tuple(
            _channel(
                backbone, name, channel, values, places, widths, fields[name], prepared, pixels, taken, labels, patches
            )
            for channel in loudest
        )
        found.append(LayerPatches(name, fields[name], shown, purity))
    return found


def map_layers(backbone: nn.Module, fields: Mapping[str, ReceptiveField]) -> list[str]:
    """Names of layers whose channels can be shown, from the first to the last: normalised ones where there are any."""
    kinds = {name: module for name, module in backbone.named_modules() if name in fields}
    normed = [name for name, module in kinds.items() if isinstance(module, nn.BatchNorm2d)]
    convolutions = [name for name, module in kinds.items() if isinstance(module, nn.Conv2d)]
    # LeNet-5 of 1998, for one, has layers of its own kind: all that give a map of more than one place.
    others = [
        name for name, module in kinds.items() if not fields[name].whole and not any(True for _ in module.children())
    ]
    found = normed if len(normed) > 1 else convolutions or others
    return [name for name in fields if name in found]


def _fields(backbone: nn.Module, example: Tensor) -> dict[str, ReceptiveField]:
    try:
        return receptive_fields(backbone, example)
    except Exception as error:
        raise ConfigError(
            f"The receptive fields of this network are not known, so patches cannot be cut: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _chosen(backbone: nn.Module, fields: Mapping[str, ReceptiveField], layers: Sequence[str] | None) -> list[str]:
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


def _read(predictor: Predictor, table: Table, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Prepared images `(N, C, H, W)`, and their pixels `(N, H, W, C)` uint8."""
    ((name, column),) = predictor.inputs.items()
    samples = encode_rows(with_inputs(table, predictor.inputs), rows, {name: column}, {})
    if samples.faults():
        from longspan.errors import data_error

        raise data_error("Images that cannot be read:", list(samples.faults().values()))
    pixels = samples.inputs[name].read(torch.from_numpy(rows))
    parts = [column.prepare(part.to(predictor.device), None).float() for part in pixels.split(_BATCH)]
    return torch.cat(parts), pixels


def _labels(predictor: Predictor, table: Table, rows: np.ndarray, target: str | None) -> list[Any] | None:
    """The classes of the rows; None where they are not known, or the target has none."""
    names = [name for name, head in predictor.heads.items() if head.kind == "classify"]
    if target is not None and target not in predictor.heads:
        raise unknown_name("target", target, list(predictor.heads))
    name = target if target is not None else names[0] if len(names) == 1 else None
    if name is None or name not in names or name not in table.columns:
        return None
    values = list(table.take(rows).column_values(name))
    return None if any(value is None for value in values) or len(set(values)) < 2 else values


def _with_random_weights(predictor: Predictor, seed: int) -> nn.Module:
    backbone = copy.deepcopy(predictor.network.get_submodule("backbone"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in backbone.modules():
            if any(True for _ in module.parameters(recurse=False)):
                make_random(module)
    return backbone.eval()


@torch.no_grad()
def _strongest(backbone: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, tuple[Tensor, Tensor, int]]:
    """By layer: of each image and channel the highest activation `(N, K)`, its place `(N, K)`, and the map's width."""
    kept: dict[str, Any] = {}
    hooks = [backbone.get_submodule(name).register_forward_hook(_keeper(kept, name)) for name in names]
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in names}
    widths: dict[str, int] = {}
    try:
        for part in images.split(_BATCH):
            backbone(part)
            for name in names:
                if kept[name].ndim != 4:
                    raise ConfigError(f"Layer {name!r} gives no map.")
                widths[name] = kept[name].shape[3]
                highest = kept[name].flatten(2).max(dim=2)
                parts[name].append((highest.values.cpu(), highest.indices.cpu()))
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: (torch.cat([each for each, _ in found]), torch.cat([each for _, each in found]), widths[name])
        for name, found in parts.items()
    }


def _keeper(kept: dict[str, Any], name: str) -> Any:
    """A hook that copies what a layer gives: a rectifier behind it may work in place."""

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        kept[name] = output.clone()

    return keep


def _purity(trained: Tensor, random: Tensor, labels: Sequence[Any], patches: int) -> Purity:
    counts = Counter(labels)
    total = len(labels)
    chance = sum(count * (count - 1) for count in counts.values()) / (total * (total - 1))
    (one, one_interval), (other, other_interval) = (
        _mean_interval(_same_class(values, labels, patches)) for values in (trained, random)
    )
    return Purity(one, one_interval, other, other_interval, chance)


def _same_class(values: Tensor, labels: Sequence[Any], patches: int) -> np.ndarray:
    """Of each channel the fraction of pairs among its strongest images that are of one class."""
    rows = torch.topk(values, patches, dim=0).indices.numpy()
    pairs = patches * (patches - 1)
    found = []
    for channel in range(values.shape[1]):
        counts = Counter(labels[row] for row in rows[:, channel])
        found.append(sum(count * (count - 1) for count in counts.values()) / pairs)
    return np.array(found)


def _mean_interval(values: np.ndarray) -> tuple[float, tuple[float, float]]:
    mean, margin = float(values.mean()), 0.0
    if len(values) > 1:
        margin = t_quantile(0.975, len(values) - 1) * float(values.std(ddof=1)) / len(values) ** 0.5
    return mean, (mean - margin, mean + margin)


def _channel(
    backbone: nn.Module,
    name: str,
    channel: int,
    values: Tensor,
    places: Tensor,
    width: int,
    field: ReceptiveField,
    prepared: Tensor,
    pixels: Tensor,
    rows: np.ndarray,
    labels: Sequence[Any] | None,
    patches: int,
) -> ChannelPatches:
    top = torch.topk(values[:, channel], patches)
    chosen = top.indices
    spots = places[chosen, channel]
    signals = _reconstruct(backbone, name, channel, prepared[chosen], spots)
    cuts, drawn = [], []
    for number, spot in enumerate(spots.tolist()):
        box = _box(field, spot // width, spot % width, tuple(prepared.shape[2:]))
        cuts.append(_cut(pixels[chosen[number]].numpy(), box))
        drawn.append(_cut(_as_image(signals[number]), box))
    return ChannelPatches(
        channel, tuple(cuts), tuple(drawn), tuple(int(rows[k]) for k in chosen), tuple(top.values.tolist()),
        () if labels is None else tuple(labels[k] for k in chosen.tolist()),
    )  # fmt: skip


def _box(field: ReceptiveField, row: int, column: int, size_px: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of what a place sees; all of the image where that is all or more."""
    sides = []
    for place, start, length, side in (
        (row, field.top_px, field.height_px, size_px[0]),
        (column, field.left_px, field.width_px, size_px[1]),
    ):
        if math.isinf(length) or length >= side:
            sides.append((0, side))
        else:
            begin = round(start + place * field.stride_px)
            sides.append((begin, begin + round(length)))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


def _cut(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """A piece of `(H, W, C)`; grey where it reaches over the border."""
    top, left, bottom, right = box
    piece = np.full((bottom - top, right - left, image.shape[2]), 128, np.uint8)
    inner = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    row, column = max(-top, 0), max(-left, 0)
    piece[row : row + inner.shape[0], column : column + inner.shape[1]] = inner
    return piece


def _as_image(signal: Tensor) -> np.ndarray:
    """`(C, H, W)` as `(H, W, C)` uint8, grey for 0, with as much contrast as there is room for."""
    scale = float(torch.quantile(signal.abs().flatten(), _CONTRAST)) or float(signal.abs().max()) or 1.0
    return (128 + 127 * signal / scale).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()


def _reconstruct(backbone: nn.Module, name: str, channel: int, images: Tensor, spots: Tensor) -> Tensor:
    """Project one activation of each image back to the pixels: `(N, C, H, W)`."""
    kept: list[Any] = []
    hook = backbone.get_submodule(name).register_forward_hook(lambda _, __, output: kept.append(output.clone()))
    try:
        with torch.enable_grad(), _Deconvolution():
            given = images.detach().clone().requires_grad_(True)
            backbone(given)
            chosen = kept[0][:, channel].flatten(1).gather(1, spots[:, None].to(images.device))
            # The signal that goes back is the activation itself, as in the paper, not 1.
            (signal,) = torch.autograd.grad(chosen.square().sum() / 2, given)
    finally:
        hook.remove()
    return signal


@final
class _Rectified(torch.autograd.Function):
    """A rectifier on the way there, and one on the way back, whatever was positive before."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, result: Tensor) -> Tensor:
        del ctx, values
        return result.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        del ctx
        return gradients[0].clamp_min(0), None


_RECTIFIERS = {
    getattr(home, name)
    for home in (torch, torch.nn.functional)
    for name in (
        "relu", "relu_", "relu6", "leaky_relu", "elu", "gelu", "silu", "hardswish", "hardtanh", "selu", "mish", "prelu",
    )
    if hasattr(home, name)
}  # fmt: skip


@final
class _Deconvolution(TorchFunctionMode):
    """Inside, every activation function goes back as in a deconvolution network."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = dict(kwargs or {})
        if func not in _RECTIFIERS:
            return func(*args, **kwargs)
        values = kwargs.pop("input", args[0] if args else None)
        with torch.no_grad(), torch._C.DisableTorchFunction():
            result = func(values.detach().clone(), *args[1:], **kwargs)
        return _Rectified.apply(values, result)
