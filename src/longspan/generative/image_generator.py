"""A trained network that makes images: sampling, interpolating, saving and loading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from longspan.errors import ConfigError, ModelFileError
from longspan.generative.adversarial import draw_latents
from longspan.models.generative.dcgan import Generator
from longspan.storage.file_signatures import check_model_file
from longspan.storage.files import read_tensors, write_tensors
from longspan.version import __version__

__all__ = ["ImageGenerator", "load_generator"]

_FORMAT, _VERSION = "longspan-image-generator", 1
_TOGETHER = 64


@final
class ImageGenerator:
    """Makes images that never were; `train_gan` trains one, `load_generator` reads one from its file."""

    def __init__(self, network: Generator, info: Mapping[str, Any] | None = None) -> None:
        """Wrap a trained network.

        Args:
            network: It is put into evaluation mode.
            info: JSON values that travel in the file: configuration, seed, curve, warnings.
        """
        self.network = network.eval()
        self.info = dict(info or {})

    def __repr__(self) -> str:
        return f"ImageGenerator({self.network.size_px} px, {self.network.channels} channels)"

    def sample(self, n: int = 64, *, seed: int = 0, truncation: float = 1.0) -> np.ndarray:
        """`n` images `(n, H, W, C)` uint8; the same seed gives the same images.

        Args:
            n: How many.
            seed: Of the latent vectors.
            truncation: What the latent vectors are multiplied by: below 1 images are more typical and less varied
                (Brock et al. 2019, "Large scale GAN training", section 3.1; differs: they draw from a truncated
                normal distribution).

        Raises:
            ConfigError: `n` is below 1, or the truncation is not above 0 and at most 1.
        """
        if n < 1:
            raise ConfigError(f"n must be at least 1, got {n}.")
        if not 0 < truncation <= 1:
            raise ConfigError(f"truncation must be above 0 and at most 1, got {truncation}.")
        return self.render(truncation * draw_latents(n, self.network.latent, seed, "generated images"))

    def interpolate(self, steps: int = 9, *, seed: int = 0) -> np.ndarray:
        """Images on the way from one latent vector to another, `(steps, H, W, C)` uint8.

        Along the great circle between both: a straight line passes through vectors that are shorter than any that the
        network was trained on (White 2016, "Sampling generative networks", section 2.1).

        Raises:
            ConfigError: `steps` is below 2.
        """
        if steps < 2:
            raise ConfigError(f"steps must be at least 2, got {steps}.")
        begin, end = draw_latents(2, self.network.latent, seed, "interpolated images").double()
        angle = torch.arccos((begin @ end / (begin.norm() * end.norm())).clamp(-1, 1))
        ways = torch.linspace(0, 1, steps, dtype=torch.float64)[:, None]
        latents = (torch.sin((1 - ways) * angle) * begin + torch.sin(ways * angle) * end) / torch.sin(angle)
        return self.render(latents.float())

    @torch.no_grad()
    def render(self, latents: Tensor) -> np.ndarray:
        """The images `(N, H, W, C)` uint8 of latent vectors `(N, latent)`."""
        device = next(self.network.parameters()).device
        parts = [self.network(part.to(device)).cpu() for part in latents.split(_TOGETHER)]
        pixels = ((torch.cat(parts) + 1) * 127.5).round().clamp(0, 255).byte()
        return pixels.permute(0, 2, 3, 1).contiguous().numpy()

    def save(self, path: str | Path) -> Path:
        """Weights, sizes and the record of the training as one safetensors file; never half-written."""
        network = self.network
        values = {
            "format": _FORMAT,
            "format_version": _VERSION,
            "library_version": __version__,
            "network": {
                "size_px": network.size_px, "channels": network.channels, "width": network.width,
                "latent": network.latent, "normalise": network.normalise,
            },
            "info": self.info,
        }  # fmt: skip
        write_tensors(Path(path), {name: value.contiguous() for name, value in network.state_dict().items()}, values)
        return Path(path)


def load_generator(path: str | Path) -> ImageGenerator:
    """The generator of a file that `ImageGenerator.save` or `longspan train --task generate` wrote.

    Raises:
        ModelFileError: there is no such file, it is damaged, or it holds something else.
    """
    path = Path(path).expanduser()
    check_model_file(path)
    tensors, values = read_tensors(path)
    if not isinstance(values, dict) or values.get("format") != _FORMAT:
        raise ModelFileError(
            f"{path} holds no network that makes images. longspan train FOLDER --task generate trains one."
        )
    if values.get("format_version") != _VERSION:
        raise ModelFileError(
            f"{path} has format version {values.get('format_version')!r}, written by longspan "
            f"{values.get('library_version')}; this is longspan {__version__}, which reads version {_VERSION}."
        )
    try:
        network = Generator(**values["network"])
        network.load_state_dict(tensors)
        return ImageGenerator(network, values["info"])
    except (KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        raise ModelFileError(f"{path} is damaged: {error!r:.300}.") from error
