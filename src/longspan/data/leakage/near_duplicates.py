"""Images that are copies of each other: identical, nearly so (re-encoded, resized, brightened), or mirrored.

Found from images that are decoded already, so nothing is read twice. In three steps:

1. Every image becomes an 8 x 8 grey thumbnail (area mean), freed of brightness and contrast. One blocked matrix
   product compares all of one part with all of another; what correlates above 0.97 is a candidate. A second one does
   so with the mirrored thumbnails of the other part.
2. A candidate is compared at 32 x 32, or half the side of small images: correlation, difference in grey levels.
3. Small images lose so much in re-encoding that likeness alone says little (two ones of MNIST correlate at 0.99), so
   a copy must also stand out: far nearer than the fifth nearest of all images, at both sizes.

Source: thumbnail correlation as in Barz & Denzler 2020, "Do we train on test data? Purging CIFAR of near-duplicates",
section 2, which compares features of a network. Differs: pixels instead of features, so crops, rotated and recoloured
images are not found; and re-encoded, resized, slightly brightened and mirrored ones are, without a network.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, Protocol, final

import numpy as np

from longspan.lazy_torch import functional as F
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ImageStore", "Kind", "NearDuplicates", "alike_images"]

Kind = Literal["identical", "near-identical", "mirrored"]

# B N images, H W C their shape, h w side of a thumbnail, D its pixels
_COARSE = 8
_CANDIDATE = 0.97
_LARGE_PX = 48
"""Images with no side below this hold the detail that `_LARGE` asks for."""
_LARGE = (32, 0.993, 12.0)
"""Thumbnail side, least correlation, largest difference in grey levels. Measured: distinct images of one person, or
X-rays of one patient, reach 0.990; copies at JPEG quality 50 or half the size lie above 0.997."""
_SMALL = (16, 0.95, 12.0)
"""The same for small images, where JPEG and resizing leave 0.95 to 0.99 of CIFAR-10, and `_STANDS_OUT` decides."""
_CERTAIN = 0.9995
"""Small images that correlate like this need not stand out: many copies may crowd together."""
_STANDS_OUT = (0.3, 0.4)
"""Largest distance of a small copy at 8 x 8 and at the finer size, as a fraction of that to the fifth nearest image of
any part. Measured: of 3,960 held-out rows of MNIST samples of 300 to 2,000, 2 are false alarms; of the whole set none
(`benchmarks/leaks.py`, which also tells what is found)."""
_NEIGHBOUR = 5
_CLIPPED = (8, 235)
"""Grey levels outside of which large images may have been clipped, or hold pixels that were."""
_PAIRS = 16_384
"""Of thumbnails compared at a time."""
_GREY = (0.299, 0.587, 0.114)
_FLAT = 2.0
"""Standard deviation in grey levels below which an image has nothing to compare."""


class ImageStore(Protocol):
    """Decoded images by row number."""

    def read(self, rows: Any) -> Tensor:
        """Images `(B, H, W, C)` uint8 of these rows (int64), all of one shape."""
        ...

    def present(self, rows: Any) -> Tensor:
        """`(B,)` bool: which of these rows have an image; the others are not compared."""
        ...


@final
@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What was found: groups of rows with the same pixels, and pairs of rows of different parts that are alike."""

    equal: list[list[int]]
    pairs: dict[tuple[int, int], Kind]
    """Near-identical and mirrored ones; the row of the earlier part first."""


@final
@dataclass(frozen=True, slots=True)
class _Look:
    """Grey thumbnails of the images of one part."""

    coarse: Tensor
    """`(N, 8, 8)`."""
    fine: Tensor
    """`(N, h, w)`."""
    large: bool

    def mirrored(self) -> _Look:
        return _Look(self.coarse.flip(2), self.fine.flip(2), self.large)


def alike_images(images: ImageStore, parts: Mapping[str, np.ndarray]) -> NearDuplicates:
    """Copies among the images of these parts (row numbers by part).

    Every pair of different parts is looked at for near-identical and mirrored images; identical ones are grouped
    over all parts.
    """
    parts = {part: rows[images.present(torch.from_numpy(rows)).numpy()] for part, rows in parts.items()}
    parts = {part: rows for part, rows in parts.items() if len(rows)}
    if not parts:
        return NearDuplicates([], {})
    looks = {part: _look(images, rows) for part, rows in parts.items()}
    fine = torch.cat([look.fine for look in looks.values()]).flatten(1)
    crowd = (_unit(torch.cat([look.coarse for look in looks.values()])), _unit(fine))
    equal = _equal_images(images, np.concatenate(list(parts.values())), fine)
    first_equal = {row: group[0] for group in equal for row in group}
    pairs: dict[tuple[int, int], Kind] = {}
    for one, other in combinations(parts, 2):
        ways: tuple[tuple[Kind, _Look, int], ...] = (
            # Each image is its own nearest; its mirror image is not, unless it is symmetric.
            ("near-identical", looks[other], _NEIGHBOUR + 1),
            ("mirrored", looks[other].mirrored(), _NEIGHBOUR),
        )
        for kind, look, neighbour in ways:
            for i, j in _near_pairs(looks[one], look, crowd, neighbour):
                pair = (int(parts[one][i]), int(parts[other][j]))
                if first_equal.get(pair[0], -1) != first_equal.get(pair[1], -2):
                    pairs.setdefault(pair, kind)
    return NearDuplicates(equal, pairs)


def _look(images: ImageStore, rows: np.ndarray) -> _Look:
    """The thumbnails of one part."""
    coarse, fine, large = [], [], False
    start, step = 0, 64
    while start < len(rows):
        batch = torch.as_tensor(images.read(torch.from_numpy(rows[start : start + step])))
        height, width = batch.shape[1:3]
        large = min(height, width) >= _LARGE_PX
        side = _LARGE[0] if large else _SMALL[0]
        thumbnails = _grey_thumbnails(batch, (min(side, _half(height)), min(side, _half(width))))
        coarse.append(F.adaptive_avg_pool2d(thumbnails, _COARSE).squeeze(1))
        fine.append((thumbnails if large else _smoothed(thumbnails)).squeeze(1))
        start += len(batch)
        # The larger the images, the fewer at a time: memory stays flat.
        step = max(1, min(4096, 4_000_000 // max(1, batch[0].numel())))
    return _Look(torch.cat(coarse), torch.cat(fine), large)


def _smoothed(thumbnails: Tensor) -> Tensor:
    """`(B, 1, h, w)` with each pixel blended with its neighbours, 1-2-1 either way.

    A small image that was made smaller and larger again has lost just that detail. Measured on CIFAR-10: of copies at
    half the size 75 % are found without, and 99 % with it.
    """
    # No convolution: its last bits depend on an image's place in the batch, and equal images have equal thumbnails.
    padded = F.pad(thumbnails, (1, 1, 1, 1), mode="replicate")
    down = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    return (down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]) / 16


def _half(length_px: int) -> int:
    """Half a side; tiny images are compared pixel by pixel: 4 x 4 of the 8 x 8 digits look alike by chance."""
    return length_px // 2 if length_px > _SMALL[0] else length_px


def _grey_thumbnails(batch: Tensor, size_px: tuple[int, int]) -> Tensor:
    """Area means `(B, 1, h, w)` float32, 0..255, of `(B, H, W, C)` uint8.

    Of large colour images the green channel is taken: it carries most of the brightness, at a third of the work. In
    small ones JPEG's coarse colour shows in it (copies found: 95.6 % instead of 97.8 %), so they get the true grey.
    """
    channels = batch.shape[-1]
    if channels == len(_GREY) and min(batch.shape[1:3]) < _LARGE_PX:
        small = F.adaptive_avg_pool2d(batch.permute(0, 3, 1, 2).float(), size_px)
        return (small * torch.tensor(_GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return F.adaptive_avg_pool2d(batch[..., channels // 2].float().unsqueeze(1), size_px)


def _equal_images(images: ImageStore, rows: np.ndarray, thumbnails: Tensor) -> list[list[int]]:
    """Groups of rows with the same pixels; only rows whose thumbnails are equal are read again."""
    alike: dict[bytes, list[int]] = defaultdict(list)
    for row, thumbnail in zip(rows.tolist(), thumbnails.numpy(), strict=True):
        alike[hashlib.blake2b(thumbnail.tobytes(), digest_size=16).digest()].append(row)
    groups: list[list[int]] = []
    for suspects in (group for group in alike.values() if len(group) > 1):
        same: dict[bytes, list[int]] = defaultdict(list)
        for row in suspects:
            pixels = torch.as_tensor(images.read(torch.tensor([row]))).numpy()
            same[hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()].append(row)
        groups += [group for group in same.values() if len(group) > 1]
    return groups


def _unit(thumbnails: Tensor) -> Tensor:
    """`(N, D)` of mean 0 and length 1, so that products are correlations; flat images become 0, like nothing."""
    thumbnails = thumbnails.flatten(1)
    centred = thumbnails - thumbnails.mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    flat = length < _FLAT * thumbnails.shape[1] ** 0.5
    return torch.where(flat, 0.0, centred / length.clamp_min(1e-6))


def _near_pairs(one: _Look, other: _Look, crowd: tuple[Tensor, Tensor], neighbour: int) -> list[tuple[int, int]]:
    """Positions (in one, in other) of near-identical images.

    Args:
        one: Thumbnails of one part.
        other: Those of the other part, or their mirror images.
        crowd: Coarse and fine unit vectors `(N, D)` of all parts.
        neighbour: Which nearest image of the crowd a copy in small images must be far nearer than.
    """
    fine_one, fine_other, large = one.fine.flatten(1), other.fine.flatten(1), one.large
    coarse_one, coarse_other = _unit(one.coarse), _unit(other.coarse)
    j, i = _candidates(coarse_other, coarse_one)
    if not len(i):
        return []
    _, least, most = _LARGE if large else _SMALL
    unit_one, unit_other = _unit(fine_one), _unit(fine_other)
    r = _correlations(unit_one, unit_other, i, j)
    if large:
        clipped = [
            _unclipped(fine_one[some_i], fine_other[some_j])
            for some_i, some_j in zip(i.split(_PAIRS), j.split(_PAIRS), strict=True)
        ]
        r = torch.maximum(r, torch.cat(clipped))
    spread = (fine_one.std(1)[i] * fine_other.std(1)[j]).sqrt()
    # What is left, in grey levels, once brightness and contrast agree.
    difference = spread * (2 * (1 - r)).clamp_min(0).sqrt()
    good = (r > least) & (difference < most)
    i, j, r = i[good], j[good], r[good]
    if large:
        return list(zip(i.tolist(), j.tolist(), strict=True))
    sure = r > _CERTAIN
    found = {*zip(i[sure].tolist(), j[sure].tolist(), strict=True)}
    i, j = i[~sure], j[~sure]
    for units, vectors, fraction in (
        ((coarse_one, coarse_other), crowd[0], _STANDS_OUT[0]),
        ((unit_one, unit_other), crowd[1], _STANDS_OUT[1]),
    ):
        out = _stands_out(*units, i, j, vectors, neighbour, fraction)
        i, j = i[out], j[out]
    return sorted(found | {*zip(i.tolist(), j.tolist(), strict=True)}, key=lambda pair: pair[::-1])


def _correlations(one: Tensor, other: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """`(P,)` products of unit vectors `one[i[p]]` and `other[j[p]]`, so many at a time that memory stays flat."""
    pairs = zip(i.split(_PAIRS), j.split(_PAIRS), strict=True)
    return torch.cat([(one[some_i] * other[some_j]).sum(1) for some_i, some_j in pairs])


def _unclipped(one: Tensor, other: Tensor) -> Tensor:
    """`(P,)` correlation of thumbnails `(P, D)` without what is nearly black or white in either; 0 where half is.

    Brightening drives light parts to white, where nothing is left to compare.
    """
    low, high = _CLIPPED
    seen = ((one > low) & (one < high) & (other > low) & (other < high)).float()
    count = seen.sum(1, keepdim=True).clamp_min(1)
    one, other = ((x - (x * seen).sum(1, keepdim=True) / count) * seen for x in (one, other))
    lengths = (one.norm(dim=1), other.norm(dim=1))
    r = (one * other).sum(1) / (lengths[0] * lengths[1]).clamp_min(1e-6)
    varied = (torch.minimum(*lengths) > 2 * _FLAT * count[:, 0].sqrt()) & (count[:, 0] > seen.shape[1] / 2)
    return torch.where(varied, r, 0.0)


def _stands_out(
    one: Tensor, other: Tensor, i: Tensor, j: Tensor, crowd: Tensor, neighbour: int, fraction: float
) -> Tensor:
    """`(P,)` bool: is `one[i[p]]` nearer to `other[j[p]]` than `share` of the latter's distance to its `neighbour`-th?

    All are unit vectors `(N, D)`; the neighbours are those in the crowd.
    """
    if len(crowd) < neighbour or not len(j):
        return torch.ones(len(j), dtype=torch.bool)
    rows, back = j.unique(return_inverse=True)
    nearest = [(some @ crowd.T).topk(neighbour).values[:, -1] for some in other[rows].split(64)]
    # Distances between unit vectors: sqrt(2 (1 - r)).
    return (1 - _correlations(one, other, i, j)) < fraction**2 * (1 - torch.cat(nearest)[back])


def _candidates(held: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """Positions (in held, in train) of unit vectors with a product above `_CANDIDATE`, the best 8 a row and block.

    Blocks of 2 MB stay in the processor's cache, and few of them hold a candidate at all.
    """
    held_at, train_at = [], []
    for a, some_train in enumerate(train.split(2048)):
        some_train = some_train.T.contiguous()
        for b, some_held in enumerate(held.split(256)):
            products = some_held @ some_train
            hits = (products.amax(1) > _CANDIDATE).nonzero()[:, 0]
            if not len(hits):
                continue
            best = products[hits].topk(min(8, products.shape[1]))
            row, rank = (best.values > _CANDIDATE).nonzero(as_tuple=True)
            held_at.append(hits[row] + b * 256)
            train_at.append(best.indices[row, rank] + a * 2048)
    empty = torch.empty(0, dtype=torch.int64)
    return torch.cat(held_at or [empty]), torch.cat(train_at or [empty])
