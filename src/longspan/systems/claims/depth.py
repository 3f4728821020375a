"""What depth gives and costs: plain and residual networks of 8 to 44 layers, depth against width, growing data."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from longspan.errors import ConfigError
from longspan.lazy_torch import torch
from longspan.systems.claims.claim import Claims, check_seeds, curves_figure, finish_claims, seeds_of
from longspan.systems.claims.images import ImageSet, images_of, load_parts
from longspan.systems.claims.training import error_of, train_classifier
from longspan.systems.options import check_above_zero, check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DEPTH", "DepthOptions", "gradient_norms", "same_parameters"]

_VANISHED = 0.1
"""Gradients vanish if those of the first layers are below this fraction of those of the last."""
_AS_GOOD = 0.01
"""A rise of the error that does not count as worse."""
_FEW = 4
"""Learning curves: a quarter of the rows, and all; with as many steps."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class DepthOptions:
    """Options of claim-depth."""

    size: int = 16
    """Height and width that the photos of CIFAR-10 are brought to, in pixels."""
    limit: int = 800
    """Training photos."""
    tested: int = 500
    """Test photos."""
    depths: str = "8,14,20,32,44"
    """Layers with weights, each 6 n + 2, separated by commas."""
    width: int = 8
    """Channels of the first stage; 16 in the paper."""
    epochs: int = 6
    """Passes over the training photos."""
    lr: float = 5e-3
    """Peak learning rate."""
    seeds: int = 3
    """Repetitions with other training photos and first weights, for intervals."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(
            size=(self.size, 8), limit=(self.limit, 40), tested=(self.tested, 10), width=(self.width, 2),
            epochs=(self.epochs, 1),
        )  # fmt: skip
        check_above_zero(lr=self.lr)
        check_seeds(self.seeds)
        _ = self.layers

    @property
    def layers(self) -> list[int]:
        """Depths as numbers, ascending."""
        try:
            found = sorted({int(each) for each in self.depths.split(",")})
        except ValueError:
            found = []
        if len(found) < 2 or any(each < 8 or each % 6 != 2 for each in found):
            raise ConfigError(f"--depths must be at least two of 8, 14, 20, 26, ... (6 n + 2), got {self.depths!r}.")
        return found


def _network(layers: int, width: int, data: ImageSet, *, shortcuts: bool, seed: int) -> nn.Module:
    from longspan.models import SmallResNetConfig, create

    torch.manual_seed(seed)
    size_px = (data.images.shape[2], data.images.shape[3])
    config = SmallResNetConfig(blocks=(layers - 2) // 6, width=width, shortcuts=shortcuts)
    backbone = create(config, in_channels=data.images.shape[1], size_px=size_px)
    network = torch.nn.Sequential(backbone, torch.nn.Linear(backbone.num_features, data.num_classes))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def same_parameters(layers: int, width: int, other: int) -> int:
    """The width at which a residual network of `other` layers has as many parameters as one of `layers` and `width`."""

    def count(depth: int, channels: int) -> int:
        from longspan.models import SmallResNetConfig, create

        built = create(SmallResNetConfig(blocks=(depth - 2) // 6, width=channels), in_channels=3, size_px=(16, 16))
        return sum(each.numel() for each in built.parameters())

    wanted = count(layers, width)
    return min(range(2, 8 * width), key=lambda channels: abs(count(other, channels) - wanted))


def gradient_norms(network: nn.Module, data: ImageSet, rows: int = 64) -> list[float]:
    """Of each convolution, first to last: the norm of the loss's gradient in its weights, per root of their number."""
    network.train()
    network.zero_grad()
    torch.nn.functional.cross_entropy(network(data.images[:rows]), data.classes[:rows]).backward()
    weights = [each.weight for each in network.modules() if isinstance(each, torch.nn.Conv2d)]
    norms = [float(each.grad.norm()) / each.numel() ** 0.5 for each in weights if each.grad is not None]
    network.zero_grad()
    return norms


def _run(options: DepthOptions, run: SystemRun) -> None:
    started = time.perf_counter()
    rows = load_parts("cifar10", rows=options.seeds * options.limit, tested=options.tested, seed=run.seed)
    train, test = (_centred(images_of(table, "label", size_px=options.size)) for table in rows)
    deepest, shallowest = options.layers[-1], options.layers[0]
    middle = options.layers[len(options.layers) // 2]
    wide = same_parameters(middle, options.width, shallowest)
    shapes = {f"{shallowest} layers, {wide} channels": (shallowest, wide), f"{middle} layers": (middle, options.width)}
    held_out: dict[tuple[str, int], list[float]] = {}
    training: dict[tuple[str, int], list[float]] = {}
    few: dict[tuple[str, int], list[float]] = {}
    norms: dict[str, list[list[float]]] = {"plain": [], "residual": []}
    for seed in seeds_of(run, options.seeds):
        own = train.sample(options.limit, seed)

        def trained(layers: int, width: int, data: ImageSet, shortcuts: bool = True, seed: int = seed) -> nn.Module:
            network = _network(layers, width, data, shortcuts=shortcuts, seed=seed)
            epochs = round(options.epochs * options.limit / len(data))  # as many steps with less data
            return train_classifier(network, data, epochs=epochs, lr=options.lr, seed=seed, batch_size=32)

        for kind, shortcuts in (("plain", False), ("residual", True)):
            network = _network(deepest, options.width, own, shortcuts=shortcuts, seed=seed)
            norms[kind].append(gradient_norms(network, own))
            for layers in options.layers:
                network = trained(layers, options.width, own, shortcuts)
                held_out.setdefault((kind, layers), []).append(error_of(network, test))
                training.setdefault((kind, layers), []).append(error_of(network, own))
                run.say(f"seed {seed}, {kind}, {layers} layers: error {held_out[kind, layers][-1]:.3f}, "
                        f"on training photos {training[kind, layers][-1]:.3f}")  # fmt: skip
        for name, (layers, width) in shapes.items():
            for data in (own.sample(options.limit // _FEW, seed), own):
                known = data is own and width == options.width
                error = held_out["residual", layers][-1] if known else error_of(trained(layers, width, data), test)
                few.setdefault((name, len(data)), []).append(error)
                run.say(f"seed {seed}, {name}, {len(data)} photos: error {error:.3f}")
    claims = Claims()
    _judge_depth(claims, held_out, training, norms, shallowest, deepest)
    wide_shape, deep_shape = shapes
    _judge_width(claims, few, wide_shape, deep_shape, options.limit)
    curves = {
        kind: {n: claims.measured(f"{kind}, {n} layers: error", held_out[kind, n]) for n in options.layers}
        for kind in norms
    }
    for (kind, layers), values in training.items():
        claims.measured(f"{kind}, {layers} layers: error on training photos", values)
    for (name, count), values in few.items():
        claims.measured(f"{name}, {count} photos: error", values)
    by_layer = {
        kind: {place + 1: _quantity(kind, place, values) for place in range(len(values[0]))}
        for kind, values in norms.items()
    }
    details = {
        "gradient norm of each convolution, first to last": {k: np.mean(v, axis=0).tolist() for k, v in norms.items()}
    }

    def figures() -> dict[str, Any]:
        shown: Any = curves
        slopes: Any = by_layer
        norm = curves_figure(slopes, label="gradient norm", size_label="convolution", log=False)
        norm.axes[0].set_yscale("log")
        return {
            "Error over depth": curves_figure(shown, label="error", size_label="layers", log=False),
            f"Gradient at the start, {deepest} layers": norm,
        }

    finish_claims(
        run, claims, started=started, options=asdict(options), figures=figures, details=details,
        subtitle="Do more layers help, and what do shortcuts change?",
    )  # fmt: skip


def _quantity(kind: str, place: int, values: list[list[float]]) -> Any:
    from longspan.systems.claims.claim import Quantity

    return Quantity(f"{kind}, convolution {place + 1}", tuple(each[place] for each in values))


def _centred(data: ImageSet) -> ImageSet:
    """Pixels around 0, with a spread of about 1, and laid out for convolutions."""
    images = ((data.images - 0.47) / 0.25).contiguous(memory_format=torch.channels_last)
    return ImageSet(images, data.classes, data.num_classes)


def _differences(first: list[float], second: list[float]) -> list[float]:
    return [a - b for a, b in zip(first, second, strict=True)]


def _judge_depth(
    claims: Claims, held_out: dict[tuple[str, int], list[float]], training: dict[tuple[str, int], list[float]],
    norms: dict[str, list[list[float]]], shallowest: int, deepest: int,
) -> None:  # fmt: skip
    """Without shortcuts against with, paired by seed."""
    span = f"{deepest} less {shallowest} layers"
    claims.above(
        "Without shortcuts networks get worse with depth", f"plain, error of {span}",
        _differences(held_out["plain", deepest], held_out["plain", shallowest]),
    )  # fmt: skip
    claims.above(
        "They do so on the training photos too: it is not overfitting", f"plain, training error of {span}",
        _differences(training["plain", deepest], training["plain", shallowest]),
    )  # fmt: skip
    claims.below(
        "Residual networks do not get worse with depth", f"residual, error of {span}",
        _differences(held_out["residual", deepest], held_out["residual", shallowest]), _AS_GOOD,
    )  # fmt: skip
    claims.above(
        f"At {deepest} layers shortcuts lower the error", f"error of plain - residual, {deepest} layers",
        _differences(held_out["plain", deepest], held_out["residual", deepest]),
    )  # fmt: skip
    third = len(norms["plain"][0]) // 3
    ratios = [float(np.mean(each[:third]) / np.mean(each[-third:])) for each in norms["plain"]]
    claims.below(
        f"In a plain network of {deepest} layers gradients vanish on their way to the first layers",
        "plain, gradient of the first third / last third of the layers", ratios, _VANISHED,
    )  # fmt: skip


def _judge_width(claims: Claims, few: dict[tuple[str, int], list[float]], wide: str, deep: str, rows: int) -> None:
    """Depth against width at equal parameters, with all the data and with a quarter."""
    claims.above(
        f"At equal parameters {deep} beat {wide}", f"error of {wide} - {deep}, {rows} photos",
        _differences(few[wide, rows], few[deep, rows]),
    )  # fmt: skip
    claims.above(
        f"Deeper networks need less data: so they do with {rows // _FEW} photos",
        f"error of {wide} - {deep}, {rows // _FEW} photos",
        _differences(few[wide, rows // _FEW], few[deep, rows // _FEW]),
    )  # fmt: skip


DEPTH = System(
    name="claim-depth",
    summary="Measures plain and residual networks of 8 to 44 layers, depth against width, and learning curves.",
    needs="the data set cifar10 (170 MB) and about ten minutes",
    options=DepthOptions,
    run=_run,
)
