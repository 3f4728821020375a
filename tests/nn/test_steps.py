import torch

from longspan.nn.steps import StepConv, pool_steps, step_mask


def test_masks_are_1_up_to_the_end():
    mask = step_mask(torch.zeros(2, 3, 5), torch.tensor([3, 1]))
    assert mask[:, :, 0].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_pooled_steps_leave_the_padding_out():
    steps = torch.tensor([[[1.0], [3.0], [99.0]], [[-4.0], [99.0], [99.0]]])
    lengths = torch.tensor([2, 1])
    assert pool_steps(steps, lengths, "avg").tolist() == [[2.0], [-4.0]]
    assert pool_steps(steps, lengths, "avg_max").tolist() == [[2.0, 3.0], [-4.0, -4.0]]


def test_a_convolution_is_that_of_the_row_alone():
    torch.manual_seed(0)
    conv = StepConv(4, 6, 5, stride=2, ahead=1)
    steps, lengths = torch.randn(2, 9, 4), torch.tensor([9, 5])
    found, counts = conv(steps, lengths)
    assert counts.tolist() == [5, 3]
    own = torch.nn.functional.pad(steps[1, :5].T[None], (3, 1))
    expected = torch.nn.functional.conv1d(own, conv.conv.weight, conv.conv.bias, stride=2)[0].T
    torch.testing.assert_close(found[1, :3], expected)
