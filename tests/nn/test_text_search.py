import itertools
import math

import pytest
import torch

from longspan.nn.text_search import TextSearch, search_texts

VOCAB, BEGIN, END = 4, 2, 3


class Rows:
    """The tokens so far of each beginning, which is all that this model remembers."""

    def __init__(self, tokens, beam=1):
        self.tokens = tokens
        self.beam = beam

    def widened(self, beam):
        return Rows(self.tokens.repeat_interleave(beam, dim=0), beam)

    def take(self, rows):
        return Rows(self.tokens.unflatten(0, (-1, self.beam))[rows].flatten(0, 1), self.beam)

    def reordered(self, beginnings):
        return Rows(self.tokens[beginnings], self.beam)


def tables(seed, rows=3):
    """Log-probabilities of the next token that depend on row, last token, and length."""
    noise = torch.randn(rows, 6, VOCAB, VOCAB, generator=torch.Generator().manual_seed(seed))
    return (1.5 * noise).log_softmax(dim=3)


def model(table):
    def step(newest, state, number):
        row = state.tokens[:, 0]
        return table[row, number, newest], state

    return step, Rows(torch.arange(len(table))[:, None])


def found(table, **options):
    step, state = model(table)
    search = TextSearch(begin=BEGIN, end=END, **{"max_length": 3, "never": (BEGIN,), **options})
    return search_texts(step, state, len(table), search, torch.device("cpu"))


def every_text(table, row, most, penalty):
    """All texts of up to `most` tokens with their scores, the best first."""
    scored = []
    for length in range(most + 1):
        for tokens in itertools.product((0, 1), repeat=length):
            total, last = 0.0, BEGIN
            for number, token in enumerate((*tokens, END)):
                total += float(table[row, number, last, token])
                last = token
            scored.append((total / ((5 + length + 1) / 6) ** penalty, tokens))
    return sorted(scored, reverse=True)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_beam_search_equals_an_exhaustive_one(seed, penalty):
    table = tables(seed)
    texts = found(table, beam=16, n_best=4, length_penalty=penalty)
    for row in range(len(table)):
        wanted = every_text(table, row, 3, penalty)[:4]
        got = [tuple(t for t in text if t >= 0) for text in texts.tokens[row].tolist()]
        assert got == [tokens for _, tokens in wanted]
        for text, (score, tokens) in zip(texts.log_probs[row], wanted, strict=True):
            total = score * ((5 + len(tokens) + 1) / 6) ** penalty
            assert float(text.sum()) == pytest.approx(total, abs=1e-5)


def test_a_narrow_beam_may_miss_what_a_wide_one_finds():
    narrow = [found(tables(seed)).log_probs.sum() for seed in range(20)]
    wide = [found(tables(seed), beam=16).log_probs.sum() for seed in range(20)]
    assert any(abs(float(one - other)) > 1e-3 for one, other in zip(wide, narrow, strict=True))


def test_rows_do_not_depend_on_each_other():
    table = tables(3, rows=5)
    together = found(table, beam=2)
    for row in range(5):
        alone = found(table[row : row + 1], beam=2)
        length = alone.tokens.shape[2]
        assert together.tokens[row, 0, :length].tolist() == alone.tokens[0, 0].tolist()
        assert (together.tokens[row, 0, length:] == -1).all()


def test_greedy_search_takes_the_likeliest_token_at_each_step():
    table = tables(7)
    texts = found(table)
    for row in range(len(table)):
        tokens, last = [], BEGIN
        for number in range(3):
            likely = table[row, number, last].clone()
            likely[BEGIN] = -math.inf
            last = int(likely.argmax())
            if last == END:
                break
            tokens.append(last)
        assert [t for t in texts.tokens[row, 0].tolist() if t >= 0] == tokens


def test_draws_follow_the_probabilities_and_the_seed():
    table = tables(1, rows=1).expand(4000, -1, -1, -1)
    texts = found(table, top_p=1.0, max_length=1, seed=5)
    drawn = texts.tokens[:, 0, 0]
    probabilities = table[0, 0, BEGIN].exp()
    probabilities = probabilities / (1 - probabilities[BEGIN])
    for token, value in ((0, 0), (1, 1), (END, -1)):
        assert float((drawn == value).float().mean()) == pytest.approx(float(probabilities[token]), abs=0.03)
    assert torch.equal(drawn, found(table, top_p=1.0, max_length=1, seed=5).tokens[:, 0, 0])
    assert not torch.equal(drawn, found(table, top_p=1.0, max_length=1, seed=6).tokens[:, 0, 0])


def test_a_small_top_p_leaves_the_likeliest_token_only():
    table = tables(2, rows=50)
    assert torch.equal(found(table, top_p=1e-6).tokens, found(table).tokens)


def test_texts_end_at_the_longest_length_with_the_probability_of_the_end():
    table = tables(4)
    table[..., END] = -20.0
    texts = found(table)
    assert (texts.tokens[:, 0] >= 0).sum(dim=1).tolist() == [3, 3, 3]
    torch.testing.assert_close(texts.log_probs[:, 0, 3], torch.full((3,), -20.0))


def test_no_rows_give_no_texts():
    assert found(tables(0)[:0], beam=2, n_best=2).tokens.shape[:2] == (0, 2)
