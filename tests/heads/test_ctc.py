"""Against the definition: every path of a few steps, spelt and added up."""

import itertools
import time
from collections import Counter

import pytest
import torch

from longspan.heads.ctc import beam_search, best_paths, pad_texts, steps_needed, text_losses


def spell(path):
    """Merge equal neighbours, drop blanks."""
    return tuple(k - 1 for i, k in enumerate(path) if k and (i == 0 or path[i - 1] != k))


def likelihoods(probs):
    """Of every text that paths over `(T, C)` can spell."""
    sums = Counter()
    for path in itertools.product(range(probs.shape[1]), repeat=len(probs)):
        sums[spell(path)] += float(probs[range(len(probs)), list(path)].double().prod())
    return sums


def drawn(rows, steps, classes, seed=0, sharpness=2.0):
    return (torch.randn(rows, steps, classes, generator=torch.Generator().manual_seed(seed)) * sharpness).softmax(-1)


SIZES = [(1, 2), (2, 3), (3, 2), (4, 3), (5, 3), (5, 4), (6, 2)]
sizes = pytest.mark.parametrize(("steps", "classes"), SIZES)


@sizes
def test_the_loss_is_the_sum_over_all_paths_that_spell_the_text(steps, classes):
    probs = drawn(1, steps, classes)
    texts = likelihoods(probs[0])
    assert sum(texts.values()) == pytest.approx(1)
    losses = text_losses(probs.log().expand(len(texts), -1, -1), pad_texts([list(text) for text in texts]))
    torch.testing.assert_close(losses.neg().exp(), torch.tensor(list(texts.values())), rtol=1e-4, atol=1e-6)


@sizes
def test_the_beam_search_finds_the_likeliest_of_all_texts_when_the_beam_holds_them(steps, classes):
    probs = drawn(6, steps, classes, sharpness=1.0)
    for row, found in zip(probs, beam_search(probs, 400), strict=True):
        texts = likelihoods(row)
        assert texts[tuple(found)] == pytest.approx(max(texts.values()))


def test_the_beam_search_beats_the_likeliest_path_where_many_paths_spell_one_text():
    # Graves' own example in kind: the blank path is the likeliest one (0.36), yet "a" has 0.64.
    probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]])
    assert best_paths(probs) == [[]]
    assert beam_search(probs, 2) == [[0]]


def test_a_beam_of_few_is_at_least_as_likely_as_the_best_path_on_the_whole():
    probs = drawn(200, 12, 5, sharpness=1.5)
    greedy, beam = (
        text_losses(probs.log(), pad_texts(texts)).sum() for texts in (best_paths(probs), beam_search(probs, 8))
    )
    assert beam < greedy


def test_rows_of_a_beam_search_do_not_mix():
    probs = drawn(30, 15, 6)
    together = beam_search(probs, 6)
    assert together == [beam_search(row[None], 6)[0] for row in probs]


def test_best_paths_merge_repeats_and_keep_what_a_blank_parts():
    path = torch.tensor([[1, 1, 0, 1, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0], [3, 0, 0, 3, 3, 1, 1]])
    assert best_paths(torch.nn.functional.one_hot(path).float()) == [[0, 0, 1], [], [2, 2, 0]]
    assert beam_search(torch.nn.functional.one_hot(path).float(), 3) == [[0, 0, 1], [], [2, 2, 0]]


def test_very_long_lines_do_not_vanish():
    probs = drawn(2, 1200, 4, sharpness=0.1)  # a product of 1,200 probabilities of 1/4 is 0 even in double precision
    found = beam_search(probs, 4)
    assert all(len(text) > 100 for text in found)


def test_texts_that_take_more_steps_than_there_are_get_a_finite_loss_and_no_gradient():
    logits = torch.randn(3, 3, 3, requires_grad=True)
    texts = torch.tensor([[0, 1, 0, 1], [0, 0, -1, -1], [0, 0, 1, -1]])
    assert steps_needed(texts).tolist() == [4, 3, 4]
    losses = text_losses(logits.log_softmax(-1), texts)
    assert losses[[0, 2]].tolist() == [100.0, 100.0]
    losses.sum().backward()
    assert logits.grad is not None
    assert not logits.grad[[0, 2]].any()
    assert logits.grad[1].any()
    assert logits.grad.isfinite().all()


def test_texts_are_padded_to_the_longest():
    assert pad_texts([[1], [], [2, 3]]).tolist() == [[1, -1], [-1, -1], [2, 3]]
    assert pad_texts([[], []]).shape == (2, 1)


def test_a_thousand_lines_are_decoded_at_once():
    probs = drawn(1000, 40, 11)
    times = []
    for decode in (best_paths, lambda probs: beam_search(probs, 10)):
        started = time.process_time()
        assert len(decode(probs)) == 1000
        times.append(time.process_time() - started)
    assert times[0] < 0.3  # 0.03 s and 0.3 s on one core; row by row in Python it would be minutes
    assert times[1] < 4
