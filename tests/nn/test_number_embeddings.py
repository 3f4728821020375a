import pytest
import torch

from longspan.nn.number_embeddings import LinearEmbeddings, PeriodicEmbeddings, PiecewiseLinearEmbeddings

reference = pytest.importorskip("rtdl_num_embeddings")
pytestmark = pytest.mark.filterwarnings("ignore:The .-th feature has just two bin edges")


@pytest.fixture
def numbers():
    torch.manual_seed(0)
    return torch.cat([torch.randn(200, 3), torch.randint(0, 2, (200, 1)).float()], dim=1) * 2


def test_piecewise_linear_is_that_of_the_reference(numbers):
    bins = reference.compute_bins(numbers, n_bins=9)
    assert len({len(each) for each in bins}) > 1  # one feature has a single bin
    wanted = reference.PiecewiseLinearEmbeddings(bins, 5, activation=False, version="B")
    ours = PiecewiseLinearEmbeddings([each.tolist() for each in bins], 5)
    torch.nn.init.normal_(wanted.linear.weight)
    with torch.no_grad():
        ours.linear.weight.copy_(wanted.linear0.weight)
        ours.linear.bias.copy_(wanted.linear0.bias)
        for number, edges in enumerate(bins):  # the reference keeps the last bin at the end, ours behind the others
            count = len(edges) - 1
            ours.bends.weight[number, : count - 1] = wanted.linear.weight[number, : count - 1]
            ours.bends.weight[number, count - 1] = wanted.linear.weight[number, -1]
    outside = torch.cat([numbers, numbers * 3])
    torch.testing.assert_close(ours(outside), wanted(outside), rtol=1e-4, atol=1e-4)


def test_piecewise_linear_codes_by_hand():
    layer = PiecewiseLinearEmbeddings([[0.0, 1.0, 3.0]], 2)
    codes = layer.encode(torch.tensor([[-1.0], [0.5], [2.0], [5.0]]))[:, 0]
    assert codes.tolist() == [[-1.0, 0.0], [0.5, 0.0], [1.0, 0.5], [1.0, 2.0]]


def test_bounded_codes_stay_within_the_outer_edges():
    layer = PiecewiseLinearEmbeddings([[0.0, 1.0, 3.0], [0.0, 1.0]], 2, bounded=True)
    codes = layer.encode(torch.tensor([[-1.0, -9.0], [0.5, 0.5], [5.0, 9.0]]))
    assert codes[:, 0].tolist() == [[0.0, 0.0], [0.5, 0.0], [1.0, 1.0]]
    assert codes[:, 1, 0].tolist() == [0.0, 0.5, 1.0]


def test_piecewise_linear_starts_as_a_linear_embedding(numbers):
    layer = PiecewiseLinearEmbeddings([[-1.0, 0.0, 1.0]] * 4, 3)
    torch.testing.assert_close(layer(numbers), layer.linear(numbers))


def test_periodic_is_that_of_the_reference(numbers):
    wanted = reference.PeriodicEmbeddings(4, 6, n_frequencies=8, frequency_init_scale=0.3, lite=False)
    ours = PeriodicEmbeddings(4, 6, frequencies=8, sigma=0.3)
    with torch.no_grad():
        ours.frequencies.copy_(wanted.periodic.weight)
        ours.linear.weight.copy_(wanted.linear.weight)
        ours.linear.bias.copy_(wanted.linear.bias)
    torch.testing.assert_close(ours(numbers), wanted(numbers))
    assert PeriodicEmbeddings(50, 6, frequencies=50, sigma=0.3).frequencies.std().item() == pytest.approx(0.3, rel=0.05)


def test_linear_is_that_of_the_reference(numbers):
    wanted, ours = reference.LinearEmbeddings(4, 6), LinearEmbeddings(4, 6)
    with torch.no_grad():
        ours.weight.copy_(wanted.weight)
        ours.bias.copy_(wanted.bias)
    torch.testing.assert_close(ours(numbers), wanted(numbers))
