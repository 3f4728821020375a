import numpy as np
import pytest
import torch

from longspan.columns import Text
from longspan.nn.text_decoder import DecoderState
from longspan.nn.text_search import TextSearch
from longspan.nn.text_search import search_texts as search_with_torch
from longspan.portable.written_text import WrittenText, search_texts

BEGIN, END, FIRST, VOCAB = 2, 3, 4, 9
COLUMN = Text(vocab=tuple("abcde"), max_length=6, min_steps=1)


def written(**options):
    given = {"beam": 1, "n_best": 1, "length_penalty": 0.6, "never": (0, 1, 2), "max_length": 6, **options}
    return WrittenText(column=COLUMN.to_json(), begin=BEGIN, end=END, first_token=FIRST, **given)


def table(seed, rows):
    """Log-probabilities of the next token, by row, place and token before."""
    logits = np.random.default_rng(seed).normal(size=(rows, 8, VOCAB, VOCAB)) * 2
    return torch.from_numpy(logits).float().log_softmax(dim=3).numpy()


def found_with_torch(logs, search):
    def step(newest, state, number):
        (row,) = state.memory
        (count,) = state.cache
        assert (count == number).all()
        each = row.repeat_interleave(state.beam)
        return torch.from_numpy(logs)[each, number, newest], state._replace(cache=(count + 1,))

    rows = len(logs)
    start = DecoderState((torch.arange(rows),), (torch.zeros(rows, dtype=torch.int64),))
    options = {name: getattr(search, name) for name in ("max_length", "beam", "n_best", "length_penalty", "never")}
    found = search_with_torch(step, start, rows, TextSearch(begin=BEGIN, end=END, **options), torch.device("cpu"))
    return np.where(found.tokens >= 0, found.tokens - FIRST, -1), found.log_probs.numpy()


def step_of(logs):
    def step(newest, number, memory, cache):
        assert (cache[0] == number).all()
        return logs[memory[0], number, newest], (cache[0] + 1,)

    return step


@pytest.mark.parametrize(
    "options",
    [{}, {"beam": 4, "n_best": 3}, {"beam": 3, "length_penalty": 0.0}, {"beam": 2, "max_length": 2}, {"max_length": 1}],
)
def test_texts_are_those_that_the_search_with_torch_finds(options):
    search = written(**options)
    for seed in range(20):
        logs = table(seed, 5)
        found = search_texts(step_of(logs), (np.arange(5),), (np.zeros(5, np.int64),), 5, search)
        tokens, log_probs = found_with_torch(logs, search)
        length = tokens.shape[2]
        np.testing.assert_array_equal(found[..., :length, 0], tokens)
        assert (found[..., length:, 0] == -1).all()
        np.testing.assert_allclose(found[..., 1], log_probs, rtol=1e-5)


def test_the_likeliest_token_is_taken_until_the_end():
    logs = np.full((1, 8, VOCAB, VOCAB), -9.0, np.float32)
    logs[0, 0, BEGIN, FIRST + 1] = -0.25
    logs[0, 1, FIRST + 1, FIRST] = -0.5
    logs[0, 2, FIRST, END] = -0.125
    found = search_texts(step_of(logs), (np.arange(1),), (np.zeros(1, np.int64),), 1, written())
    assert found[0, 0].tolist() == [[1.0, -0.25], [0.0, -0.5], [-1.0, -0.125]]
    (prediction,) = written().decode(found, ())
    assert prediction.value == "ba"
    assert prediction.probability == pytest.approx(np.exp(-0.875))
    assert [token for token, _ in prediction.tokens] == ["b", "a"]


def test_tokens_that_may_not_be_are_never_written():
    logs = table(3, 2)
    logs[..., 0] = 5.0
    found = search_texts(step_of(logs), (np.arange(2),), (np.zeros(2, np.int64),), 2, written(beam=3, n_best=3))
    assert found[..., 0].min() == -1
    assert (found[..., 0].round() == found[..., 0]).all()
    assert search_texts(step_of(logs), (np.arange(2),), (np.zeros(2, np.int64),), 0, written()).shape == (0, 1, 2, 2)


def test_it_comes_back_from_json():
    search = written(beam=3, n_best=2)
    assert WrittenText.from_json(search.to_json()) == search
