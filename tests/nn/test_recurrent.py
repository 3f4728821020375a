import pytest
import torch
from torch import nn

from longspan.nn.recurrent import _run_padded, run_recurrent


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padded_states_are_those_of_packed_sequences(cell, bidirectional):
    layer = cell(3, 4, batch_first=True, bidirectional=bidirectional)
    steps, lengths = torch.randn(4, 6, 3), torch.tensor([6, 1, 4, 2])
    with torch.no_grad():
        packed = run_recurrent(layer, steps, lengths)
        torch.testing.assert_close(_run_padded(layer, steps, lengths), packed)
    assert packed[1, 1:].abs().max() == 0


def test_what_stands_behind_the_end_is_not_read():
    layer = nn.GRU(3, 4, batch_first=True, bidirectional=True)
    steps, lengths = torch.randn(2, 5, 3), torch.tensor([5, 3])
    other = steps.clone()
    other[1, 3:] = 100.0
    with torch.no_grad():
        assert torch.equal(_run_padded(layer, steps, lengths), _run_padded(layer, other, lengths))


def test_other_weights_take_the_place_of_the_layers_own():
    layer = nn.GRU(3, 4, batch_first=True)
    zeros = {name: torch.zeros_like(each) for name, each in layer.named_parameters()}
    assert run_recurrent(layer, torch.randn(2, 5, 3), torch.tensor([5, 3]), zeros).abs().max() == 0
