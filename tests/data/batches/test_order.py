import pytest
import torch

from longspan.data.batches.order import class_order, epoch_order, shuffled_rows
from longspan.errors import ConfigError


def test_rows_in_blocks_are_shuffled_among_a_few_blocks_at_a_time():
    rows = torch.arange(1000) + 5
    order = shuffled_rows(rows.flip(0), 3, 7, "order", block_rows=20)
    assert sorted(order.tolist()) == rows.tolist()
    assert torch.equal(order, epoch_order(rows, 3, 7, 16, block_rows=20))
    assert not torch.equal(order, shuffled_rows(rows, 4, 7, "order", block_rows=20))
    met = [len({(row - 5) // 20 for row in part.tolist()}) for part in order.split(160)]
    assert met == [8] * 6 + [2]
    first = order[:160]
    assert len({(row - 5) // 20 for row in first[:20].tolist()}) > 4  # rows of the blocks are mixed
    assert not torch.equal(first.sort().values, torch.arange(5, 165))  # and the blocks come from anywhere
    assert torch.equal(shuffled_rows(rows, 3, 7, "order", 125), shuffled_rows(rows, 3, 7, "order"))  # all at once


def runs(order, classes):
    """The classes in order, with how many rows of each follow each other."""
    values, counts = classes[order].unique_consecutive(return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def test_rows_of_a_class_come_together_and_each_row_once():
    classes = torch.tensor([0] * 8 + [1] * 9 + [2] * 3 + [3] + [-1] * 2)
    rows = torch.arange(len(classes)) + 100
    order = class_order(rows, classes, 4, epoch=0, seed=0)
    assert sorted(order.tolist()) == rows.tolist()
    position = order - 100
    # Groups of one class may stand side by side, so the pieces are looked for in many orders.
    alone = 0
    for epoch in range(20):
        position = class_order(rows, classes, 4, epoch=epoch, seed=0) - 100
        for name, count in runs(position, classes):
            if name == 0:
                assert count in (4, 8)
            if name == 2:
                assert count == 3
            alone += name == 1 and count == 1
    assert alone == 0, "nine rows are 4, 3 and 2: none is left without a partner"


def test_groups_are_other_ones_in_every_epoch_and_the_same_for_a_seed():
    classes = torch.arange(10).repeat_interleave(6)
    rows = torch.arange(60)
    first = class_order(rows, classes, 3, epoch=0, seed=5)
    assert torch.equal(first, class_order(rows, classes, 3, epoch=0, seed=5))
    for other in (class_order(rows, classes, 3, epoch=1, seed=5), class_order(rows, classes, 3, epoch=0, seed=6)):
        assert not torch.equal(first, other)
    partners = {tuple(sorted(each.tolist())) for each in first.split(3)}
    again = {tuple(sorted(each.tolist())) for each in class_order(rows, classes, 3, epoch=1, seed=5).split(3)}
    assert partners != again


def test_pairs_are_never_left_alone():
    classes = torch.zeros(5, dtype=torch.int64)
    assert len(class_order(torch.arange(5), classes, 2, epoch=0, seed=0)) == 5


def test_groups_of_a_class_are_made_of_rows_of_eight_blocks():
    rows, classes = torch.arange(1000).flip(0) + 7, torch.arange(1000).flip(0) % 5
    order = class_order(rows, classes, 4, epoch=2, seed=3, block_rows=20)
    assert sorted(order.tolist()) == sorted(rows.tolist())
    assert torch.equal(order, class_order(rows, classes, 4, epoch=2, seed=3, block_rows=20))
    assert not torch.equal(order, class_order(rows, classes, 4, epoch=3, seed=3, block_rows=20))
    for part in order.split(160):
        assert len({(row - 7) // 20 for row in part.tolist()}) <= 8
        assert all(count % 4 == 0 for _, count in runs(part - 7, torch.arange(1000) % 5))
    assert torch.equal(class_order(rows, classes, 4, 2, 3, block_rows=125), class_order(rows, classes, 4, 2, 3))


def test_short_rows_come_first_where_that_is_asked():
    rows, lengths = torch.arange(100, 130), torch.arange(30) % 5
    order = epoch_order(rows, 0, 3, 4, lengths, ascending=True)
    assert order.sort().values.tolist() == rows.tolist()
    found = lengths[order - 100].tolist()
    assert found == sorted(found)
    assert order.tolist() != epoch_order(rows, 1, 3, 4, lengths, ascending=True).tolist()
    with pytest.raises(ConfigError, match="several lengths"):
        epoch_order(rows, 0, 3, 4, ascending=True)
