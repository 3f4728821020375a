"""Can a map of where a network looked be trusted: does it change with the weights, and does it cover the object?"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from longspan.errors import ConfigError, ShapeError
from longspan.explain.attribution import (
    METHODS,
    AttributionModel,
    Method,
    attribution_batch,
    attribution_model,
    check_maps,
    maps_of,
)
from longspan.explain.expected_cost import HOUR
from longspan.study.statistics.t_distribution import t_quantile

__all__ = ["RegionScore", "SanityCheck", "make_random", "region_scores", "sanity_check"]


@final
@dataclass(frozen=True, slots=True)
class SanityCheck:
    """How alike maps stay while the weights are made random from the top."""

    method: Method
    layers: tuple[str, ...]
    """What is random, each with all before it: the heads first."""
    similarity: tuple[float, ...]
    """Rank correlation with the maps of the trained network, the mean over images; 1 is the same map."""

    @property
    def passed(self) -> bool:
        """Whether a network of random weights gives another map: a correlation below one half."""
        return self.similarity[-1] < 0.5


@final
@dataclass(frozen=True, slots=True)
class RegionScore:
    """Maps beside the region where the object is."""

    energy: float
    """Fraction of the positive attribution inside the region, the mean over images."""
    energy_interval: tuple[float, float]
    """95 %, over images."""
    area: float
    """Fraction of the image that the region covers: the energy of a map without meaning."""
    hits: float
    """Fraction of images whose highest place lies inside (the pointing game)."""
    images: int


def sanity_check(
    model: Any, images: Any, *, method: Method = "grad_cam", target: str | None = None, seed: int = 0,
    stages: int | None = None, max_seconds: float | None = HOUR, **options: Any,
) -> SanityCheck:  # fmt: skip
    """Compare maps of the trained network with those of networks whose upper layers are random.

    Args:
        model: See `attribute`.
        images: A few.
        method: See `attribute`.
        target: See `attribute`.
        seed: Of the random weights.
        stages: Maps are compared after so many groups of layers, the heads first and all of them last; None: after
            every group, which takes as many times as long as there are groups.
        max_seconds: Refused if it would take longer; None: never.
        options: `steps` and `patch_px` of `attribute`.

    The model itself is not changed.

    Source: Adebayo et al. 2018, "Sanity checks for saliency maps", section 3.1 (cascading randomisation). Differs:
    layers are the backbone's groups of parameters; ranks of the maps, not of their absolute values, are correlated.
    """
    if stages is not None and stages < 2:
        raise ConfigError(f"stages must be at least 2, the heads and everything; got {stages}.")
    batch = attribution_batch(model, images, target=target)
    known = len(batch.predictor.network.groups())
    times = 1 + (known if stages is None else min(stages, known))
    check_maps(f"The check of {METHODS[method]}", batch, times, max_seconds, method=method, **options)
    trained, _ = maps_of(batch.model, batch.prepared, batch.classes, method, **options)
    names = {id(module): name for name, module in batch.model.network.named_modules()}
    network = copy.deepcopy(batch.predictor.network)
    fresh = attribution_model(network, batch.target, batch.prepared[:1])
    again = AttributionModel(
        network,
        fresh.outputs,
        fresh.score,
        network.get_submodule(names[id(batch.model.layer)]) if batch.model.layer else None,
    )
    groups = [list(network.heads.parameters()), *reversed(network.groups()[:-1])]
    owners = _owners(network)
    compared = range(len(groups))
    if stages is not None and stages < len(groups):
        compared = np.linspace(0, len(groups) - 1, stages).round().astype(int).tolist()
    layers, similar = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for number, group in enumerate(groups):
            modules = list(dict.fromkeys(owners[id(parameter)] for parameter in group))
            for key in modules:
                make_random(network.get_submodule(key))
            if not modules or number not in compared:
                continue
            layers.append(modules[0])
            maps, _ = maps_of(again, batch.prepared, batch.classes, method, **options)
            similar.append(float(np.mean([_rank_correlation(a, b) for a, b in zip(trained, maps, strict=True)])))
    return SanityCheck(method, tuple(layers), tuple(similar))


def region_scores(maps: Sequence[np.ndarray], regions: Sequence[np.ndarray]) -> RegionScore:
    """How much of the attribution lies where the object is.

    Args:
        maps: `(H, W)` each, as `Attribution.map`; parts below 0 count as 0.
        regions: Bool `(H, W)` each: where the object is, in the frame of the image as the network reads it.

    Raises:
        ConfigError: no map, or another number of regions.
        ShapeError: a region of another size than its map, or an empty one.
    """
    if not maps or len(maps) != len(regions):
        raise ConfigError(f"Give as many regions as maps, at least one; got {len(regions)} and {len(maps)}.")
    energies, hits, areas = [], [], []
    for number, (found, region) in enumerate(zip(maps, regions, strict=True)):
        inside = np.asarray(region, bool)
        if inside.shape != found.shape or not inside.any():
            raise ShapeError(
                f"Region {number} must be a mask of {found.shape} with at least one place inside, got {inside.shape} "
                f"with {int(inside.sum())}."
            )
        positive = np.clip(found, 0, None)
        total = float(positive.sum())
        areas.append(float(inside.mean()))
        energies.append(float(positive[inside].sum()) / total if total else areas[-1])
        hits.append(bool(inside.flat[int(found.argmax())]))
    mean = float(np.mean(energies))
    margin = 0.0
    if len(energies) > 1:
        margin = t_quantile(0.975, len(energies) - 1) * float(np.std(energies, ddof=1)) / len(energies) ** 0.5
    return RegionScore(mean, (mean - margin, mean + margin), float(np.mean(areas)), float(np.mean(hits)), len(energies))


def _owners(network: nn.Module) -> dict[int, str]:
    """By the identity of a parameter the name of its module."""
    return {
        id(parameter): name
        for name, module in network.named_modules()
        for parameter in module.parameters(recurse=False)
    }


def make_random(module: nn.Module) -> None:
    """Fresh weights, as the module is made with; of one that has no such method, of the same spread as its own."""
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    with torch.no_grad():
        for parameter in module.parameters(recurse=False):
            parameter.normal_(float(parameter.mean()), float(parameter.std()) if parameter.numel() > 1 else 1.0)


def _rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's; 0 where a map is the same everywhere."""
    ranks = [_ranks(each.flatten().cpu().numpy()) for each in (first, second)]
    if any(float(each.std()) == 0 for each in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + last - 1) / 2)[inverse]
