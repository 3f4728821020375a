"""The order in which rows train: a function of (seed, epoch)."""

from __future__ import annotations

from typing import Any

from longspan.errors import ConfigError
from longspan.lazy_torch import torch
from longspan.randomness import hash64, permutation, uniform

__all__ = [
    "check_batch_size", "class_order", "draw_by_weight", "draw_numbers", "epoch_order", "shuffled_rows", "split_evenly",
]  # fmt: skip

POOL_BATCHES = 32
"""Rows are sorted by length among so many batches, which leaves enough chance in who meets whom."""


_BLOCKS = 8
"""Rows that are read in blocks are shuffled among so many of them, drawn from the whole table."""


def check_batch_size(batch_size: Any) -> None:
    """ConfigError unless it is a whole number of at least 1."""
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise ConfigError(f"batch_size must be a whole number of at least 1, got {batch_size!r}.")


def split_evenly(rows: torch.Tensor, batch_size: int) -> tuple[torch.Tensor, ...]:
    """`rows` in as many parts as batches of at most `batch_size` need, whose sizes differ by one at most.

    Raises:
        ConfigError: the size is not a whole number of at least 1.
    """
    check_batch_size(batch_size)
    return rows.tensor_split(max(1, -(-len(rows) // batch_size)))


def draw_by_weight(rows: torch.Tensor, weights: torch.Tensor, epoch: int, seed: int) -> torch.Tensor:
    """As many rows as there are, drawn with repeats: a row of weight w comes w times, rounded up or down at random.

    Systematic sampling along the shuffled rows: over the epochs every row comes as often as its weight says, with less
    scatter than independent draws have.

    Args:
        rows: `(N,)` row numbers.
        weights: `(N,)` float, 0 or more, with mean 1.
        epoch: Number of the epoch.
        seed: The seed of the training.
    """
    shuffled = permutation(seed, "balance", epoch, len(rows))
    ends = weights[shuffled].double().cumsum(0)
    start = uniform(seed, "balance start", epoch, torch.zeros(1, dtype=torch.int64), 1)[0, 0]
    points = (torch.arange(len(rows)) + start) * (ends[-1] / len(rows))
    return rows[shuffled[torch.searchsorted(ends, points, right=True).clamp_max(len(rows) - 1)]]


def draw_numbers(rows: torch.Tensor) -> torch.Tensor:
    """`(N,)` numbers for what is drawn at random for each of `rows`: the row's, and another for each repeat of it."""
    order = rows.argsort(stable=True)
    ordered = rows[order]
    first = torch.searchsorted(ordered, ordered)  # where the run of equal rows begins
    repeats = torch.empty_like(rows)
    repeats[order] = torch.arange(len(rows)) - first
    return rows + (repeats << 40)


def epoch_order(
    rows: torch.Tensor,
    epoch: int,
    seed: int,
    batch_size: int,
    lengths: torch.Tensor | None = None,
    pool_batches: int = POOL_BATCHES,
    block_rows: int | None = None,
    *,
    ascending: bool = False,
) -> torch.Tensor:
    """`rows` in the order of an epoch, to be cut by `split_evenly`.

    With lengths, rows of like length come into one batch, so that little is padded: the shuffled rows are cut into
    pools of several batches, sorted by length within each, and the batches are shuffled. Batch n of an epoch is the
    same whether the epoch is trained through or taken up there.

    Args:
        rows: `(N,)` row numbers.
        epoch: Number of the epoch.
        seed: The seed of the training.
        batch_size: Rows of a batch at most.
        lengths: `(N,)` steps of each of `rows`; None shuffles alone.
        pool_batches: Batches among which rows are sorted.
        block_rows: Rows that are read together (see `shuffled_rows`), where they have no lengths.
        ascending: The shortest rows of all come first, and rows of one length are shuffled.

    Raises:
        ConfigError: rows are to ascend, and have no lengths.
    """
    if ascending and lengths is None:
        raise ConfigError("short_first is for rows of several lengths, such as texts or recordings; these have one.")
    if lengths is None:
        return shuffled_rows(rows, epoch, seed, "order", block_rows)
    shuffled = permutation(seed, "order", epoch, len(rows))
    if ascending:
        return rows[shuffled[lengths[shuffled].argsort(stable=True)]]
    pools = shuffled.split(batch_size * pool_batches)
    sizes = torch.tensor([len(part) for part in split_evenly(rows, batch_size)])
    spread = sizes[permutation(seed, "batch sizes", epoch, len(sizes))]
    batches = torch.cat([pool[lengths[pool].argsort(stable=True)] for pool in pools]).split(spread.tolist())
    # Those of one row more come first, as `split_evenly` cuts them.
    turn = permutation(seed, "batches", epoch, len(batches))
    turn = turn[spread[turn].argsort(descending=True, stable=True)]
    return rows[torch.cat([batches[number] for number in turn.tolist()])]


def shuffled_rows(
    rows: torch.Tensor, epoch: int, seed: int, purpose: str, block_rows: int | None = None
) -> torch.Tensor:
    """`rows` in an order that depends on (seed, purpose, epoch) alone.

    With `block_rows`, rows that lie together on the disk come at about the same time: the rows in ascending order are
    cut into blocks, the blocks are shuffled, and rows are shuffled among eight blocks at a time. A batch holds rows
    from eight places of the table then, instead of from all.

    Args:
        rows: `(N,)` row numbers.
        epoch: Number of the epoch.
        seed: The seed of the training.
        purpose: What the order is for.
        block_rows: Rows of a block; None shuffles all rows alike.
    """
    if block_rows is None or len(rows) <= _BLOCKS * block_rows:
        return rows[permutation(seed, purpose, epoch, len(rows))]
    blocks = rows.sort().values.split(block_rows)
    in_blocks = torch.cat([blocks[n] for n in permutation(seed, f"{purpose} of blocks", epoch, len(blocks)).tolist()])
    order, size = torch.empty_like(rows), _BLOCKS * block_rows
    drawn = hash64(seed, purpose, epoch, torch.arange(len(rows)))
    for at in range(0, len(rows), size):
        order[at : at + size] = in_blocks[at : at + size][drawn[at : at + size].argsort()]
    return order


def class_order(
    rows: torch.Tensor, classes: torch.Tensor, per_class: int, epoch: int, seed: int, block_rows: int | None = None
) -> torch.Tensor:
    """`rows` in an order in which `per_class` rows of a class follow each other: groups drawn anew in every epoch.

    Each row comes once. What is left of a class is a smaller group, of two rows at least if the class has two. Batches
    are cut from the order by their size, so that a group at the end of one may go on in the next.

    Args:
        rows: `(N,)` row numbers.
        classes: `(N,)` the class of each; below 0 for none, whose rows stand alone.
        per_class: Rows of a group, at least 2.
        epoch: Number of the epoch.
        seed: The seed of the training.
        block_rows: Rows that are read together (see `shuffled_rows`): groups are made of rows of eight blocks then.
    """
    if block_rows is not None and len(rows) > _BLOCKS * block_rows:
        order = shuffled_rows(torch.arange(len(rows)), epoch, seed, "order", block_rows)
        parts = rows.argsort()[order].split(_BLOCKS * block_rows)
        return torch.cat([class_order(rows[part], classes[part], per_class, epoch, seed) for part in parts])
    shuffled = permutation(seed, "order", epoch, len(rows))
    by_class = shuffled[classes[shuffled].argsort(stable=True)]
    sizes: list[int] = []
    names, counts = classes[by_class].unique_consecutive(return_counts=True)
    for name, count in zip(names.tolist(), counts.tolist(), strict=True):
        if name < 0:
            sizes += [1] * count
            continue
        whole, rest = divmod(count, per_class)
        groups = [per_class] * whole + ([rest] if rest else [])
        if rest == 1 and whole:  # one row alone would have no partner
            groups[-2:] = [per_class - 1, 2] if per_class > 2 else [3]
        sizes += groups
    groups = by_class.split(sizes)
    turn = permutation(seed, "groups", epoch, len(groups))
    return rows[torch.cat([groups[number] for number in turn.tolist()])]
