"""Truth tables against plain Python, and what one hidden layer can and cannot learn."""

import pytest
import torch

from longspan.errors import ConfigError
from longspan.systems.claims.claim import Claims
from longspan.systems.claims.two_layers import TwoLayersOptions, _judge, learns, truth_table


@pytest.mark.parametrize(("name", "n"), [("parity", 5), ("multiplexer", 6), ("addition", 6)])
def test_tables_are_those_of_plain_python(name, n):
    inputs, outputs = truth_table(name, n)
    assert inputs.shape == (2**n, n)
    assert len({tuple(row) for row in inputs.tolist()}) == 2**n
    for row, given in zip(inputs.tolist(), outputs.int().tolist(), strict=True):
        bits = [int(each > 0) for each in row]
        if name == "parity":
            expected = [sum(bits) % 2]
        elif name == "multiplexer":
            expected = [bits[2 + bits[0] + 2 * bits[1]]]
        else:
            total = sum(b << k for k, b in enumerate(bits[:3])) + sum(b << k for k, b in enumerate(bits[3:]))
            expected = [total >> k & 1 for k in range(4)]
        assert given == expected


def test_exclusive_or_takes_two_hidden_units():
    table = truth_table("parity", 2)
    settings = {"layers": 1, "steps": 600, "lr": 0.05, "seed": 0}
    assert not learns(*table, widths=[1] * 8, **settings).any()
    assert learns(*table, widths=[3] * 8, **settings).any()


def test_units_beyond_a_networks_width_are_silent():
    """A narrow network learns no better beside a wide one, whose weights it is stored with."""
    inputs, outputs = truth_table("parity", 2)
    found = learns(inputs, outputs, widths=[1] * 6 + [8] * 6, layers=2, steps=600, lr=0.05, seed=1)
    assert not found[:6].any()
    assert found[6:].any()


def test_the_same_seed_gives_the_same():
    table = truth_table("parity", 3)
    runs = [learns(*table, widths=[2, 3, 4] * 4, layers=1, steps=100, lr=0.02, seed=seed) for seed in (3, 3)]
    assert torch.equal(*runs)


def test_growth_is_judged_by_its_power():
    claims = Claims()
    sizes = (2, 4, 8)
    _judge(claims, "f", {"one layer": {n: [n, n, n] for n in sizes}, "log n layers": {}})
    _judge(claims, "g", {"one layer": {n: [2**n, 2**n, 2**n + 1] for n in sizes}, "log n layers": {8: [16, 24, 16]}})
    assert [each.verdict for each in claims.claims] == ["refuted", "reproduced", "reproduced"]
    assert claims.claims[0].quantity.mean == pytest.approx(1.0)


def test_wrong_options_are_named():
    with pytest.raises(ConfigError, match="--functions: party is not among parity, multiplexer, addition"):
        TwoLayersOptions(functions="party")
    with pytest.raises(ConfigError, match="--bits must be at least 4 and at most 12, got 40"):
        TwoLayersOptions(bits=40)
