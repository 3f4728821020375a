"""The Neocognitron: cells against the paper's equations, the winner rule, and that shifts matter little."""

import math

import pytest
import torch

from longspan.errors import ConfigError, ShapeError
from longspan.models.vision.neocognitron import Neocognitron, NeocognitronConfig, _bump, _Stage

SMALL = NeocognitronConfig(planes=(4, 8, 12))


def strokes():
    """Eight images of 16 px, each a bar of its own direction and place."""
    images = torch.zeros(8, 1, 16, 16)
    for row in range(4):
        images[row, 0, 3 + 3 * row, 3:13] = 1
        images[4 + row, 0, 3:13, 3 + 3 * row] = 1
    return images


def test_an_s_cell_follows_the_equations_of_the_paper():
    stage = _Stage(2, 3, 2.0, 1.5, 1.0, 2)
    generator = torch.Generator().manual_seed(0)
    stage.excitatory.copy_(torch.rand(3, 2, 5, 5, generator=generator))
    stage.inhibitory.copy_(torch.rand(3, generator=generator))
    maps = torch.rand(1, 2, 9, 9, generator=generator)
    simple, veto = stage.simple(maps, 2.0)
    patch = maps[0, :, 2:7, 3:8]  # the field of the place (4, 5)
    inhibition = math.sqrt(float((stage.field * patch.square()).sum()))
    assert float(veto[0, 0, 4, 5]) == pytest.approx(inhibition, rel=1e-5)
    for plane in range(3):
        excited = 1 + float((stage.excitatory[plane] * patch).sum())
        inhibited = 1 + 2 * 2.0 / (1 + 2.0) * float(stage.inhibitory[plane]) * inhibition
        expected = 2.0 * max(0.0, excited / inhibited - 1)
        assert float(simple[0, plane, 4, 5]) == pytest.approx(expected, rel=1e-4)


def test_a_plane_answers_to_what_it_learned_and_not_to_something_else():
    """With strong connections the answer is 1 to the pattern itself, 0 below the similarity r / (1 + r)."""
    stage = _Stage(1, 1, 2.0, 2.0, 1e6, 2)
    images = strokes()
    stage.start(torch.Generator().manual_seed(0))
    stage.reinforce(images[:1])
    own = stage.simple(images[:1], 2.0)[0].max()
    other = stage.simple(images[4:5], 2.0)[0][0, 0, 6:10, 3].max()  # the middle of a bar of the other direction
    assert float(own) == pytest.approx(1.0, abs=0.02)
    assert float(other) == 0.0


def test_the_connections_of_a_field_sum_to_one():
    assert float((_Stage(6, 2, 1, 1, 1, 2).field.expand(6, 5, 5)).sum()) == pytest.approx(1.0)
    assert float(_bump(5, 2.0).sum()) == pytest.approx(1.0)


def test_the_same_plane_wins_for_the_same_pattern_elsewhere():
    network = Neocognitron(SMALL).learn(strokes(), passes=(2, 2, 2), seed=1)
    simple, _ = network.stages[0].simple(strokes()[[0, 1]], 1.5)
    winners = simple.amax((2, 3)).argmax(1)
    assert winners[0] == winners[1]  # two horizontal bars
    assert int((network.stages[0].inhibitory > 0).sum()) >= 2


def test_learning_tells_directions_apart_wherever_they_stand():
    network = Neocognitron(SMALL).learn(strokes(), passes=(2, 2, 2), seed=0)
    cells = torch.nn.functional.normalize(network(strokes()), dim=1)
    alike = cells @ cells.T
    within = (alike[:4, :4].sum() - 4 + alike[4:, 4:].sum() - 4) / 24
    assert float(within) > float(alike[:4, 4:].mean()) + 0.2


def test_it_repeats_and_forgets_what_it_learned_before():
    first = Neocognitron(SMALL).learn(strokes(), seed=3)(strokes())
    network = Neocognitron(SMALL).learn(strokes().flip(0), seed=7).learn(strokes(), seed=3)
    assert torch.equal(network(strokes()), first)
    assert first.shape == (8, 12)


def test_it_has_nothing_for_gradients():
    assert list(Neocognitron(SMALL).parameters()) == []


def test_wrong_images_and_options_are_named():
    with pytest.raises(ShapeError, match=r"at least 8 px a side; got \(2, 3, 16, 16\)"):
        Neocognitron(SMALL)(torch.zeros(2, 3, 16, 16))
    with pytest.raises(ConfigError, match="planes must be three numbers"):
        NeocognitronConfig(planes=(1, 2))
