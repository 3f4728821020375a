import dataclasses

import pytest
import torch

import longspan as ls
from longspan.columns import Ragged, Text
from longspan.errors import ConfigError
from longspan.heads import Generate, Transcribe, head_for, head_from_json
from longspan.heads.text_writer import memory_of
from longspan.models import FeatureShapes
from longspan.text import CharacterTokens, WordTokens

TEXTS = ["a dog runs", "a cat sleeps", "the dog", "", "a cat runs home"]
COLUMN = Text(tokenizer=WordTokens(min_count=1)).fit(TEXTS)
CHARACTERS = Text().fit(["abc", "cab"])
SMALL = {"width": 16, "depth": 1, "heads": 2, "inner": 16}


def encoded(column, *texts):
    return torch.stack([torch.from_numpy(column.encode(text)) for text in texts])


def layers_of(head, features=6, **shapes):
    torch.manual_seed(0)
    return head.layers(FeatureShapes(features, **shapes)).eval()


def steps(rows=5, length=4, features=6):
    values = torch.randn(rows, length, features, generator=torch.Generator().manual_seed(1))
    return Ragged(values, torch.tensor([4, 2, 3, 1, 4][:rows]))


@pytest.mark.parametrize("decoder", ["transformer", "gru", "lstm"])
def test_the_loss_is_the_mean_over_tokens_of_each_row_however_the_rows_are_batched(decoder):
    head = Generate(decoder=decoder, column=COLUMN, label_smoothing=0.0, **SMALL)
    layers, targets = layers_of(head), encoded(COLUMN, *TEXTS)
    losses = head.loss(layers(steps(), targets=targets), targets)
    for row, text in enumerate(TEXTS):
        alone = Ragged(*(each[row : row + 1] for each in steps())).take(slice(None))
        outputs = layers(alone, targets=targets[row : row + 1])
        torch.testing.assert_close(outputs.losses[0], losses[row], atol=1e-5, rtol=1e-5)
        log_prob, count = outputs.target_log_probs[0].tolist()
        assert count == len(text.split()) + 1
        assert -log_prob / count == pytest.approx(float(losses[row].detach()), abs=1e-5)


def test_a_smoothed_loss_spreads_over_all_tokens():
    plain = layers_of(Generate(column=COLUMN, label_smoothing=0.0, **SMALL))
    smooth = layers_of(Generate(column=COLUMN, label_smoothing=0.2, **SMALL))
    targets = encoded(COLUMN, "a dog")
    memory, mask = plain.encode(steps(1))
    hidden = plain.decoder(plain._embedded(torch.tensor([[2, *targets[0, :2].tolist()]]), 0), memory, mask)
    logs = (hidden @ plain.embedding.weight.T + plain.bias).log_softmax(dim=2)[0]
    ends = [*targets[0, :2].tolist(), 3]
    nats = -torch.stack([logs[place, token] for place, token in enumerate(ends)])
    torch.testing.assert_close(plain(steps(1), targets).losses[0], nats.mean())
    torch.testing.assert_close(smooth(steps(1), targets).losses[0], (0.8 * nats - 0.2 * logs.mean(dim=1)).mean())


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("decoder", ["transformer", "gru", "lstm"])
def test_padding_does_not_change_the_text_of_a_row(decoder, beam):
    head = Generate(decoder=decoder, beam=beam, column=COLUMN, **SMALL)
    layers = layers_of(head)
    together = head.decode(head.postprocess(layers(steps())))
    for row in range(5):
        alone = Ragged(*(each[row : row + 1] for each in steps())).take(slice(None))
        (text,) = head.decode(head.postprocess(layers(alone)))
        assert text.value == together[row].value
        assert text.probability == pytest.approx(together[row].probability, rel=1e-3)


def test_probabilities_are_those_of_the_tokens_and_of_the_text():
    head = Generate(beam=4, n_best=3, column=COLUMN, **SMALL)
    answer = head.decode(head.postprocess(layers_of(head)(steps())))[0]
    assert answer.probabilities is not None
    assert next(iter(answer.probabilities)) == answer.value
    assert answer.probabilities[answer.value] == answer.probability
    assert answer.tokens is not None
    assert all(0 < probability <= 1 for _, probability in answer.tokens)
    assert "\N{REPLACEMENT CHARACTER}" not in answer.value  # unknown tokens are never written


def test_a_vector_and_the_places_of_a_map_are_read_too():
    vector = torch.randn(3, 6)
    memory, mask = memory_of(vector)
    assert memory.shape == (3, 1, 6)
    assert mask.all()
    head = Generate(visual_attention=True, decoder="gru", column=COLUMN, **SMALL)
    assert (head.reads, Generate().reads) == ("places", "any")
    layers = layers_of(head, channels=(4, 6), strides=(2, 4))
    places = torch.randn(2, 4, 6)
    assert len(head.decode(head.postprocess(layers(places)))) == 2
    torch.testing.assert_close(layers.encode(places)[0], layers.encode(3 * places + 1)[0], atol=1e-4, rtol=0)
    memory, mask = memory_of(Ragged(torch.zeros(2, 0, 6), torch.tensor([0, 0])))
    assert mask.tolist() == [[True], [True]]


def test_texts_without_a_tokenizer_are_written_by_character():
    head = Generate(column=CHARACTERS, **SMALL)
    layers = layers_of(head)
    assert layers.embedding.num_embeddings == 3 + 4
    targets = encoded(CHARACTERS, "abc", "ca")
    outputs = layers(torch.randn(2, 6), targets=targets)
    assert set("".join(each.value for each in head.decode(head.postprocess(outputs)))) <= set("abc")


def test_defaults_are_chosen_by_the_tokenizer():
    assert isinstance(head_for(CHARACTERS), Transcribe)
    assert isinstance(head_for(COLUMN), Generate)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("column", [COLUMN, CHARACTERS])
def test_only_allowed_tokens_are_written(column, beam):
    allowed = ("a cat", "dog") if column is COLUMN else ("ab",)
    head = Generate(beam=beam, allowed=allowed, column=column, **SMALL)
    texts = [each.value for each in head.decode(head.postprocess(layers_of(head)(torch.randn(20, 6))))]
    pieces = {piece for text in texts for piece in (text.split() if column is COLUMN else text)}
    assert pieces
    assert pieces <= ({"a", "cat", "dog"} if column is COLUMN else {"a", "b"})
    assert head_from_json(head.to_json()) == head


def test_perfect_texts_get_perfect_metrics():
    head = Generate(column=COLUMN, **SMALL)
    targets = encoded(COLUMN, "a cat runs home", "a cat runs home")
    texts = torch.nn.functional.pad(targets[:, None].float(), (0, 1), value=-1)
    perfect = torch.stack([texts, torch.zeros_like(texts)], dim=3)
    first = torch.zeros_like(perfect)
    first[:, 0, 0, 1] = 5
    metrics = head.measure(torch.cat([first, perfect], dim=1), targets)
    assert metrics == pytest.approx({"bleu": 100, "chrf": 100, "exact_match": 1, "perplexity": 1})
    metrics = head.measure(torch.cat([first * 0, perfect], dim=1), encoded(COLUMN, "a cat runs home", "the dog"))
    assert metrics["exact_match"] == 0.5
    assert "perplexity" not in metrics  # no target was seen


def test_batches_of_several_lengths_are_joined():
    head = Generate(column=COLUMN, **SMALL)
    one, other = torch.zeros(2, 2, 4, 2), torch.zeros(1, 2, 6, 2)
    joined = head.join([one, other])
    assert joined.shape == (3, 2, 6, 2)
    assert joined[0, 0, 4:].tolist() == [[-1, 0], [-1, 0]]


def test_losses_need_the_targets_in_the_forward_pass():
    head = Generate(column=COLUMN, **SMALL)
    outputs = layers_of(head)(steps())
    with pytest.raises(ls.errors.ShapeError, match="pass the targets there"):
        head.loss(outputs, encoded(COLUMN, *TEXTS))
    assert head.outputs_fault(outputs, 5) is None
    assert "texts for 4 rows" in (head.outputs_fault(outputs, 4) or "")
    assert "GenerateOutputs" in (head.outputs_fault(torch.zeros(5, 3), 5) or "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decoder": "rnn"}, "decoder must be one of"), ({"width": 0}, "width"), ({"width": 10}, "multiple of heads"),
        ({"dropout": 1.0}, "dropout"), ({"n_best": 2}, "n_best must be at most beam"), ({"top_p": 0.0}, "top_p"),
        ({"temperature": 0.0}, "temperature"), ({"max_length": 0}, "max_length"), ({"length_penalty": -1}, "penalty"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        Generate(**options)


def test_it_is_written_down_and_made_again():
    head = Generate(beam=3, n_best=2, visual_attention=True, column=COLUMN)
    again = head_from_json(head.to_json())
    assert again == head
    assert again.reads == "places"
    assert dataclasses.replace(again, visual_attention=False).reads == "any"


def test_it_learns_to_reverse_words_by_heart(tmp_path):
    words = ["abc", "cab", "bca", "aab", "cc", "b", "abcc", "bb", "ca", "bac", "acb", "cba"]
    column = ls.Text(tokenizer=CharacterTokens())
    table = ls.Table.from_arrays({"in": words, "out": [w[::-1] for w in words]}, {"in": column, "out": column})
    task = ls.Task(table.split(valid=0, seed=0), "in", "out", allow_leaks=True)
    learner = ls.Learner(
        task,
        ls.TextTransformerConfig(width=32, layers=1, heads=2, inner=32, dropout=0.0, pool="none"),
        heads={
            "out": Generate(
                decoder="gru", width=32, depth=1, heads=2, inner=32, dropout=0.0, label_smoothing=0.0, beam=2
            )
        },
        config=ls.TrainConfig(batch_size=12),
        progress=False,
    ).fit(100, lr=1e-2)
    assert [each["out"] for each in learner.predict(words)] == table["out"]
    again = ls.load(learner.save(tmp_path / "model.safetensors"))
    assert again.predict("abc").value == "cba"
    with pytest.warns(UserWarning, match="trained this model"):
        assert again.evaluate(table)["exact_match"] == 1.0
    best = again.with_options("out", beam=3, n_best=3).predict("abc")
    assert (best.value, len(best.probabilities)) == ("cba", 3)
    assert again.predict("abc").probabilities is None  # the model itself is as it was
    with pytest.raises(ConfigError, match="Generate has no option 'beams'"):
        again.with_options("out", beams=3)
