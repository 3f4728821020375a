"""Where a network looked: how much each pixel of an image counted for a prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longspan.errors import ConfigError, unknown_name
from longspan.explain.expected_cost import HOUR, check_cost
from longspan.inference.measured_rows import only_target
from longspan.inference.network import eval_view
from longspan.inference.new_inputs import read_inputs
from longspan.inference.predictor import Predictor

__all__ = [
    "METHODS",
    "Attribution",
    "AttributionBatch",
    "AttributionModel",
    "Method",
    "attribute",
    "attribution_batch",
    "attribution_model",
    "check_maps",
    "maps_of",
    "network_of",
]

Method = Literal["grad_cam", "occlusion", "integrated_gradients"]
METHODS: dict[Method, str] = {
    "grad_cam": "Grad-CAM", "occlusion": "Occlusion", "integrated_gradients": "Integrated gradients",
}  # fmt: skip
"""Each by its name for people."""
_OCCLUDED_AT_A_TIME = 32
_AT_A_TIME = 16
_PATCHES = 7  # across the shorter side


@final
@dataclass(frozen=True, eq=False, slots=True)
class Attribution:
    """How much each pixel counted for one prediction."""

    method: Method
    image: np.ndarray
    """As the network reads it: `(H, W)` or `(H, W, 3)` uint8."""
    map: np.ndarray
    """`(H, W)` float32; of Grad-CAM at least 0, of the others above 0 where pixels raise the score."""
    target: str
    outcome: Any
    """The class whose score it is; None for a quantity."""
    score: float
    """The network's output for it, before any softmax."""
    path: str | None = None
    """The image's file."""


@final
@dataclass(frozen=True, slots=True)
class AttributionModel:
    """A network and the one output whose score is explained, for prepared images."""

    network: nn.Module
    outputs: Callable[[Tensor], Tensor]
    """`(B, C, H, W)` prepared images to `(B, K)` outputs of the target, before any softmax."""
    score: Callable[[Tensor, Tensor], Tensor]
    """`(B, C, H, W)` prepared images and `(B,)` numbers of classes to `(B,)` scores."""
    layer: nn.Module | None
    """Whose activations Grad-CAM weighs; None where no layer gives a map."""


@final
@dataclass(frozen=True, eq=False, slots=True)
class AttributionBatch:
    """Images read for a network, and what is to be explained about them."""

    predictor: Predictor
    target: str
    images: list[np.ndarray]
    """As the network reads them, uint8."""
    paths: list[str | None]
    prepared: Tensor
    """`(B, C, H, W)` float32."""
    model: AttributionModel
    labels: tuple[Any, ...]
    """Of the target; empty for a quantity."""
    classes: Tensor
    """`(B,)`: which to explain."""


def attribute(
    model: Any,
    images: Any,
    *,
    method: Method = "grad_cam",
    target: str | None = None,
    outcome: Any = None,
    layer: str | None = None,
    steps: int = 32,
    patch_px: int | None = None,
    max_seconds: float | None = HOUR,
) -> list[Attribution]:
    """How much each pixel of some images counted for what a network predicts.

    Args:
        model: A trained network that reads one image, or a Learner.
        images: One image, or a list: paths, arrays, Pillow images.
        method: "grad_cam": the activations of a layer, weighted by their gradients. "occlusion": how far the score
            falls when a patch is covered by the mean colour. "integrated_gradients": gradients along the way from an
            image of the mean colour.
        target: Of a model with several; it predicts a class, or a quantity.
        outcome: The class to explain; None: for each image the predicted one.
        layer: For Grad-CAM, the name of a module in the backbone; None: the last one whose output is a map.
        steps: Of integrated gradients.
        patch_px: Side of the patches of occlusion; None: a seventh of the shorter side. They move by half of it.
        max_seconds: Refused if it would take longer; None: never.

    Returns:
        As many as images, in order.

    Raises:
        ConfigError: a model that does not read exactly one image, a target that lies in the image, or options out of
            range.
        UnknownNameError: no such target, class or layer.
        DataError: images that cannot be read, all of them by name.

    Source: Selvaraju et al. 2017, "Grad-CAM", section 3; Zeiler and Fergus 2014, section 4.2; Sundararajan, Taly and
    Yan 2017, "Axiomatic attribution", section 3. Differs: Grad-CAM's map is enlarged bilinearly and not multiplied
    with guided backpropagation; occlusion and integrated gradients start from the training rows' mean colour, and are
    summed over channels; the integral is a Gauss-Legendre quadrature.
    """
    if method not in METHODS:
        raise unknown_name("method", str(method), METHODS)
    if steps < 1:
        raise ConfigError(f"steps must be at least 1, got {steps}.")
    batch = attribution_batch(model, images, target=target, outcome=outcome, layer=layer)
    check_maps(METHODS[method], batch, 1, max_seconds, method=method, steps=steps, patch_px=patch_px)
    maps, scores = maps_of(batch.model, batch.prepared, batch.classes, method, steps=steps, patch_px=patch_px)
    labels = batch.labels
    return [
        Attribution(
            method, batch.images[row], maps[row].cpu().numpy(), batch.target,
            labels[int(batch.classes[row])] if labels else None, float(scores[row]), batch.paths[row],
        )
        for row in range(len(maps))
    ]  # fmt: skip


def attribution_batch(
    model: Any, images: Any, *, target: str | None = None, outcome: Any = None, layer: str | None = None
) -> AttributionBatch:
    """Check what `attribute` is given, and read the images."""
    predictor = network_of(model)
    chosen = _target_of(predictor, target)
    read = read_inputs(images, predictor.inputs, predictor.heads)
    if not read.sources:
        raise ConfigError("There is no image to look at: the list is empty.")
    ((name, column),) = predictor.inputs.items()
    encoded = read.samples.inputs[name].read(torch.arange(len(read.sources)))
    prepared = column.prepare(encoded.to(predictor.device), None).float()
    # Modules of their own on the same weights: hooks must not see what other threads predict meanwhile.
    scored = attribution_model(eval_view(predictor.network), chosen, prepared[:1], layer)
    labels = tuple(getattr(predictor.heads[chosen].column, "vocab", ()))
    return AttributionBatch(
        predictor, chosen, [column.decode(each.numpy()) for each in encoded], read.sources, prepared,
        scored, labels, _classes(chosen, labels, scored, prepared, outcome),
    )  # fmt: skip


def attribution_model(network: nn.Module, target: str, example: Tensor, layer: str | None = None) -> AttributionModel:
    """What `attribute` differentiates.

    Args:
        network: A `Network` that reads one image.
        target: A class or a quantity of the whole image.
        example: `(1, C, H, W)`: one prepared image, with which the layer for Grad-CAM is found.
        layer: Its name in the backbone.
    """

    def outputs(images: Tensor) -> Tensor:
        found = network(images)[target]
        if found.ndim == 3:  # members of an ensemble in one network
            found = found.mean(dim=1)
        return found.reshape(len(images), -1)

    def score(images: Tensor, classes: Tensor) -> Tensor:
        return outputs(images).gather(1, classes[:, None])[:, 0]

    return AttributionModel(network, outputs, score, _layer(network.get_submodule("backbone"), example, layer))


def maps_of(
    model: AttributionModel,
    images: Tensor,
    classes: Tensor,
    method: Method,
    *,
    steps: int = 32,
    patch_px: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The maps `(B, H, W)` of prepared images `(B, C, H, W)` for classes `(B,)`, and the scores `(B,)`."""
    if len(images) > _AT_A_TIME:
        parts = [
            maps_of(model, some, numbers, method, steps=steps, patch_px=patch_px)
            for some, numbers in zip(images.split(_AT_A_TIME), classes.split(_AT_A_TIME), strict=True)
        ]
        return torch.cat([maps for maps, _ in parts]), torch.cat([scores for _, scores in parts])
    if method == "grad_cam":
        return _grad_cam(model, images, classes)
    with torch.no_grad():
        scores = model.score(images, classes)
    if method == "integrated_gradients":
        return _integrated_gradients(model, images, classes, steps), scores
    side = patch_px or max(1, min(images.shape[2:]) // _PATCHES)
    if not 1 <= side <= min(images.shape[2:]):
        raise ConfigError(f"patch_px must be at least 1 and at most {min(images.shape[2:])}, got {side}.")
    return _occlusion(model, images, classes, scores, side), scores


def check_maps(what: str, batch: AttributionBatch, passes: float, max_seconds: float | None, **options: Any) -> None:
    """Refuse maps of all images, so many times each, if they take too long; see `check_cost`."""
    count = min(2, len(batch.prepared))

    def probe() -> int:
        maps_of(batch.model, batch.prepared[:count], batch.classes[:count], **options)
        return count

    check_cost(what, passes * len(batch.prepared), probe, each=2, max_seconds=max_seconds)


def _grad_cam(model: AttributionModel, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    if model.layer is None:
        raise ConfigError("No layer of this network gives a map, which Grad-CAM needs; take method='occlusion'.")
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        kept.append(output)

    hook = model.layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            scores = model.score(images.detach().requires_grad_(True), classes)
            (gradients,) = torch.autograd.grad(scores.sum(), kept[-1])
    finally:
        hook.remove()
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    found = F.relu((weights * kept[-1].detach()).sum(dim=1, keepdim=True))
    return F.interpolate(found, images.shape[2:], mode="bilinear", align_corners=False)[:, 0], scores.detach()


def _integrated_gradients(model: AttributionModel, images: Tensor, classes: Tensor, steps: int) -> Tensor:
    points, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(images)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        with torch.enable_grad():
            between = (images * float(point)).detach().requires_grad_(True)
            (gradients,) = torch.autograd.grad(model.score(between, classes).sum(), between)
        total += gradients * float(weight)
    return (images * total).sum(dim=1)


@torch.no_grad()
def _occlusion(model: AttributionModel, images: Tensor, classes: Tensor, scores: Tensor, side: int) -> Tensor:
    """Of each pixel the mean fall of the score over the patches that cover it."""
    height, width = images.shape[2:]
    step = max(1, side // 2)
    starts = [range(0, math.ceil((length - side) / step) * step + 1, step) for length in (height, width)]
    corners = [(top, left) for top in starts[0] for left in starts[1]]
    falls = torch.zeros(len(images), height, width, device=images.device)
    counts = torch.zeros(height, width, device=images.device)
    for first in range(0, len(corners), _OCCLUDED_AT_A_TIME):
        some = corners[first : first + _OCCLUDED_AT_A_TIME]
        for row in range(len(images)):
            covered = images[row].repeat(len(some), 1, 1, 1)
            for each, (top, left) in zip(covered, some, strict=True):
                each[:, top : top + side, left : left + side] = 0  # the mean colour of the training rows
            fell = scores[row] - model.score(covered, classes[row].expand(len(some)))
            for value, (top, left) in zip(fell, some, strict=True):
                falls[row, top : top + side, left : left + side] += value
        for top, left in some:
            counts[top : top + side, left : left + side] += 1
    return falls / counts


def network_of(model: Any) -> Predictor:
    """The predictor of a model that reads exactly one image."""
    model = model.predictor() if hasattr(model, "predictor") else model
    if not hasattr(model, "single_network"):
        raise ConfigError(f"Only trained networks look at images, not {type(model).__name__}.")
    predictor = model.single_network("show where it looked")
    columns = [*predictor.inputs.values()]
    if len(columns) != 1 or not columns[0].encodes_pixels:
        raise ConfigError(
            f"Where a network looked is shown for networks that read one image; this one reads "
            f"{', '.join(f'{name} ({column.kind})' for name, column in predictor.inputs.items())}."
        )
    return predictor


def _target_of(predictor: Predictor, target: str | None) -> str:
    target = only_target(predictor, target)
    if predictor.heads[target].kind not in ("classify", "multi_label_classify", "regress"):
        raise ConfigError(
            f"Target {target!r} has a head of kind {predictor.heads[target].kind}; where a network looked is shown for "
            "classes, labels and quantities of whole images."
        )
    return target


def _classes(target: str, labels: Sequence[Any], model: AttributionModel, images: Tensor, outcome: Any) -> Tensor:
    """Numbers of the classes to explain, `(B,)`; of a quantity zeros."""
    if not labels:
        if outcome is not None:
            raise ConfigError(f"Target {target!r} is a quantity; it has no classes to choose outcome= from.")
        return torch.zeros(len(images), dtype=torch.int64, device=images.device)
    if outcome is not None:
        if outcome not in labels:
            raise unknown_name("class", str(outcome), list(map(str, labels)))
        return torch.full((len(images),), labels.index(outcome), device=images.device)
    with torch.no_grad():
        return model.outputs(images).argmax(dim=1)


def _layer(backbone: nn.Module, example: Tensor, name: str | None) -> nn.Module | None:
    """The module of that name, or the last that gives a map of more than one place."""
    modules = dict(backbone.named_modules())
    if name is not None and name not in modules:
        raise unknown_name("layer", name, [each for each in modules if each])
    found: list[tuple[str, nn.Module]] = []

    def note(module_name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and max(output.shape[2:]) > 1:
                found.append((module_name, module))

        return hook

    hooks = [module.register_forward_hook(note(each)) for each, module in modules.items()]
    try:
        with torch.no_grad():
            backbone(example)
    finally:
        for hook in hooks:
            hook.remove()
    if name is None:
        return found[-1][1] if found else None
    if name not in [each for each, _ in found]:
        maps = [each for each, _ in found if each]
        raise ConfigError(f"Layer {name!r} gives no map; Grad-CAM can use {', '.join(maps[-6:]) or 'none'}.")
    return modules[name]
