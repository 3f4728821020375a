"""The sum over virtual workers: one tree, whoever adds up which part of it."""

import numpy as np
import pytest
import torch

from longspan.train.distributed.fixed_sum import FixedSum, _fold, _left
from longspan.train.distributed.processes import Processes


def by_hand(values):
    """The same tree, level by level, in numpy."""
    values = [np.float32(each) for each in values]
    while len(values) > 1:
        pairs = [values[i] + values[i + 1] for i in range(0, len(values) - 1, 2)]
        values = pairs + values[len(pairs) * 2 :]
    return values[0]


def awkward(workers):
    """Numbers whose sum depends on the order."""
    return [(1e8, 1.0, -1e8, 1.0)[worker % 4] + 0.1 * worker for worker in range(workers)]


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5, 6, 7, 8, 12, 20])
def test_it_is_the_tree_by_hand(workers):
    numbers = awkward(workers)
    total = FixedSum(Processes(), workers)
    for worker, number in enumerate(numbers):
        total.add(worker, [torch.tensor([number])])
    assert total.total()[0].item() == by_hand(numbers)


def test_the_order_matters_for_these_numbers():
    numbers = awkward(8)
    assert by_hand(numbers) != np.add.accumulate(np.float32(numbers))[-1]


@pytest.mark.parametrize("workers", [2, 4, 6, 12, 20])
def test_any_number_of_processes_leaves_parts_of_the_same_tree(workers):
    numbers = awkward(workers)
    for count in (n for n in range(1, workers + 1) if workers % n == 0):
        whole = {}
        for rank in range(count):
            own = {}
            for worker in Processes(rank, count).share(workers):
                _fold(own, (0, worker), [torch.tensor([numbers[worker]])], workers)
            assert sorted(own) == _left(workers, count, rank)
            for node in sorted(own):
                _fold(whole, node, own[node], workers)
        ((total,),) = whole.values()
        assert total.item() == by_hand(numbers)


def test_with_as_many_processes_as_a_power_of_two_each_sends_one_sum():
    assert [len(_left(8, 4, rank)) for rank in range(4)] == [1, 1, 1, 1]
    assert [len(_left(6, 2, rank)) for rank in range(2)] == [2, 2]
