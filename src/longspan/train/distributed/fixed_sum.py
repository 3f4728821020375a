"""The sum over virtual workers in an order of its own: the same bits, however many processes compute them.

Floating-point addition is not associative, so a sum depends on the order. Here the order is a binary tree over the
numbers of the workers: 0 + 1, 2 + 3, ..., then the sums of pairs, and so on. A process adds up whatever lies below one
node among its own workers, and the rest of the tree is added up where all of it has arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
import torch.distributed as dist

from longspan.train.distributed.processes import Processes

__all__ = ["FixedSum"]

_Node = tuple[int, int]  # level and place: (0, v) is worker v, (1, 0) the sum of workers 0 and 1


@final
class FixedSum:
    """Adds up lists of tensors, one list for each of `workers` virtual workers."""

    def __init__(self, processes: Processes, workers: int) -> None:
        """Nothing is added yet; this process adds the lists of `processes.share(workers)`."""
        self.processes = processes
        self.workers = workers
        self._nodes: dict[_Node, list[torch.Tensor]] = {}

    def add(self, worker: int, values: Sequence[torch.Tensor]) -> None:
        """Take the tensors of one worker; they are used up."""
        _fold(self._nodes, (0, worker), list(values), self.workers)

    def total(self) -> list[torch.Tensor]:
        """The sum over all workers, as a list like those that were added; every process has to call this.

        Each process receives an equal piece of all sums that could not be added further, finishes the tree on it, and
        sends its piece of the total to the others. With as many processes as workers that moves as many bytes as the
        usual ring does.
        """
        if self.processes.count == 1:
            (total,) = self._nodes.values()
            return total
        like = next(iter(self._nodes.values()))
        kinds = list(dict.fromkeys(each.dtype for each in like))
        total: list[torch.Tensor] = list(like)
        for kind in kinds:
            chosen = [place for place, each in enumerate(like) if each.dtype == kind]
            flat = {
                node: torch.cat([values[place].reshape(-1) for place in chosen]) for node, values in self._nodes.items()
            }
            summed = self._exchanged(flat)
            pieces = summed.split([like[place].numel() for place in chosen])
            for place, piece in zip(chosen, pieces, strict=True):
                # As a copy with memory of its own: kernels choose their way by the alignment of what they read.
                total[place] = torch.empty_like(like[place]).copy_(piece.view(like[place].shape))
        return total

    def _exchanged(self, flat: dict[_Node, torch.Tensor]) -> torch.Tensor:
        count, size = self.processes.count, len(next(iter(flat.values())))
        piece = -(-size // count)
        nodes = [_left(self.workers, count, rank) for rank in range(count)]
        own = torch.stack([flat[node] for node in nodes[self.processes.rank]])
        own = torch.nn.functional.pad(own, (0, piece * count - size))
        sent = own.view(len(own), count, piece).transpose(0, 1).contiguous()
        received = sent.new_empty(sum(map(len, nodes)), piece)
        dist.all_to_all_single(
            received.view(-1), sent.view(-1),
            output_split_sizes=[len(each) * piece for each in nodes], input_split_sizes=[len(own) * piece] * count,
        )  # fmt: skip
        tree: dict[_Node, list[torch.Tensor]] = {}
        for node, values in zip([node for each in nodes for node in each], received, strict=True):
            _fold(tree, node, [values], self.workers)
        (total,) = tree.values()
        whole = sent.new_empty(count * piece)
        dist.all_gather(list(whole.split(piece)), total[0].contiguous())
        return whole[:size]


def _fold(nodes: dict[_Node, list[torch.Tensor]], node: _Node, values: list[torch.Tensor], workers: int) -> None:
    """Put a node into the tree, and add it to its neighbour as long as that is there."""
    while True:
        level, place = node
        width = _width(level, workers)
        if width == 1:
            break
        neighbour = (level, place ^ 1)
        if place ^ 1 >= width:  # the last one of an odd number goes up alone
            node = (level + 1, place // 2)
            continue
        other = nodes.pop(neighbour, None)
        if other is None:
            break
        left, right = (other, values) if place % 2 else (values, other)
        if left:  # `_left` follows the tree without values
            torch._foreach_add_(left, right)  # pyright: ignore[reportPrivateImportUsage]
        values, node = left, (level + 1, place // 2)
    nodes[node] = values


def _width(level: int, workers: int) -> int:
    """How many nodes a level of the tree has."""
    return -(-workers >> level)


def _left(workers: int, count: int, rank: int) -> list[_Node]:
    """The nodes that process `rank` of `count` cannot add further, in the order in which `_fold` leaves them."""
    nodes: dict[_Node, list[torch.Tensor]] = {}
    for worker in Processes(rank, count).share(workers):
        _fold(nodes, (0, worker), [], workers)
    return sorted(nodes)
