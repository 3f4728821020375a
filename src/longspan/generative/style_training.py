"""Training, saving and using a network that paints in one style."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from longspan.errors import ConfigError, DataError, ModelFileError, TrainingError
from longspan.generative.style import StyleConfig, as_pixels, read_photo, roughness
from longspan.generative.style_losses import StyleLosses
from longspan.models.generative.style_network import StyleNetwork
from longspan.randomness import permutation, step_seed
from longspan.storage.files import read_tensors, write_tensors

__all__ = ["StyleTraining", "apply_style", "load_style", "save_style", "train_style"]

_KIND = "style network"
_TELL_EVERY = 100


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StyleTraining:
    """How a network learns to paint."""

    steps: int = 1600
    """Steps of Adam."""
    batch_size: int = 1
    """Photos a step; one and more steps learn more in the same time than several."""
    lr: float = 3e-3
    """Peak rate; it falls to 0 along a half cosine."""
    crop_px: int = 192
    """Side of the kept, cut at random places, that it learns from."""
    width: int = 16
    """Channels of the network at full size."""
    blocks: int = 5
    """Its residual blocks."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        faults = [
            f"{name} must be at least {least}, got {getattr(self, name)}"
            for name, least in (("steps", 1), ("batch_size", 1), ("crop_px", 64), ("width", 1), ("blocks", 1))
            if getattr(self, name) < least
        ]
        if self.crop_px % 4:
            faults.append(f"crop_px must be divisible by 4, got {self.crop_px}")
        if not 0 < self.lr < math.inf:
            faults.append(f"lr must be above 0 and finite, got {self.lr}")
        if faults:
            raise ConfigError(f"StyleTraining: {'; '.join(faults)}.")


def train_style(
    photos: Sequence[Any],
    painting: Any,
    *,
    config: StyleConfig | None = None,
    training: StyleTraining | None = None,
    losses: StyleLosses | None = None,
    seed: int = 0,
    device: str = "cpu",
    tell: Callable[[str], None] | None = None,
) -> StyleNetwork:
    """A network that paints any photo in the style of one painting.

    Source: Johnson et al. 2016. Differs: see `StyleNetwork` and `StyleLosses`; one photo a step for
    some thousand steps, any photos, instead of four for two epochs of COCO.

    Args:
        photos: What it learns from: paths, arrays or Pillow images; a few dozen will do.
        painting: Whose style it learns.
        config: Weights of the losses, the network that looks, and the size at which the painting is seen.
        training: How it learns.
        losses: A network that looks and is loaded already; None: that of `config` is loaded.
        seed: Of its first weights, the order of the photos and the places that are cut out.
        device: Where it is computed.
        tell: Called now and then with a line on how far it is.

    Raises:
        DataError: there is no photo, or one cannot be read.
        TrainingError: the loss is not finite any more.
    """
    config, training = config or StyleConfig(), training or StyleTraining()
    if not len(photos):
        raise DataError("A style network learns from photos, but there are none.")
    # One size for all, so that a crop shows about the same part of each.
    side = max(config.size_px, training.crop_px)
    kept = [
        _large_enough(read_photo(each, side, f"photo {place}"), training.crop_px) for place, each in enumerate(photos)
    ]
    losses = losses or StyleLosses(config.network, config.weights, config.content_map)
    losses.to(device).look_at_style(read_photo(painting, config.size_px, "painting").to(device))
    torch.manual_seed(step_seed(seed, "style network", 0))
    network = StyleNetwork(training.width, training.blocks).to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=training.lr)
    epochs = -(-training.steps * training.batch_size // len(kept))
    order = torch.cat([permutation(seed, "style photos", epoch, len(kept)) for epoch in range(epochs)])
    for step in range(training.steps):
        rate = training.lr * (1 + math.cos(math.pi * step / training.steps)) / 2
        optimizer.param_groups[0]["lr"] = rate
        chosen = order[step * training.batch_size : (step + 1) * training.batch_size].tolist()
        batch = torch.cat([_crop(kept[k], training.crop_px, seed, step, k) for k in chosen]).to(device)
        painted = network(batch)
        losses.look_at_content(batch)
        content, style = (each.mean() for each in losses(painted))
        total = content + config.style_weight * style + config.smoothness * roughness(painted)
        if not math.isfinite(total.item()):
            raise TrainingError(f"The loss became {total.item()} in step {step + 1}. Take a smaller lr.")
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if tell is not None and (step + 1) % _TELL_EVERY == 0:
            tell(f"step {step + 1} of {training.steps}: content {content.item():.3f}, style {style.item():.4f}")
    return network.eval()


@torch.no_grad()
def apply_style(network: StyleNetwork, photo: Any, size_px: int = 512) -> tuple[np.ndarray, float]:
    """A photo, painted: `(H, W, 3)` uint8, and the seconds that the network took.

    Args:
        network: See `train_style`.
        photo: A path, an array or a Pillow image.
        size_px: Longer side of the result.

    Raises:
        DataError: the photo cannot be read, or is too narrow.
    """
    values = read_photo(photo, size_px, "photo").to(next(network.parameters()).device)
    height, width = values.shape[-2:]
    started = time.perf_counter()
    padded = torch.nn.functional.pad(values, (0, -width % 4, 0, -height % 4), mode="replicate")
    painted = network(padded)[..., :height, :width]
    return as_pixels(painted), time.perf_counter() - started


def save_style(network: StyleNetwork, path: str | Path) -> Path:
    """Weights and widths as one safetensors file."""
    values = {"kind": _KIND, "width": network.width, "blocks": network.blocks}
    write_tensors(Path(path), dict(network.state_dict()), values)
    return Path(path)


def load_style(path: str | Path) -> StyleNetwork:
    """The network of a file that `save_style` wrote.

    Raises:
        ModelFileError: there is no such file, it is damaged, or it holds something else.
    """
    tensors, values = read_tensors(Path(path))
    if not isinstance(values, dict) or values.get("kind") != _KIND:
        raise ModelFileError(f"{path} holds no style network. longspan run style --train-on FOLDER makes one.")
    try:
        network = StyleNetwork(int(values["width"]), int(values["blocks"]))
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        raise ModelFileError(f"{path} is damaged: {error!r:.300}.") from error
    return network.eval()


def _large_enough(photo: Tensor, least_px: int) -> Tensor:
    """A photo whose shorter side is at least `least_px`, enlarged if need be: `(1, 3, H, W)`."""
    scale = least_px / min(photo.shape[-2:])
    if scale <= 1:
        return photo
    size = [max(math.ceil(side * scale), least_px) for side in photo.shape[-2:]]
    return torch.nn.functional.interpolate(photo, size, mode="bilinear", antialias=True).clamp(0, 1)


def _crop(photo: Tensor, side_px: int, seed: int, step: int, number: int) -> Tensor:
    """A square of a photo, cut at a place that depends on seed, step and photo alone, mirrored or not."""
    rng = np.random.default_rng(step_seed(seed, f"style crop {number}", step))
    top, left = (int(rng.integers(side - side_px + 1)) for side in photo.shape[-2:])
    cut = photo[..., top : top + side_px, left : left + side_px]
    return cut.flip(-1) if rng.integers(2) else cut
