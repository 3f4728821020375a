"""Strongest words and phrases of a network of texts, where one word decides; its windows against the layers."""

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.explain.learned_phrases import LayerPhrases, _windows

GOOD, BAD = ("good", "great", "fine"), ("bad", "awful", "poor")
OTHERS = ("the", "film", "was", "a", "story", "with", "music", "actor")


def texts(count, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        words = list(rng.choice(OTHERS, 8))
        words[rng.integers(0, 8)] = rng.choice(GOOD if number % 2 else BAD)
        rows.append({"text": " ".join(words), "liked": "yes" if number % 2 else "no"})
    return ls.Table.from_frame(pl.DataFrame(rows), {"text": ls.Text(), "liked": ls.Category()})


@pytest.fixture(scope="module")
def reviews():
    table = texts(120)
    task = ls.Task(table.split(valid=0.25, seed=0), "text", "liked", allow_leaks=True)
    learner = ls.Learner(task, "text_cnn", seed=0, progress=False, device="cpu", config=ls.TrainConfig(batch_size=16))
    return learner.fit_one_cycle(5, lr=3e-3).predictor(), table


def test_the_strongest_phrases_hold_the_words_that_decide_and_are_as_long_as_the_kernel(reviews):
    model, table = reviews
    found = ls.explain.learned_phrases(model, table, channels=3, phrases=4)
    assert [(each.name, each.tokens) for each in found] == [
        ("embedding", 1), ("convs.0", 3), ("convs.1", 4), ("convs.2", 5),
    ]  # fmt: skip
    values = table.column_values("text")
    for layer in found:
        for channel in layer.channels:
            assert len(set(channel.phrases)) == len(channel.phrases) == 4
            assert list(channel.activations) == sorted(channel.activations, reverse=True)
            for phrase, row in zip(channel.phrases, channel.rows, strict=True):
                assert phrase in values[row]
                assert 1 <= len(phrase.split()) <= layer.tokens
    deciding = [set(p.split()) & {*GOOD, *BAD} for c in found[1].channels for p in c.phrases]
    assert np.mean([bool(each) for each in deciding]) > 0.7
    last, first = found[-1].purity, found[0].purity
    assert last is not None
    assert first is not None
    assert last.interval[0] > last.random_interval[1]  # this planted case is clear
    assert first.chance == pytest.approx(60 * 59 * 2 / (120 * 119))


def test_an_activation_is_that_of_the_layer(reviews):
    model, table = reviews
    (layer,) = ls.explain.learned_phrases(model, table, layers=["convs.1"], channels=1, phrases=2)
    channel = layer.channels[0]
    ((_, column),) = model.inputs.items()
    tokens = torch.from_numpy(column.encode(table.column_values("text")[channel.rows[0]]))
    backbone = model.network.get_submodule("backbone")
    with torch.no_grad():
        maps = backbone.convs[1](backbone.embedding(tokens[None]).transpose(1, 2))[0, channel.channel]
    assert channel.activations[0] == pytest.approx(float(maps.max()), rel=1e-5)
    first = int(maps.argmax()) - 3  # padded by three tokens
    assert channel.phrases[0] == column.decode(tokens[max(first, 0) : first + 4])


def test_windows_of_deeper_layers_are_found_through_strides_and_pooling(reviews):
    model, _ = reviews

    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(30, 4)
            self.low, self.pool = nn.Conv1d(4, 5, 3, padding=1), nn.MaxPool1d(2)
            self.high = nn.Conv1d(5, 6, 3, stride=2)

        def forward(self, tokens):
            return self.high(self.pool(self.low(self.embedding(tokens.values).transpose(1, 2)).relu())).amax(2)

    found = _windows(model, Deep(), ["embedding", "low", "high"])
    # By hand: 3 low maps pooled by two, six places of low, eight tokens; a step of the last layer is four tokens.
    assert found == {"embedding": (0, 1, 1), "low": (-1, 3, 1), "high": (-1, 8, 4)}


def test_ties_do_not_fall_to_the_class_that_comes_first(reviews):
    model, _ = reviews
    same = pl.DataFrame({"text": ["the film was a story"] * 100, "liked": ["yes"] * 50 + ["no"] * 50})
    table = ls.Table.from_frame(same, {"text": ls.Text(), "liked": ls.Category()})
    for layer in ls.explain.learned_phrases(model, table, phrases=9):
        assert layer.purity is not None
        assert layer.purity.trained < 0.9  # sorted by class, all nine would be of one


def test_characters_are_tokens_too():
    table = texts(60).with_column("text", ls.Text(tokenizer=ls.CharacterTokens()))
    task = ls.Task(table.split(valid=0.25, seed=0), "text", "liked", allow_leaks=True)
    model = ls.Learner(task, "text_cnn", seed=0, progress=False, device="cpu").fit_one_cycle(1, lr=3e-3).predictor()
    found = ls.explain.learned_phrases(model, table, channels=1, phrases=3)
    assert all(len(each) == 1 for each in found[0].channels[0].phrases)
    assert {len(each) for each in found[1].channels[0].phrases} <= {1, 2, 3}


def test_they_stand_in_the_page(reviews, tmp_path):
    model, table = reviews
    found = ls.explain.write_explanation(tmp_path / "page.html", model, table, rows=40, layers=True)
    text = (tmp_path / "page.html").read_text()
    assert "no reconstructions" in text
    assert "convs.2: a place sees 5 tokens" in text
    second = found.layers[1]
    assert isinstance(second, LayerPhrases)
    assert second.channels[0].phrases[0] in text


def test_what_cannot_be_shown_is_told(reviews, loans):
    model, table = reviews
    with pytest.raises(UnknownNameError, match=r"Did you mean 'convs\.0'"):
        ls.explain.learned_phrases(model, table, layers=["conv.0"])
    with pytest.raises(ConfigError, match="There are 3 rows, but 9 phrases"):
        ls.explain.learned_phrases(model, table.take(np.arange(3)))
    with pytest.raises(ConfigError, match="only single networks can"):
        ls.explain.learned_phrases(loans[0], loans[1])
    with pytest.raises(ConfigError, match="learned_phrases shows it"):
        ls.explain.learned_layers(model, table)
    task = ls.Task(table.split(valid=0.25, seed=0), "text", "liked", allow_leaks=True)
    rnn = ls.Learner(task, "text_lstm", progress=False, device="cpu").predictor()
    with pytest.raises(ConfigError, match="no convolutions over embedded tokens"):
        ls.explain.learned_phrases(rnn, table)
