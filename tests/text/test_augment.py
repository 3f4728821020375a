import pytest
import torch

from longspan.columns.ragged import pad
from longspan.errors import ConfigError, UnknownNameError
from longspan.text import TextAugment, TextParams
from longspan.text.augment import augment_tokens

ROWS = [[5, 6, 7, 8], [5, 6], [9]]


def changed(dropped, swapped, rows=ROWS, fixed=()):
    batch = pad([torch.tensor(row) for row in rows])
    size = (len(rows), batch.values.shape[1])
    params = TextParams(torch.zeros(size, dtype=torch.bool), torch.zeros(size, dtype=torch.bool))
    for row, token in dropped:
        params.dropped[row, token] = True
    for row, token in swapped:
        params.swapped[row, token] = True
    values, lengths = augment_tokens(*batch, params, padding=0, fixed=fixed)
    assert all(not row[length:].any() for row, length in zip(values, lengths, strict=True))
    return [row[:length].tolist() for row, length in zip(values, lengths, strict=True)]


def test_tokens_are_left_out_and_neighbours_exchanged():
    assert changed([], []) == ROWS
    assert changed([(0, 1), (0, 3), (1, 0)], []) == [[5, 7], [6], [9]]
    assert changed([], [(0, 0), (0, 2)]) == [[6, 5, 8, 7], [5, 6], [9]]
    assert changed([], [(0, 0), (0, 1), (0, 2)])[0] == [
        6,
        5,
        7,
        8,
    ]  # of neighbours that all want to move, the first does
    assert changed([], [(0, 3), (1, 1), (2, 0)]) == ROWS  # the last has no neighbour
    assert changed([(0, 0)], [(0, 0)])[0] == [5, 7, 8]  # exchanged first, then left out


def test_a_text_never_loses_all_its_tokens_and_marks_stay():
    assert changed([(1, 0), (1, 1), (2, 0)], [])[1:] == [[5, 6], [9]]
    assert changed([(0, 0), (0, 1)], [(0, 0)], rows=[[5, 6, 7]], fixed=(5,)) == [[5, 7]]
    assert changed([(0, 1)], [], rows=[[101, 7, 102]], fixed=(101, 102)) == [[101, 7, 102]]


def test_draws_depend_on_seed_epoch_and_row_alone():
    config = TextAugment(word_dropout=0.3, swap=0.2)
    one = config.draw(torch.tensor([3, 9]), 1, 7, 500)
    other = config.draw(torch.tensor([9, 4]), 1, 7, 900)
    assert torch.equal(one.dropped[1], other.dropped[0, :500])
    assert not torch.equal(one.dropped, config.draw(torch.tensor([3, 9]), 2, 7, 500).dropped)
    assert one.dropped.float().mean() == pytest.approx(0.3, abs=0.05)
    assert one.swapped.float().mean() == pytest.approx(0.2, abs=0.05)
    assert len(one.take(torch.tensor([1]))) == 1
    assert TextAugment.from_json(config.to_json()) == config


def test_values_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"word_dropout must be a number in 0..0.9, got 1; TextAugment.swap"):
        TextAugment(word_dropout=1, swap=-1)
    with pytest.raises(UnknownNameError, match="word_dropout"):
        TextAugment.from_json({"word_drop": 0.1})
