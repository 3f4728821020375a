"""A photo in the style of a painting, by changing its pixels until a trained network sees both."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor

from longspan.errors import ConfigError, DataError, TrainingError
from longspan.generative.style_losses import StyleLosses
from longspan.vision.image_io import read_pixels

__all__ = ["StyleConfig", "StyledPhoto", "as_pixels", "read_photo", "roughness", "transfer_style"]

_LEAST_PX = 64
_HISTORY = 10
_DARKEST = 0.02
_LOOK_EVERY = 20


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StyleConfig:
    """How a photo is painted."""

    size_px: int = 256
    """Longer side of the result, in pixels."""
    steps: int = 300
    """Steps of the optimizer."""
    style_weight: float = 10.0
    """Weight of the style loss beside the content loss; both are relative."""
    smoothness: float = 0.02
    """Weight of the mean absolute difference between neighbouring pixels."""
    optimizer: Literal["lbfgs", "adam"] = "adam"
    """Adam, or L-BFGS as in the paper, whose steps take three times as long."""
    lr: float = 0.2
    """Rate of Adam, on the logits of the pixels."""
    start: Literal["photo", "noise"] = "photo"
    """From the photo, or from noise as in the paper."""
    network: str = "squeezenet1_1"
    """The network that looks, by name."""
    weights: str | None = "imagenet"
    """Its weights: "imagenet", a file, or None for random ones."""
    content_map: int = 2
    """Which of its maps, from fine (0) to coarse, carries the content."""
    frames: int = 6
    """How many images of the way are kept, the first and the last among them."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        faults = [
            f"{name} must be at least {least}, got {getattr(self, name)}"
            for name, least in (("size_px", _LEAST_PX), ("steps", 1), ("frames", 2), ("content_map", 0))
            if getattr(self, name) < least
        ]
        faults += [
            f"{name} must be a finite number {'above' if positive else 'of at least'} 0, got {getattr(self, name)}"
            for name, positive in (("style_weight", True), ("smoothness", False), ("lr", True))
            if not math.isfinite(getattr(self, name))
            or getattr(self, name) < 0
            or (positive and not getattr(self, name))
        ]
        faults += [
            f"{name} must be {' or '.join(map(repr, known))}, got {getattr(self, name)!r}"
            for name, known in (("optimizer", ("lbfgs", "adam")), ("start", ("photo", "noise")))
            if getattr(self, name) not in known
        ]
        if faults:
            raise ConfigError(f"StyleConfig: {'; '.join(faults)}.")


@final
@dataclass(frozen=True, slots=True)
class StyledPhoto:
    """The result, and how it came about."""

    image: np.ndarray
    """`(H, W, 3)` uint8."""
    photo: np.ndarray
    """The photo at the size of the result, `(H, W, 3)` uint8."""
    painting: np.ndarray
    """The painting as the network saw it, `(H, W, 3)` uint8."""
    frames: tuple[tuple[int, np.ndarray], ...]
    """Images on the way, with the step after which each was kept."""
    content_losses: tuple[float, ...]
    """Before each step; 1 is as far from the photo as an image in which the network sees nothing."""
    style_losses: tuple[float, ...]
    """Likewise, from the painting."""
    seconds: float


def read_photo(value: Any, size_px: int, what: str) -> Tensor:
    """An image as `(1, 3, H, W)` float in 0..1, its longer side `size_px`.

    Args:
        value: A path, an array or a Pillow image.
        size_px: Longer side, in pixels.
        what: What the image is, for messages.

    Raises:
        DataError: it cannot be read, or is too narrow.
    """
    try:
        image = read_pixels(value, "RGB", size_px)
    except ValueError as error:
        where = f" {value}" if isinstance(value, str | Path) else ""
        raise DataError(f"The {what}{where} cannot be read: {error}.") from error
    scale = size_px / max(image.size)
    width, height = (max(round(side * scale), 1) for side in image.size)
    if min(width, height) < _LEAST_PX // 2:
        raise DataError(
            f"The {what} would be {width} x {height} px at this size: its sides must be at least {_LEAST_PX // 2} px. "
            "Cut it, or take a larger size_px."
        )
    values = np.asarray(image.resize((width, height)), np.float32) / 255
    return torch.from_numpy(values).permute(2, 0, 1)[None].contiguous()


def as_pixels(image: Tensor) -> np.ndarray:
    """`(H, W, 3)` uint8 of one image `(1, 3, H, W)` in 0..1."""
    return (image[0].detach().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def transfer_style(
    photo: Any,
    painting: Any,
    *,
    config: StyleConfig | None = None,
    losses: StyleLosses | None = None,
    seed: int = 0,
    device: str = "cpu",
    tell: Callable[[str], None] | None = None,
) -> StyledPhoto:
    """Paint a photo in the style of a painting.

    Source: Gatys et al. 2015, "A neural algorithm of artistic style"; 2016, "Image style transfer using convolutional
    neural networks". Differs: relative losses (see `StyleLosses`), the photo as the start, pixels kept within 0..1,
    and a small weight on smoothness.

    Args:
        photo: What is painted: a path, an array `(H, W, 3)` uint8, or a Pillow image.
        painting: Whose style is taken; likewise.
        config: How; None: the defaults.
        losses: A network that is loaded already, with the settings of `config`; None: it is loaded.
        seed: Of the noise to start from.
        device: Where it is computed.
        tell: Called now and then with a line on how far it is.

    Raises:
        DataError: an image cannot be read, or is too narrow.
        ConfigError: the network has no feature maps.
        TrainingError: a loss is not finite any more.
    """
    config = config or StyleConfig()
    target = read_photo(photo, config.size_px, "photo").to(device)
    style = read_photo(painting, config.size_px, "painting").to(device)
    losses = losses or StyleLosses(config.network, config.weights, config.content_map)
    losses.to(device).look_at_style(style)
    losses.look_at_content(target)
    image = target
    if config.start == "noise":
        image = torch.rand(target.shape, generator=torch.Generator().manual_seed(seed)).to(device)
    # What is optimised has no bounds, so that no step has to be cut off, which would mislead L-BFGS.
    unbounded = torch.logit(image.clamp(_DARKEST, 1 - _DARKEST)).requires_grad_(True)
    optimizer = _optimizer(config, unbounded)
    found: list[tuple[float, float]] = []
    kept = {round(k) for k in np.geomspace(1, config.steps, config.frames - 1)}
    frames = [(0, as_pixels(image))]
    started = time.perf_counter()

    def closure() -> float:
        optimizer.zero_grad()
        image = torch.sigmoid(unbounded)
        content, styles = losses(image)
        total = content.sum() + config.style_weight * styles.sum() + config.smoothness * roughness(image)
        total.backward()
        evaluated.append((content.item(), styles.item()))
        return total.item()

    evaluated: list[tuple[float, float]] = []  # in one step: L-BFGS looks along a line
    for step in range(1, config.steps + 1):
        evaluated.clear()
        optimizer.step(closure)
        content, style_loss = evaluated[0]
        if not math.isfinite(content + style_loss):
            raise TrainingError(
                f"The losses became {content} and {style_loss} in step {step}. Take optimizer='adam', or a smaller "
                "style_weight."
            )
        found.append(evaluated[0])
        if step in kept or step == config.steps:
            frames.append((step, as_pixels(torch.sigmoid(unbounded))))
        if tell is not None and step % _LOOK_EVERY == 0:
            tell(f"step {step} of {config.steps}: content {content:.3f}, style {style_loss:.4f}")
    content_losses, style_losses = zip(*found, strict=True)
    result = as_pixels(torch.sigmoid(unbounded))
    seconds = time.perf_counter() - started
    return StyledPhoto(
        result, as_pixels(target), as_pixels(style), tuple(frames), content_losses, style_losses, seconds
    )


def _optimizer(config: StyleConfig, image: Tensor) -> torch.optim.Optimizer:
    if config.optimizer == "adam":
        return torch.optim.Adam([image], lr=config.lr)
    return torch.optim.LBFGS([image], lr=1.0, max_iter=1, history_size=_HISTORY, line_search_fn="strong_wolfe")


def roughness(image: Tensor) -> Tensor:
    """Mean absolute difference between neighbouring pixels."""
    return (image[..., 1:, :] - image[..., :-1, :]).abs().mean() + (image[..., 1:] - image[..., :-1]).abs().mean()
