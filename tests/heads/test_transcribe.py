import pytest
import torch
from torch import nn

from longspan.columns import Text
from longspan.errors import ConfigError
from longspan.heads import Transcribe
from longspan.heads.ctc import text_losses
from longspan.models import FeatureShapes

COLUMN = Text(vocab=("a", "b", "c"), max_length=6, min_steps=5)
HEAD = Transcribe(column=COLUMN)


def certain(*paths, certainty=12.0):
    """Logits of these classes at each step."""
    return nn.functional.one_hot(torch.tensor(paths), 4).float() * certainty


def encoded(*texts):
    return torch.stack([torch.from_numpy(COLUMN.encode(text)) for text in texts])


def test_the_loss_is_per_character_and_that_of_an_empty_text_as_it_is():
    outputs = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(1))
    targets = encoded("abca", "b", "")
    whole = text_losses(outputs.log_softmax(-1), targets)
    torch.testing.assert_close(HEAD.loss(outputs, targets), whole / torch.tensor([4, 1, 1]))


def test_answers_are_texts_with_the_probability_of_all_paths_that_spell_them():
    predictions = torch.tensor([[[0.5, 0.5, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]]])
    (answer,) = Transcribe(beam=4, column=COLUMN).decode(predictions)
    assert answer.value == "a"
    assert answer.probability == pytest.approx(0.75)  # a-, -a and aa, of four paths
    assert answer.probabilities is None
    sure = HEAD.decode(HEAD.postprocess(certain([1, 1, 0, 1, 3], [0, 0, 0, 0, 0])))
    assert [each.value for each in sure] == ["aac", ""]
    assert all(0.999 < each.probability <= 1 for each in sure)


def test_what_is_averaged_are_probabilities_of_each_step():
    outputs = torch.randn(2, 5, 4)
    torch.testing.assert_close(HEAD.postprocess(outputs).sum(dim=2), torch.ones(2, 5))
    torch.testing.assert_close(HEAD.postprocess(outputs.bfloat16()), HEAD.postprocess(outputs), atol=2e-2, rtol=0.1)


def test_figures_are_fractions_of_whole_texts_and_of_characters():
    #                       abc        ab         (nothing)  cc, read as c
    said = HEAD.postprocess(certain([1, 2, 3, 0, 0], [1, 2, 0, 0, 0], [0, 0, 0, 0, 0], [3, 3, 0, 0, 0]))
    figures = HEAD.measure(said, encoded("abc", "acb", "", "cc"))
    assert figures == {"error_rate": 0.5, "character_error_rate": 0.25}


def test_insertions_can_make_more_errors_than_there_are_characters():
    figures = HEAD.measure(HEAD.postprocess(certain([1, 2, 3, 2, 1])), encoded("a"))
    assert figures == {"error_rate": 1.0, "character_error_rate": 4.0}


def test_without_a_single_true_character_there_is_no_rate_of_characters():
    assert HEAD.measure(HEAD.postprocess(certain([1, 0, 0, 0, 0])), encoded("")) == {"error_rate": 1.0}


def test_hidden_layers_see_every_step_alike():
    layers = Transcribe(hidden=(8,), column=COLUMN).layers(FeatureShapes(6)).eval()
    features = torch.randn(3, 7, 6)
    outputs = layers(features)
    assert outputs.shape == (3, 7, 4)
    torch.testing.assert_close(layers(features[1:2, 4:5]), outputs[1:2, 4:5])


def test_too_few_steps_for_the_training_texts_are_refused_with_a_cure():
    assert HEAD.outputs_fault(torch.empty(2, 5, 4), 2) is None
    fault = HEAD.outputs_fault(torch.empty(2, 4, 4), 2)
    assert fault is not None
    assert "the longest training text takes 5 steps" in fault
    assert "there are 4. Give wider images, or a network with fewer pixels to a step" in fault


def test_a_text_that_cannot_be_spelt_counts_as_wrong_and_is_among_the_worst():
    outputs = torch.zeros(2, 3, 4)
    losses = HEAD.loss(outputs, encoded("aaaa", "ab"))
    assert losses[0] == 25.0
    assert losses[0] > losses[1]
    assert HEAD.measure(HEAD.postprocess(outputs), encoded("aaaa", "ab"))["error_rate"] == 1


@pytest.mark.parametrize("options", [{"beam": 0}, {"beam": 2.5}, {"dropout": 1.0}, {"hidden": (0,)}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=rf"Transcribe\.{next(iter(options))} must be"):
        Transcribe(**options)


def test_rows_of_a_ragged_batch_are_read_over_their_own_steps():
    from longspan.columns import Ragged

    logits = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(2))
    lengths = torch.tensor([9, 6, 4])
    outputs, targets = Ragged(logits, lengths), encoded("abc", "ab", "c")
    losses, predictions = HEAD.loss(outputs, targets), HEAD.postprocess(outputs)
    assert HEAD.outputs_fault(outputs, 3) is None
    for row, length in enumerate(lengths.tolist()):
        alone = logits[row : row + 1, :length]
        torch.testing.assert_close(losses[row : row + 1], HEAD.loss(alone, targets[row : row + 1]))
        torch.testing.assert_close(predictions[row, :length], HEAD.postprocess(alone)[0])
        assert predictions[row, length:].tolist() == [[1, 0, 0, 0]] * (9 - length)
    one = HEAD.decode(predictions[1:2])[0]
    assert one.value == HEAD.decode(HEAD.postprocess(logits[1:2, :6]))[0].value
    assert one.probability == pytest.approx(HEAD.decode(HEAD.postprocess(logits[1:2, :6]))[0].probability, abs=1e-6)
    joined = HEAD.join([predictions[:1], predictions[1:, :6]])
    torch.testing.assert_close(joined, predictions)
    short = HEAD.loss(Ragged(logits, torch.tensor([2, 2, 2])), encoded("abc", "ab", "c"))
    assert short[0] == pytest.approx(100 / 3)


def test_words_are_counted_where_texts_have_blanks():
    column = Text(vocab=(" ", "a", "b"), max_length=6, min_steps=1)
    head = Transcribe(column=column)
    logits = nn.functional.one_hot(torch.tensor([[2, 1, 3, 0, 0], [2, 0, 0, 0, 0]]), 4).float() * 12
    targets = torch.stack([torch.from_numpy(column.encode(text)) for text in ("a b", "b")])
    assert head.measure(head.postprocess(logits), targets)["word_error_rate"] == pytest.approx(1 / 3, abs=1e-6)
