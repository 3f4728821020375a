import torch

from longspan.data.batches.order import epoch_order, shuffled_rows


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
