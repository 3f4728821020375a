"""Training of a network that makes images like those of a table."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from longspan.columns import Image
from longspan.data import Table, encode_rows
from longspan.data.batches.samples import Samples
from longspan.errors import ConfigError, TrainingError, data_error
from longspan.generative.adversarial import AdversarialStep, GanLoss, as_signed, draw_latents
from longspan.generative.image_generator import ImageGenerator
from longspan.generative.variety import Variety
from longspan.inference.precision import pick_device
from longspan.models.generative.dcgan import Discriminator, Generator, layer_sizes
from longspan.randomness import permutation, seed_generators, step_seed
from longspan.train.optimization.optimizer import set_rates
from longspan.train.step import StepInfo

__all__ = ["GanConfig", "GanTraining", "encode_images", "image_column", "train_gan"]

_LEAST_IMAGES = 100
_LOOKS = 20
_LOOKED_AT = 256
_COLLAPSED = 0.5
_WARM_UP = 0.25
_SMALL_PX = 32
_LAST_RATE = 0.05


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class GanConfig:
    """How a network learns to make images."""

    loss: GanLoss = "relativistic"
    """"relativistic": compares real and made images and penalises gradients (R3GAN, 2024). "classic": DCGAN (2015)."""
    size_px: int | None = None
    """Side of the images; None: that of the images if all are square and suit, else 32."""
    steps: int = 3000
    """Steps of both networks."""
    batch_size: int = 64
    """Real images a step, and as many made ones."""
    lr: float | None = None
    """Peak rate of Adam; it falls along a half cosine. None: 0.002 for the relativistic loss, 0.0002 for the other."""
    width: int = 32
    """Channels of the largest map; each smaller map has twice as many."""
    latent: int = 64
    """Length of the vectors of random numbers that become images; fewer suit images that differ in few ways."""
    residual: int | None = None
    """Residual blocks of the discriminator at each size of map. None: 1 for the relativistic loss, 0 for the other."""
    penalty: float = 3.0
    """Weight of the penalties of the relativistic loss."""
    average: float = 0.995
    """The generator that is kept is a running average of the weights with this decay; 0: the weights themselves."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        faults = [
            f"{name} must be at least {least}, got {getattr(self, name)}"
            for name, least in (("steps", 1), ("batch_size", 2), ("width", 1), ("latent", 1))
            if getattr(self, name) < least
        ]
        if self.loss not in ("classic", "relativistic"):
            faults.append(f"loss must be classic or relativistic, got {self.loss!r}")
        if self.residual is not None and self.residual < 0:
            faults.append(f"residual must be at least 0, got {self.residual}")
        if self.lr is not None and not 0 < self.lr < math.inf:
            faults.append(f"lr must be above 0 and finite, got {self.lr}")
        if not 0 <= self.penalty < math.inf:
            faults.append(f"penalty must be at least 0 and finite, got {self.penalty}")
        if not 0 <= self.average < 1:
            faults.append(f"average must be at least 0 and below 1, got {self.average}")
        if faults:
            raise ConfigError(f"GanConfig: {'; '.join(faults)}.")
        if self.size_px is not None:
            layer_sizes(self.size_px)

    @property
    def peak_lr(self) -> float:
        """`lr`, or what suits the loss."""
        return self.lr if self.lr is not None else {"classic": 2e-4, "relativistic": 2e-3}[self.loss]

    @property
    def blocks(self) -> int:
        """`residual`, or what suits the loss."""
        return self.residual if self.residual is not None else {"classic": 0, "relativistic": 1}[self.loss]


@final
@dataclass(frozen=True, slots=True)
class GanTraining:
    """What a training came to."""

    generator: ImageGenerator
    """The running average of the weights."""
    column: Image
    """How images became what the networks see."""
    curve: tuple[dict[str, float], ...]
    """At each look: step, mean losses of both networks and of the penalty since the last one, and the variety of made
    images beside that of real ones."""
    frames: tuple[tuple[int, np.ndarray], ...]
    """A few images of the same latent vectors on the way, `(8, H, W, C)` uint8, with the step."""
    collapsed_at: int | None
    """The step at which mode collapse was noticed and from which on it lasted; None if there was none at the end."""
    images: int
    """How many it learned from."""
    seconds: float

    @property
    def warning(self) -> str | None:
        """What to do about mode collapse; None if there is none."""
        if self.collapsed_at is None:
            return None
        return _collapse(self.collapsed_at, self.curve[-1]["variety"])


def train_gan(
    images: Table | str | Path,
    *,
    config: GanConfig | None = None,
    image: str | None = None,
    seed: int = 0,
    device: str = "auto",
    on_error: str = "raise",
    tell: Callable[[str], None] | None = None,
) -> GanTraining:
    """Train a network that makes images like those of a table or a folder.

    Source: Radford et al. 2015 (loss "classic") and Huang et al. 2024 (R3GAN, loss "relativistic"). Differs: see
    `Generator`, `Discriminator` and `AdversarialStep`; both keep a running average of the generator, and the rate falls
    along a half cosine; the generator is normalised with either loss, which learned faster in a few thousand steps.

    Args:
        images: A table with a column of images, or a folder of images, with or without folders for classes.
        config: How it learns.
        image: The column of images, if there are several.
        seed: Of everything random.
        device: Where it is computed.
        on_error: "raise", or "skip" to leave images out that cannot be read.
        tell: Called now and then with a line on how far it is, and when mode collapse is noticed.

    Raises:
        ConfigError: fewer than 100 images, or options that do not suit.
        DataError: images that cannot be read, all of them by name.
        TrainingError: a loss is not finite any more.
    """
    config = config or GanConfig()
    place = pick_device(device)
    samples, column, rows = encode_images(images, config.size_px, image=image, on_error=on_error)
    (name,) = samples.inputs
    assert column.size_px is not None
    assert column.channels is not None
    size_px, channels, normalise = column.size_px[0], column.channels, config.loss == "classic"
    seed_generators(step_seed(seed, "gan networks", 0), place)
    generator = Generator(size_px, channels, width=config.width, latent=config.latent).to(place)
    discriminator = Discriminator(
        size_px, channels, width=config.width, normalise=normalise, residual=config.blocks
    ).to(place)
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # how images are kept: faster
    kept = copy.deepcopy(generator).eval()
    step = AdversarialStep(
        generator, discriminator, loss=config.loss, penalty=config.penalty, lr=config.peak_lr, seed=seed, image=name
    )
    looked_at = permutation(seed, "gan looks", 0, len(rows))[:_LOOKED_AT]
    variety = Variety(as_signed(samples.inputs[name].read(rows[looked_at])))
    fixed = draw_latents(len(looked_at), config.latent, seed, "gan looks").to(place)
    look_every = max(1, config.steps // _LOOKS)
    curve: list[dict[str, float]] = []
    frames: list[tuple[int, np.ndarray]] = []
    losses: dict[str, Tensor] = {}
    collapsed_at: int | None = None
    started = time.perf_counter()
    number, epoch = 0, 0
    while number < config.steps:
        order = rows[permutation(seed, "gan order", epoch, len(rows))]
        for batch in samples.batches(order, min(config.batch_size, len(rows))):
            if number == config.steps:
                break
            rate = config.peak_lr * max((1 + math.cos(math.pi * number / config.steps)) / 2, _LAST_RATE)
            set_rates(step.optimizers, rate, None)
            info = StepInfo(number=number, rows=len(batch), fraction=1, ends=True, dtype=torch.float32)
            found = step.run(batch.to(place), info)
            losses = {each: losses.get(each, 0) + value for each, value in found.items()}
            # Early on an average over many steps would be one of weights that are far from any good.
            _blend(kept, generator, min(config.average, (number + 1) / (number + 10)) if config.average else 0.0)
            number += 1
            if number % look_every and number != config.steps:
                continue
            record = _look(kept, fixed, variety, losses, number, number - int(curve[-1]["step"] if curve else 0))
            curve.append(record)
            losses = {}
            frames.append((number, ImageGenerator(kept).render(fixed[:8])))
            if tell is not None:
                tell(
                    f"step {number:,} of {config.steps:,}: generator {record['generator']:.3f}, discriminator "
                    f"{record['discriminator']:.3f}, variety {record['variety']:.2f}"
                )
            if record["variety"] >= _COLLAPSED or number < _WARM_UP * config.steps:
                collapsed_at = None
            elif collapsed_at is None:
                collapsed_at = number
                if tell is not None:
                    tell(_collapse(number, record["variety"]))
        epoch += 1
    info = {
        "config": asdict(config), "seed": seed, "images": len(rows), "curve": curve, "collapsed_at": collapsed_at,
        "column": column.to_json(),
    }  # fmt: skip
    return GanTraining(
        ImageGenerator(kept, info), column, tuple(curve), tuple(frames), collapsed_at, len(rows),
        time.perf_counter() - started,
    )  # fmt: skip


def encode_images(
    images: Table | str | Path, size_px: int | None, *, image: str | None = None, on_error: str = "raise"
) -> tuple[Samples, Image, Tensor]:
    """The images of a table as the networks see them, their column, and the numbers of rows that could be read.

    Args, errors: see `train_gan`.
    """
    if on_error not in ("raise", "skip"):
        raise ConfigError(f"on_error must be 'raise' or 'skip', got {on_error!r}.")
    table = images if isinstance(images, Table) else Table.from_folder(images)
    name = image_column(table, image)
    if len(table) < _LEAST_IMAGES:
        raise ConfigError(
            f"There are {len(table)} images, but a network that makes images needs {_LEAST_IMAGES} at least, better "
            "thousands: of a few it would learn copies."
        )
    column = _fitted(table, name, size_px)
    numbers = np.arange(len(table))
    samples = encode_rows(table, numbers, {name: column}, {})
    faults = samples.faults()
    if faults and on_error == "raise":
        raise data_error(
            "Some images cannot be read:", list(faults.values()), 'Mend them, or leave them out with on_error="skip".'
        )
    rows = np.setdiff1d(numbers, list(faults))
    if len(rows) < _LEAST_IMAGES:
        raise data_error(
            f"Only {len(rows)} of {len(table)} images can be read; {_LEAST_IMAGES} are needed at least:",
            list(faults.values()),
        )
    return samples, column, torch.from_numpy(rows)


def image_column(table: Table, image: str | None = None) -> str:
    """The name of the column of images; ConfigError if there are several and none is chosen."""
    known = [name for name, column in table.columns.items() if isinstance(column, Image)]
    if image is not None:
        if image not in known:
            table.column(image)
            raise ConfigError(f"Column {image!r} holds no images.")
        return image
    if len(known) != 1:
        raise ConfigError(
            f"A network that makes images learns from one column of images; this table has {len(known)}"
            f"{': ' + ', '.join(known) + '. Choose one with image=' if known else ''}."
        )
    return known[0]


def _fitted(table: Table, name: str, size_px: int | None) -> Image:
    column = table.columns[name]
    assert isinstance(column, Image)
    if size_px is None:
        size_px = _SMALL_PX
        try:
            height, width = (column.fit(table.column_values(name)).size_px) or (0, 0)
            if height == width <= 2 * _SMALL_PX:
                layer_sizes(height)
                size_px = height
        except ConfigError:  # of different sizes, or one that the networks cannot have
            pass
    fitted = Image(size_px=(size_px, size_px), channels=column.channels, resize="crop")
    return fitted.fit(table.column_values(name))


@torch.no_grad()
def _blend(kept: nn.Module, network: nn.Module, decay: float) -> None:
    for old, new in zip(kept.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - decay)
        else:
            old.copy_(new)


@torch.no_grad()
def _look(
    kept: Generator, fixed: Tensor, variety: Variety, losses: dict[str, Tensor], number: int, steps: int
) -> dict[str, float]:
    """The record of one look; TrainingError for losses that are not finite."""
    means = {name: float(value) / steps for name, value in losses.items()}
    if not all(map(math.isfinite, means.values())):
        raise TrainingError(
            f"A loss is not finite any more at step {number:,}: "
            f"{', '.join(f'{name} {value}' for name, value in means.items())}. Take a smaller lr, or a larger penalty."
        )
    return {"step": number, **means, "variety": variety.of(kept(fixed).cpu())}


def _collapse(step: int, variety: float) -> str:
    return (
        f"Mode collapse from step {step:,} on: the images are {variety:.2f} times as varied as the real ones. Take the "
        "relativistic loss, more steps, a larger penalty, a smaller lr or more images."
    )
