"""Networks of texts: each row by itself, against plain computations, from files, and learning."""

import json

import pytest
import torch
import torch.nn.functional as F

import longspan as ls
from longspan.columns import TokensSpec
from longspan.columns.ragged import Ragged, pad
from longspan.errors import ConfigError, ShapeError
from longspan.models import create, from_json, to_json

SPEC = TokensSpec(vocab_size=30, max_length=64)
SMALL = {
    "bag_of_embeddings": ls.BagOfEmbeddingsConfig(width=12),
    "bag, all": ls.BagOfEmbeddingsConfig(width=12, pool="none"),
    "text_cnn": ls.TextCNNConfig(width=12, channels=5),
    "text_lstm": ls.TextRNNConfig(width=12, hidden=8, layers=2),
    "text_gru": ls.TextRNNConfig(cell="gru", width=12, hidden=8, pool="none"),
    "dropped weights": ls.TextRNNConfig(width=12, hidden=8, weight_dropout=0.5, pool="max"),
    "text_transformer": ls.TextTransformerConfig(width=16, heads=2, layers=2, inner=32),
    "transformer, all": ls.TextTransformerConfig(width=16, heads=2, layers=1, inner=32, pool="none"),
    "bert": ls.BertConfig(width=12, layers=2, heads=3, inner=24, positions=64, pool="first"),
}
ROWS = [[3, 4, 5, 6, 7, 8, 9], [5], [], [9, 8, 3]]
every = pytest.mark.parametrize("name", SMALL)


def batch(rows=ROWS):
    return pad([torch.tensor(row, dtype=torch.int64) for row in rows])


def build(name):
    torch.manual_seed(0)
    return create(SMALL[name], inputs={"text": SPEC})


@every
def test_a_row_does_not_depend_on_others_and_may_be_empty(name):
    model = build(name).eval()
    found = model(batch())
    assert isinstance(found, Ragged) == model.sequence
    values = found.values if isinstance(found, Ragged) else found
    assert values.shape == ((4, 7, model.num_features) if model.sequence else (4, model.num_features))
    assert values.isfinite().all()
    for row, tokens in enumerate(ROWS):
        alone = model(batch([tokens]))
        own = alone.values[0] if isinstance(alone, Ragged) else alone[0]
        torch.testing.assert_close(
            values[row, : len(tokens)] if model.sequence else values[row], own, atol=1e-5, rtol=0
        )
        if model.sequence:
            assert not values[row, len(tokens) :].any()


@every
def test_gradients_reach_every_parameter_once_grouped_and_files_make_it_again(name):
    model = build(name).train()
    found = model(batch())
    (found.values if isinstance(found, Ragged) else found).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    grouped = [id(p) for group in model.groups() for p in group]
    assert sorted(grouped) == sorted(map(id, model.parameters()))
    again = from_json(json.loads(json.dumps(to_json(model))))
    again.load_state_dict(model.state_dict())
    one, other = (each.eval()(batch()) for each in (again, model))
    assert torch.equal(one.values, other.values) if isinstance(one, Ragged) else torch.equal(one, other)


def test_the_text_cnn_is_the_maximum_of_convolutions_over_words():
    model = build("text_cnn").eval()
    tokens = ROWS[0]
    words = model.embedding.weight[tokens]
    found = []
    for conv in model.convs:
        kernel = conv.kernel_size[0]
        padded = F.pad(words, (0, 0, kernel - 1, kernel - 1))
        maps = [
            (conv.weight * padded[at : at + kernel].T).sum((1, 2)) + conv.bias for at in range(len(padded) - kernel + 1)
        ]
        found.append(torch.stack(maps).clamp_min(0).amax(0))
    torch.testing.assert_close(model(batch([tokens]))[0], torch.cat(found), atol=1e-5, rtol=1e-5)


def test_the_order_of_words_counts_except_in_a_bag():
    for name in ("text_cnn", "text_lstm", "text_transformer", "bert"):
        model = build(name).eval()
        one, other = model(batch([[3, 4, 5]])), model(batch([[5, 4, 3]]))
        assert not torch.allclose(one, other, atol=1e-4), name
    model = build("bag_of_embeddings").eval()
    torch.testing.assert_close(model(batch([[3, 4, 5]])), model.embedding.weight[[3, 4, 5]].mean(0)[None])


def test_states_are_dropped_at_all_words_alike_and_weights_by_the_batch():
    model = create(ls.TextRNNConfig(width=400, input_dropout=0.5, word_dropout=0.0), inputs={"text": SPEC}).train()
    dropped = model._locked(torch.ones(2, 5, 400), 0.5)
    assert torch.equal(dropped[:, 0], dropped[:, 4])
    assert not torch.equal(dropped[0], dropped[1])
    assert dropped.mean() == pytest.approx(1, abs=0.15)
    model = build("dropped weights").train()
    torch.manual_seed(3)
    one, other = model(batch()), model(batch())
    assert not torch.equal(one, other)


def test_what_does_not_fit_says_so():
    with pytest.raises(ShapeError, match=r"text_cnn reads ragged token numbers .* got \(2, 3, 8, 8\)"):
        build("text_cnn")(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ConfigError, match=r"text_cnn reads texts, not images"):
        create("text_cnn", in_channels=3)
    with pytest.raises(ConfigError, match=r"text_cnn reads tokens, but the inputs are photo \(image\)"):
        create("text_cnn", inputs={"photo": ls.ImageSpec(1, (8, 8))})
    with pytest.raises(ConfigError, match=r"at most 64 tokens of a text: ls.Text\(max_tokens=64\)"):
        create(SMALL["bert"], inputs={"text": TokensSpec(30, 65)})
    for make in (
        lambda: ls.TextCNNConfig(kernels=()),
        lambda: ls.TextRNNConfig(cell="rnn"),
        lambda: ls.TextTransformerConfig(width=15),
        lambda: ls.BertConfig(heads=5),
        lambda: ls.BagOfEmbeddingsConfig(pool="sum"),
        lambda: ls.TextRNNConfig(word_dropout=1.0),
    ):
        with pytest.raises(ConfigError):
            make()


@pytest.mark.parametrize("name", ["bag_of_embeddings", "text_cnn", "text_lstm", "text_transformer"])
def test_a_dozen_texts_are_learned(name):
    words = ["good", "bad", "not", "film", "a", "the"]
    texts = [f"{words[4 + n % 2]} {'not ' * (n // 4 % 2)}{words[n % 2]} film {n}" for n in range(12)]
    labels = [str((n % 2) ^ (n // 4 % 2)) if name != "bag_of_embeddings" else str(n % 2) for n in range(12)]
    table = ls.Table.from_arrays(
        {"text": texts, "label": labels},
        {"text": ls.Text(tokenizer=ls.WordTokens(min_count=1)), "label": ls.Category()},
    )
    task = ls.Task(table.split(valid=0), "text", "label")
    config = ls.TrainConfig(batch_size=4, precision="float32")
    learner = ls.Learner(task, SMALL[name], config=config, progress=False, device="cpu").fit(40, lr=1e-2)
    assert learner.evaluate("train")["accuracy"] == 1


def test_a_text_stands_beside_a_number():
    specs = {"text": SPEC, "age": ls.VectorSpec(1)}
    model = create(SMALL["text_cnn"], inputs=specs).eval()
    assert model(batch(), torch.zeros(4)).shape == (4, 15 + 64)
    again = from_json(json.loads(json.dumps(to_json(model))))
    again.load_state_dict(model.state_dict())
    with pytest.raises(ConfigError, match="gives a sequence, which cannot stand beside other inputs"):
        create(SMALL["transformer, all"], inputs=specs)
