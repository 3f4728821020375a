"""How good made images are: distance of distributions, precision, recall, and whether they are copies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from longspan.columns import Image
from longspan.data import Table, encode_rows
from longspan.errors import ConfigError
from longspan.inference.predictor import Predictor
from longspan.inference.source import autocast

__all__ = [
    "ImageMeasures",
    "Nearest",
    "classifier_features",
    "classifier_hash",
    "kernel_distance",
    "measure_images",
    "nearest_images",
    "precision_recall",
]

_NEIGHBOURS = 3
_LEAST = 50
_BATCH = 128
_AT_A_TIME = 500
_CLOSEST = 0.01


@final
@dataclass(frozen=True, slots=True)
class ImageMeasures:
    """Of made images, by the features of a classifier."""

    kernel_distance: float
    """Kernel inception distance, with the features of this classifier instead of Inception's: 0 is the same
    distribution; an unbiased estimate, so it may be below 0."""
    precision: float
    """Fraction of made images that lie among the real ones."""
    recall: float
    """Fraction of real images that lie among the made ones."""
    reachable: dict[str, float]
    """The same three for further real images in place of the made ones."""
    images: int
    """How many of each kind were compared."""
    classifier: str
    """Which one, with the hash of its weights; figures of different classifiers cannot be compared."""


@final
@dataclass(frozen=True, eq=False, slots=True)
class Nearest:
    """Of each made image the real one that is nearest, pixel by pixel."""

    rows: np.ndarray
    """`(N,)`: numbers of the real images."""
    images: np.ndarray
    """`(N, H, W, C)` uint8: these."""
    distances: np.ndarray
    """`(N,)`: root mean square difference of the pixels, 0..255."""
    copies: float
    """Fraction of made images that are nearer to a real one than 99 % of further real images are; about 0.01 if it
    does not copy."""


def measure_images(made: np.ndarray, real: np.ndarray, further: np.ndarray, classifier: Predictor) -> ImageMeasures:
    """Compare made images with real ones.

    Args:
        made: `(N, H, W, C)` uint8.
        real: As many real ones, such as those that the network learned from.
        further: As many others, which it did not learn from: how good real images themselves come out.
        classifier: A trained network that reads one image; any classes will do, better ones give finer features.

    Raises:
        ConfigError: fewer than 50 images, different numbers of them, or a classifier that does not read one image.
    """
    counts = {len(made), len(real), len(further)}
    if len(counts) > 1 or min(counts) < _LEAST:
        raise ConfigError(
            f"Made, real and further images are compared in equal numbers of at least {_LEAST}, got {len(made)}, "
            f"{len(real)} and {len(further)}."
        )
    made_f, real_f, further_f = (classifier_features(classifier, each) for each in (made, real, further))

    def three(vectors: Tensor) -> tuple[float, float, float]:
        return (kernel_distance(real_f, vectors), *precision_recall(real_f, vectors))

    return ImageMeasures(
        *three(made_f), dict(zip(("kernel distance", "precision", "recall"), three(further_f), strict=True)),
        len(made), classifier_hash(classifier),
    )  # fmt: skip


def classifier_hash(classifier: Predictor) -> str:
    """Its name, and the first 12 hexadecimal digits of the SHA-256 of its weights."""
    digest = hashlib.sha256()
    for name, value in sorted(classifier.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    backbone = classifier.network.backbone
    return f"{getattr(backbone, 'name', type(backbone).__name__)} {digest.hexdigest()[:12]}"


@torch.no_grad()
def classifier_features(classifier: Predictor, images: np.ndarray) -> Tensor:
    """What the last layer of a classifier reads of images `(N, H, W, C)` uint8: `(N, F)` float64.

    Raises:
        ConfigError: it does not read exactly one image, or is a whole network without features.
    """
    columns = list(classifier.inputs.items())
    if len(columns) != 1 or not isinstance(columns[0][1], Image) or classifier.network.whole:
        raise ConfigError("Images are compared by the features of a classifier that reads one image, such as resnet20.")
    (name, column) = columns[0]
    table = Table.from_arrays({name: images}, {name: column})
    encoded = encode_rows(table, np.arange(len(images)), {name: column}, {})
    source = classifier.source(encoded)
    parts = []
    with autocast(source.device, source.dtype):
        for batch in source.samples.batches(torch.arange(len(images)), _BATCH):
            features: Any = classifier.network.backbone(*source.prepare(batch.to(source.device)))
            parts.append(features.double().flatten(1).cpu())
    return torch.cat(parts)


def kernel_distance(real: Tensor, made: Tensor) -> float:
    """The squared maximum mean discrepancy of features `(N, F)` and `(M, F)`, unbiased.

    Source: Binkowski et al. 2018, "Demystifying MMD GANs", section 4: kernel `(x y / F + 1)^3`. Differs: all pairs
    instead of a mean over small subsets; features are divided by the spread of the real ones, so that the figure does
    not depend on the scale of the classifier's last layer.
    """
    scale = real.std(dim=0).mean().clamp_min(1e-12)
    x, y = real / scale, made / scale
    x, y = x - x.mean(dim=0), y - (real / scale).mean(dim=0)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: Tensor) -> Tensor:
        values = kernel(a, a)
        return (values.sum() - values.diagonal().sum()) / (len(a) * (len(a) - 1))

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def precision_recall(real: Tensor, made: Tensor, neighbours: int = _NEIGHBOURS) -> tuple[float, float]:
    """Fraction of made vectors `(M, F)` among the real `(N, F)`, and fraction of real ones among the made.

    A vector lies among others if it is nearer to one of them than that one's third nearest neighbour of its own kind.

    Source: Kynkaanniemi et al. 2019, "Improved precision and recall metric for assessing generative models", equations
    1 and 2, with k = 3.
    """
    return _inside(made, real, neighbours), _inside(real, made, neighbours)


def _inside(these: Tensor, those: Tensor, neighbours: int) -> float:
    radii = torch.cat(
        [torch.cdist(part, those).kthvalue(neighbours + 1, dim=1).values for part in those.split(_AT_A_TIME)]
    )  # a vector is its own nearest neighbour
    return float(
        torch.cat([(torch.cdist(part, those) <= radii).any(dim=1) for part in these.split(_AT_A_TIME)]).double().mean()
    )


def nearest_images(made: np.ndarray, real: np.ndarray, further: np.ndarray) -> Nearest:
    """Of each made image the nearest real one, and whether it is nearer than real images are to one another.

    Args:
        made: `(N, H, W, C)` uint8.
        real: Those that the network learned from, all of them.
        further: Others, which it did not learn from.
    """
    flat = torch.from_numpy(real.reshape(len(real), -1)).float()
    distances, rows = _nearest(made, flat)
    usual, _ = _nearest(further, flat)
    limit = float(torch.quantile(usual, _CLOSEST))
    scale = flat.shape[1] ** 0.5
    copies = float((distances < limit).double().mean())
    return Nearest(rows.numpy(), real[rows.numpy()], (distances / scale).numpy(), copies)


def _nearest(these: np.ndarray, real: Tensor) -> tuple[Tensor, Tensor]:
    found = [
        torch.cdist(part, real).min(dim=1)
        for part in torch.from_numpy(these.reshape(len(these), -1)).float().split(_AT_A_TIME)
    ]
    return torch.cat([each.values for each in found]), torch.cat([each.indices for each in found])
