"""Samples that stand on both sides of a split: identical pictures or rows, and near-identical pictures.

Found before training, from pictures that are decoded already, so nothing is read twice. In three steps:

1. Every picture becomes an 8 x 8 grey thumbnail (area mean), freed of brightness and contrast. One blocked matrix
   product compares all of one part with all of another; what correlates above 0.97 is a candidate.
2. A candidate is compared at 32 x 32, or half the side of small pictures: correlation, difference in grey levels.
3. Small pictures lose so much in re-encoding that likeness alone says little (two ones of MNIST correlate at 0.99), so
   a copy must also stand out: far nearer than the fifth nearest of all pictures, at both sizes.

Source: thumbnail correlation as in Barz & Denzler 2020, "Do we train on test data? Purging CIFAR of near-duplicates",
section 2, which compares features of a network. Differs: pixels instead of features, so crops, mirrored and recoloured
pictures are not found; and re-encoded, resized or slightly brightened ones are, without a network.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, Protocol, final

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F
from torch import Tensor

from longspan.data.splits import Split
from longspan.errors import LeakError

__all__ = ["Leak", "Leaks", "PictureStore", "find_leaks"]

# B pictures, H W C their shape, D thumbnail pixels
_COARSE = 8
_CANDIDATE = 0.97
_LARGE_PX = 48
"""Pictures with no side below this hold the detail that `_LARGE` asks for."""
_LARGE = (32, 0.993, 12.0)
"""Thumbnail side, least correlation, largest difference in grey levels. Measured: distinct pictures of one person, or
X-rays of one patient, reach 0.990; copies at JPEG quality 50 or half the size lie above 0.997."""
_SMALL = (16, 0.95, 12.0)
"""The same for small pictures, where JPEG and resizing leave 0.95 to 0.99 of CIFAR-10, and `_STANDS_OUT` decides."""
_CERTAIN = 0.9995
"""Small pictures that correlate like this need not stand out: many copies may crowd together."""
_STANDS_OUT = (0.3, 0.5)
"""Largest distance of a small copy at 8 x 8 and at the finer size, as a share of that to the fifth nearest picture of
any part. Measured: of 19,800 held-out rows of MNIST samples of 300 to 2,000, 3 are false alarms; of 10,000 of the
whole set, none. Found on CIFAR-10: quality 50 all, brightened 99.6 %, half the size 99.1 %."""
_NEIGHBOUR = 5
_TEXT_CHARS = 32
_BY_CHANCE = 0.01
_GREY = (0.299, 0.587, 0.114)
_FLAT = 2.0
"""Standard deviation in grey levels below which a picture has nothing to compare."""


class PictureStore(Protocol):
    """Decoded pictures by row number."""

    def read(self, rows: Any) -> Tensor:
        """Pictures `(B, H, W, C)` uint8 of these rows (int64), all of one shape."""
        ...

    def present(self, rows: Any) -> Tensor:
        """`(B,)` bool: which of these rows have a picture; the others are not compared."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Leak:
    """Two rows of different parts that hold the same sample, or nearly so."""

    row: int
    part: str
    other_row: int
    other_part: str
    kind: Literal["identical", "near-identical"]
    name: str
    """What a person calls the first row: its file, or table and row number."""
    other_name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.part}) and {self.other_name} ({self.other_part}): {self.kind}"


@final
@dataclass(frozen=True, slots=True)
class Leaks:
    """All leaks of a split, identical pairs first; empty and false if there are none."""

    pairs: tuple[Leak, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Leak]:
        return iter(self.pairs)

    def __repr__(self) -> str:
        found = ", ".join(f"{count} {kind} {parts}" for (parts, kind), count in self._counts().items())
        return f"Leaks({found or 'none'})"

    def _counts(self) -> dict[tuple[str, str], int]:
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for leak in self.pairs:
            counts[f"{leak.part}/{leak.other_part}", leak.kind] += 1
        return dict(counts)

    def to_json(self) -> dict[str, dict[str, int]]:
        """Pairs per two parts and kind, such as `{"train/test": {"identical": 3}}`: what the model file keeps."""
        counts: dict[str, dict[str, int]] = {}
        for (parts, kind), count in self._counts().items():
            counts.setdefault(parts, {})[kind] = count
        return counts

    def message(self, shown: int = 10) -> str:
        """The pairs by name, the first `shown` of them, and the cure."""
        if not self.pairs:
            return "No sample stands on both sides of the split."
        counts = ", ".join(f"{count} {kind} between {parts}" for (parts, kind), count in self._counts().items())
        lines = [f"Samples on both sides of the split, so that figures would be too good ({counts}):"]
        lines += [f"  {leak}" for leak in self.pairs[:shown]]
        if len(self) > shown:
            lines.append(f"  ... and {len(self) - shown} more")
        lines.append(
            "Let the held-out copies train instead with move_leaks=True (--leaks move), keep such rows together with "
            "split(group=...), or drop them. allow_leaks=True (--leaks allow) trains all the same, and the model file "
            "says so."
        )
        return "\n".join(lines)

    def refuse(self) -> None:
        """Raise LeakError with `message()` if there is any leak."""
        if self.pairs:
            raise LeakError(self.message())


def find_leaks(
    split: Split,
    pictures: PictureStore | None = None,
    *,
    cells: pl.DataFrame | None = None,
    name: Callable[[int], str] | None = None,
) -> Leaks:
    """Look for the same sample in two parts of a split: train/valid, train/test and valid/test.

    Args:
        split: The parts. Test rows are compared without opening the vault: nothing is learned from them.
        pictures: The inputs as pictures, by row of the split's table.
        cells: Inputs that are no pictures, one row per row of the table (numbers, classes, text). Equal texts of more
            than 32 characters, or lists, are the same sample. Equal rows of short cells may be two people of the same
            age and job, so they count only if one cell is rare (at most 0.1 % of the rows, or five, share it) and
            fewer than 0.01 such twins are expected were the columns independent.
        name: What a person calls a row; by default its number.
    """
    name = name or (lambda row: f"row {row}")
    parts = {"train": split.train, "valid": split.valid, "test": split.vault.rows_for_leak_check()}
    parts = {part: rows for part, rows in parts.items() if len(rows)}
    part_of = {int(row): part for part, rows in parts.items() for row in rows}
    found: dict[tuple[int, int], Literal["identical", "near-identical"]] = {}
    if cells is not None and cells.width:
        for group in _equal_rows(cells, np.concatenate(list(parts.values()))):
            found |= dict.fromkeys(_across(group, part_of), "identical")
    if pictures is not None and pictures.present(torch.from_numpy(np.concatenate(list(parts.values())))).any():
        parts = {part: rows[pictures.present(torch.from_numpy(rows)).numpy()] for part, rows in parts.items()}
        parts = {part: rows for part, rows in parts.items() if len(rows)}
        thumbnails = {part: _look(pictures, rows) for part, rows in parts.items()}
        fine = torch.cat([fine for _, fine, _ in thumbnails.values()])
        crowd = (_unit(torch.cat([coarse for coarse, _, _ in thumbnails.values()])), _unit(fine))
        first_equal: dict[int, int] = {}
        for group in _equal_pictures(pictures, np.concatenate(list(parts.values())), fine):
            found |= dict.fromkeys(_across(group, part_of), "identical")
            first_equal |= dict.fromkeys(group, group[0])
        for one, other in combinations(parts, 2):
            for i, j in _near_pairs(thumbnails[one], thumbnails[other], crowd):
                pair = (int(parts[one][i]), int(parts[other][j]))
                if first_equal.get(pair[0], -1) != first_equal.get(pair[1], -2):
                    found.setdefault(pair, "near-identical")
    order = sorted(found, key=lambda pair: (found[pair], part_of[pair[0]] != "train", pair))
    return Leaks(
        tuple(
            Leak(one, part_of[one], other, part_of[other], found[one, other], name(one), name(other))
            for one, other in order
        )
    )


def _across(group: list[int], part_of: dict[int, str]) -> list[tuple[int, int]]:
    """Each later row of a group of equals, paired with the group's first row of each other part.

    Not every row with every row: a thousand black pictures are a thousand leaks, not a million.
    """
    firsts: dict[str, int] = {}
    for row in group:
        firsts.setdefault(part_of[row], row)
    ranks = {"train": 0, "valid": 1, "test": 2}
    pairs = []
    for row in group:
        part = part_of[row]
        pairs += [(first, row) for other, first in firsts.items() if ranks[other] < ranks[part]]
    return pairs


def _equal_rows(cells: pl.DataFrame, rows: np.ndarray) -> list[list[int]]:
    """Groups of rows with equal cells that chance does not explain; see `find_leaks`."""
    suspects = np.intersect1d(np.flatnonzero(cells.hash_rows(seed=0).is_duplicated().to_numpy()), rows)
    if not len(suspects):
        return []
    shared_by = cells.select(pl.len().over(name).alias(name) for name in cells.columns)[suspects].to_numpy()
    rarest = shared_by.min(1)
    # Rows that share the rarest cell, times the odds that the other cells agree too, were they independent.
    by_chance = rarest * np.exp(np.log(shared_by / cells.height).sum(1) - np.log(rarest / cells.height))
    content = np.zeros(len(suspects), dtype=bool)
    for name, dtype in cells.schema.items():
        if dtype == pl.String:
            content |= (cells[name][suspects].str.len_chars().fill_null(0) > _TEXT_CHARS).to_numpy()
        content |= dtype.is_nested()
    odd = (rarest <= max(5, cells.height // 1000)) & (by_chance < _BY_CHANCE)
    groups: dict[str, list[int]] = defaultdict(list)
    told = suspects[odd | content]
    for row, values in zip(told.tolist(), cells[told].iter_rows(), strict=True):
        # repr, so that lists can be compared and NaN equals NaN.
        groups[repr(values)].append(row)
    return [group for group in groups.values() if len(group) > 1]


def _look(pictures: PictureStore, rows: np.ndarray) -> tuple[Tensor, Tensor, bool]:
    """Coarse and fine grey thumbnails `(N, D)` of one part, and whether its pictures are large."""
    coarse, fine, large = [], [], False
    start, step = 0, 64
    while start < len(rows):
        batch = torch.as_tensor(pictures.read(torch.from_numpy(rows[start : start + step])))
        height, width = batch.shape[1:3]
        large = min(height, width) >= _LARGE_PX
        side = _LARGE[0] if large else _SMALL[0]
        thumbnails = _grey_thumbnails(batch, (min(side, _half(height)), min(side, _half(width))))
        coarse.append(F.adaptive_avg_pool2d(thumbnails, _COARSE).flatten(1))
        fine.append(thumbnails.flatten(1))
        start += len(batch)
        # The larger the pictures, the fewer at a time: memory stays flat.
        step = max(1, min(4096, 4_000_000 // max(1, batch[0].numel())))
    return torch.cat(coarse), torch.cat(fine), large


def _half(length_px: int) -> int:
    """Half a side; tiny pictures are compared pixel by pixel: 4 x 4 of the 8 x 8 digits look alike by chance."""
    return length_px // 2 if length_px > _SMALL[0] else length_px


def _grey_thumbnails(batch: Tensor, size_px: tuple[int, int]) -> Tensor:
    """Area means `(B, 1, h, w)` float32, 0..255, of `(B, H, W, C)` uint8.

    Of large colour pictures the green channel is taken: it carries most of the brightness, at a third of the work. In
    small ones JPEG's coarse colour shows in it (copies found: 95.6 % instead of 97.8 %), so they get the true grey.
    """
    channels = batch.shape[-1]
    if channels == len(_GREY) and min(batch.shape[1:3]) < _LARGE_PX:
        small = F.adaptive_avg_pool2d(batch.permute(0, 3, 1, 2).float(), size_px)
        return (small * torch.tensor(_GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return F.adaptive_avg_pool2d(batch[..., channels // 2].float().unsqueeze(1), size_px)


def _equal_pictures(pictures: PictureStore, rows: np.ndarray, thumbnails: Tensor) -> list[list[int]]:
    """Groups of rows with the same pixels; only rows whose thumbnails are equal are read again."""
    alike: dict[bytes, list[int]] = defaultdict(list)
    for row, thumbnail in zip(rows.tolist(), thumbnails.numpy(), strict=True):
        alike[hashlib.blake2b(thumbnail.tobytes(), digest_size=16).digest()].append(row)
    groups: list[list[int]] = []
    for suspects in (group for group in alike.values() if len(group) > 1):
        same: dict[bytes, list[int]] = defaultdict(list)
        for row in suspects:
            pixels = torch.as_tensor(pictures.read(torch.tensor([row]))).numpy()
            same[hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()].append(row)
        groups += [group for group in same.values() if len(group) > 1]
    return groups


def _unit(thumbnails: Tensor) -> Tensor:
    """Mean 0 and length 1, so that products are correlations; flat pictures become 0 and are like nothing."""
    centred = thumbnails - thumbnails.mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    flat = length < _FLAT * thumbnails.shape[1] ** 0.5
    return torch.where(flat, 0.0, centred / length.clamp_min(1e-6))


def _near_pairs(
    one: tuple[Tensor, Tensor, bool], other: tuple[Tensor, Tensor, bool], crowd: tuple[Tensor, Tensor]
) -> list[tuple[int, int]]:
    """Positions (in one, in other) of near-identical pictures; `crowd`: coarse and fine unit vectors of all parts."""
    coarse_one, fine_one, large = one
    coarse_other, fine_other, _ = other
    j, i = _candidates(_unit(coarse_other), _unit(coarse_one))
    if not len(i):
        return []
    _, least, most = _LARGE if large else _SMALL
    unit_one, unit_other = _unit(fine_one), _unit(fine_other)
    kept_i, kept_j, kept_r = [], [], []
    for at in range(0, len(i), 65_536):
        some_i, some_j = i[at : at + 65_536], j[at : at + 65_536]
        r = (unit_one[some_i] * unit_other[some_j]).sum(1)
        spread = (fine_one[some_i].std(1) * fine_other[some_j].std(1)).sqrt()
        # What is left, in grey levels, once brightness and contrast agree.
        difference = spread * (2 * (1 - r)).clamp_min(0).sqrt()
        good = (r > least) & (difference < most)
        kept_i.append(some_i[good])
        kept_j.append(some_j[good])
        kept_r.append(r[good])
    i, j, r = torch.cat(kept_i), torch.cat(kept_j), torch.cat(kept_r)
    if not large and len(i):
        good = _stands_out(coarse_one[i], coarse_other, j, crowd[0], _STANDS_OUT[0])
        good &= _stands_out(fine_one[i], fine_other, j, crowd[1], _STANDS_OUT[1])
        good |= r > _CERTAIN
        i, j = i[good], j[good]
    return list(zip(i.tolist(), j.tolist(), strict=True))


def _stands_out(one: Tensor, other: Tensor, j: Tensor, crowd: Tensor, share: float) -> Tensor:
    """`(P,)` bool: is `one[p]` nearer to `other[j[p]]` than `share` of the distance to the latter's fifth neighbour?"""
    if len(crowd) <= _NEIGHBOUR:
        return torch.ones(len(j), dtype=torch.bool)
    rows, back = j.unique(return_inverse=True)
    units = _unit(other[rows])
    # One more than the neighbour: each picture is its own nearest.
    nearest = [(some @ crowd.T).topk(_NEIGHBOUR + 1).values[:, -1] for some in units.split(256)]
    r = (_unit(one) * units[back]).sum(1)
    # Distances between unit vectors: sqrt(2 (1 - r)).
    return (1 - r) < share**2 * (1 - torch.cat(nearest)[back])


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
