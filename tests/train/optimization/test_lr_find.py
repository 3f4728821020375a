import numpy as np
import pytest
import torch

from longspan.errors import ConfigError, TrainingError
from longspan.train.optimization.lr_find import LRFind, suggest


def test_rates_rise_evenly_on_a_log_scale_and_the_blow_up_is_left_out(small):
    found = small.learner().lr_find(start=1e-5, end=1e3, steps=33)
    ratios = np.diff(np.log10(found.lrs))
    assert ratios == pytest.approx([0.25] * len(ratios))
    assert len(found.lrs) == len(found.losses) < 33  # a rate of a thousand ends in a blow-up
    assert found.lrs[0] == pytest.approx(1e-5)
    assert found.lrs[0] < found.suggestion < found.lrs[-1]
    assert max(found.losses) <= 4 * min(found.losses)


def test_the_loss_is_a_running_mean_free_of_its_start(small):
    found = small.learner().lr_find(start=1e-9, end=1e-8, steps=6)  # rates that teach nothing
    assert found.losses[0] == pytest.approx(np.mean(found.losses), rel=0.2)
    assert len(found.losses) == 6


def test_it_leaves_no_trace(small):
    looked, plain = small.learner(), small.learner()
    before, state = small.weights(looked), torch.get_rng_state()
    looked.lr_find(steps=10)
    assert small.same(before, looked)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in looked.network.parameters())
    assert not looked.network.training
    looked.fit(2)
    looked.lr_find(steps=5)
    looked.fit(1)
    assert small.same(looked, plain.fit(2).fit(1))


def test_the_same_seed_finds_the_same(small):
    first, again, other = (small.learner(seed=seed).lr_find(steps=8) for seed in (1, 1, 2))
    assert (first.lrs, first.losses) == (again.lrs, again.losses)
    assert first.losses != other.losses


def test_the_valley_by_hand():
    lrs = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    # falls over 4 steps from place 1 to place 4, two thirds of which is place 3
    assert suggest(lrs, np.array([5.0, 6.0, 4.0, 3.0, 2.0, 9.0, 9.5, 10.0])) == 4.0
    assert suggest(lrs, np.arange(8.0)) == 1.0  # never falls
    assert suggest(lrs, np.arange(8.0)[::-1]) == 5.0
    assert suggest(lrs[:1], np.array([1.0])) == 1.0


def test_a_loss_that_is_no_number_from_the_start_is_said(small):
    class Bad(torch.nn.Module):
        num_features = 1

        def forward(self, x):
            return x.mean(dim=(1, 2, 3)).unsqueeze(1) * (float("nan") if self.training else 1.0)

    with pytest.raises(TrainingError, match="The loss is nan before the first step"):
        small.learner(model=Bad()).lr_find()


@pytest.mark.parametrize("options", [{"start": 0.0}, {"start": 1.0, "end": 0.1}, {"steps": 1}, {"end": float("inf")}])
def test_ranges_that_cannot_be_are_refused(small, options):
    with pytest.raises(ConfigError, match="lr_find needs 0 < start < end"):
        small.learner().lr_find(**options)


def test_it_can_be_plotted_and_read():
    found = LRFind((0.001, 0.01, 0.1), (3.0, 2.0, 1.0), 0.01)
    assert repr(found) == "LRFind(suggestion=0.01; 0.001..0.1)"
    figure = found.plot()
    assert figure.axes
