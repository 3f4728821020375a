"""Draws are a function of seed, purpose, epoch and row."""

import numpy as np
import torch

from longspan.randomness import _mix, _mix_int, hash64, permutation, seed_generators, step_seed, uniform

MASK = (1 << 64) - 1
KNOWN_HASHES = [-6540211557443986408, -8505842019345605328, -7275471875571361340]
KNOWN_ORDER = [0, 7, 6, 2, 5, 4, 3, 1]
KNOWN_SEED = 9201527221432040625


def test_the_mixer_is_splitmix64s():
    """The first outputs of SplitMix64 seeded with 0, as published with the reference C code."""
    states = [(k * 0x9E3779B97F4A7C15) & MASK for k in (1, 2, 3)]
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [_mix_int(state) for state in states] == published
    signed = torch.tensor(np.array(states, dtype=np.uint64).view(np.int64))
    assert _mix(signed).numpy().view(np.uint64).tolist() == published


def test_known_values_never_change():
    """Changing the stream would change every trained model: do it on purpose or not at all."""
    assert hash64(42, "shuffle", 3, torch.tensor([0, 1, 59_999])).tolist() == KNOWN_HASHES
    assert permutation(0, "shuffle", 1, 8).tolist() == KNOWN_ORDER
    assert step_seed(7, "dropout", 1000) == KNOWN_SEED


def test_numbers_and_tensors_hash_alike():
    for counters in ([5], [5, -1], [0, 1 << 40, 7]):
        by_number = hash64(1, "p", *counters)
        assert by_number.shape == ()
        assert int(hash64(1, "p", *[torch.tensor(each) for each in counters])) == int(by_number)
        assert int(hash64(1, "p", counters[0], *[torch.tensor([each]) for each in counters[1:]])) == int(by_number)


def test_uniform_is_uniform():
    numbers = uniform(0, "test", 0, torch.arange(20_000), 5)
    assert numbers.dtype == torch.float64
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = torch.histc(numbers.float(), 20, 0, 1)
    expected = numbers.numel() / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # chi-square, 19 degrees of freedom, p = 0.001


def test_rows_and_draws_are_uncorrelated():
    numbers = uniform(0, "test", 0, torch.arange(20_000), 6)
    beside = torch.cat([numbers[:-1], numbers[1:]], dim=1)  # neighbours in both directions
    correlation = torch.corrcoef(beside.T) - torch.eye(12)
    assert correlation.abs().max() < 5 / 20_000**0.5


def test_a_row_does_not_depend_on_its_batch():
    whole = uniform(3, "augment", 2, torch.arange(100), 4)
    some = torch.tensor([70, 3, 99])
    assert torch.equal(uniform(3, "augment", 2, some, 4), whole[some])
    assert torch.equal(uniform(3, "augment", 2, some, 2), whole[some, :2])


def test_seed_purpose_and_epoch_each_change_everything():
    rows = torch.arange(200)
    base = uniform(0, "a", 0, rows, 3)
    for other in (uniform(1, "a", 0, rows, 3), uniform(0, "b", 0, rows, 3), uniform(0, "a", 1, rows, 3)):
        assert (base != other).all()
        assert torch.corrcoef(torch.stack([base.flatten(), other.flatten()]))[0, 1].abs() < 0.2


def test_a_permutation_holds_every_row_once():
    order = permutation(0, "shuffle", 0, 10_000)
    assert torch.equal(order.sort().values, torch.arange(10_000))
    assert (order == torch.arange(10_000)).sum() < 12
    assert not torch.equal(order, permutation(0, "shuffle", 1, 10_000))
    assert permutation(0, "shuffle", 0, 0).tolist() == []


def test_every_order_is_as_likely():
    orders = [tuple(permutation(seed, "shuffle", 0, 3).tolist()) for seed in range(1200)]
    counts = np.array([orders.count(each) for each in set(orders)])
    assert len(counts) == 6
    assert ((counts - 200) ** 2 / 200).sum() < 20.5  # chi-square, 5 degrees of freedom, p = 0.001


def test_a_step_seed_fits_torch():
    seeds = {step_seed(0, "dropout", step) for step in range(1000)}
    assert len(seeds) == 1000
    assert min(seeds) >= 0
    torch.manual_seed(max(seeds))


def test_generators_are_seeded_as_pytorch_seeds_them():
    seed_generators(2**62 + 5, torch.device("cpu"))
    drawn = torch.rand(3)
    torch.manual_seed(2**62 + 5)
    assert torch.equal(drawn, torch.rand(3))
