import pytest
import torch
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, Matcher

from longspan.nn.detection_targets import covered_fraction, draw_samples, match, split_targets

BOXES = torch.tensor(
    [[[10.0, 10, 30, 40, 2, 0], [0, 0, 0, 0, 0, 0], [50, 50, 90, 90, 0, 1], [5, 5, 9, 9, 1, 0]], [[0.0] * 6] * 4]
)


def test_boxes_are_read_by_image_without_empty_lines_and_apart_from_ignored_ones():
    first, second = split_targets(BOXES)
    assert first.boxes.tolist() == [[10, 10, 30, 40], [5, 5, 9, 9]]
    assert first.classes.tolist() == [2, 1]
    assert first.ignored.tolist() == [[50, 50, 90, 90]]
    assert first.rows.tolist() == [0, 3]
    assert (second.boxes.shape, second.ignored.shape) == ((0, 4), (0, 4))


def test_what_lies_by_half_in_an_ignored_box_is_neither_unless_it_answers_for_a_true_one():
    truth = split_targets(torch.tensor([[[0.0, 0, 20, 20, 0, 0], [0, 0, 100, 20, 0, 1]]]))[0]
    anchors = torch.tensor([[0.0, 0, 20, 20], [60, 0, 80, 20], [60, 11, 80, 31], [60, 9, 80, 29], [0, 50, 20, 70]])
    matches = match(Matcher(0.5, 0.5), truth, anchors)
    assert matches.tolist() == [0, -2, -1, -2, -1]


def test_without_a_box_everything_is_nothing():
    truth = split_targets(BOXES)[1]
    assert match(Matcher(0.5, 0.5), truth, torch.rand(3, 4)).tolist() == [-1] * 3


def test_covered_fractions():
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 5, 5, 5]])
    fractions = covered_fraction(boxes, torch.tensor([[0.0, 0, 10, 5], [5, 5, 100, 100], [20, 20, 30, 30]]))
    torch.testing.assert_close(fractions, torch.tensor([[0.5, 0.25, 0], [0, 0, 0]]))


@pytest.mark.parametrize("training", [True, False])
def test_samples_are_as_many_of_either_kind_as_the_sampler_says(training):
    labels = [torch.tensor([1] * 20 + [0] * 50 + [-1] * 30), torch.zeros(100, dtype=torch.int64)]
    (positive, negative), (none, rest) = draw_samples(labels, 16, 0.5, training=training)
    assert (len(positive), len(negative), len(none), len(rest)) == (8, 8, 0, 16)
    assert positive.max() < 20
    assert 20 <= negative.min() <= negative.max() < 70


def test_evaluation_draws_alike_for_an_image_whatever_is_beside_it_and_leaves_no_trace():
    labels = [torch.tensor([1, 0] * 20), torch.tensor([0, 1] * 40)]
    state = torch.get_rng_state()
    both = draw_samples(labels, 8, 0.5, training=False)
    torch.rand(3)
    (alone,) = draw_samples(labels[1:], 8, 0.5, training=False)
    assert torch.equal(torch.cat(both[1]), torch.cat(alone))
    torch.set_rng_state(state)
    draw_samples(labels, 8, 0.5, training=False)
    assert torch.equal(torch.get_rng_state(), state)


def test_training_draws_from_the_generator_that_the_loop_seeds():
    labels = [torch.tensor([1, 0] * 20)] * 2
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(torch.cat([torch.cat(each) for each in draw_samples(labels, 8, 0.5, training=True)]).tolist())
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(("size", "fraction"), [(16, 0.5), (30, 0.25), (200, 0.5)])
def test_training_samples_are_those_of_torchvision_for_the_same_random_numbers(size, fraction):
    generator = torch.Generator().manual_seed(4)
    labels = [torch.randint(-1, 2, (120,), generator=generator) for _ in range(3)]
    torch.manual_seed(9)
    expected = zip(*BalancedPositiveNegativeSampler(size, fraction)(labels), strict=True)
    torch.manual_seed(9)
    drawn = draw_samples(labels, size, fraction, training=True)
    for ours, theirs in zip(drawn, expected, strict=True):
        assert all(torch.equal(one, torch.where(other)[0]) for one, other in zip(ours, theirs, strict=True))
