import pytest

from longspan.errors import ConfigError
from longspan.text import train_ngrams
from longspan.text.language_models import InterpolatedModel, SphinxModel

ONE, OTHER = train_ngrams(["a b", "a c"], 2), train_ngrams(["b a", "b b"], 2)


def test_probabilities_are_the_weighted_mean():
    both = InterpolatedModel((ONE, OTHER), (0.25, 0.75))
    for context, word in ((("a",), "b"), ((), "c"), (("b",), "</s>")):
        mean = sum(w * 10 ** m.log10_probability(context, word) for m, w in ((ONE, 0.25), (OTHER, 0.75)))
        assert 10 ** both.log10_probability(context, word) == pytest.approx(mean)
    assert both.order == 2


@pytest.mark.parametrize("weights", [(1.0,), (0.5, 0.6), (1.5, -0.5)])
def test_weights_that_cannot_be(weights):
    with pytest.raises(ConfigError, match=r"[Ww]eights"):
        InterpolatedModel((ONE, OTHER), weights)


def test_the_model_of_pocketsphinx():
    pytest.importorskip("pocketsphinx")
    model = SphinxModel()
    assert model.order == 3
    assert model.log10_probability(("in", "the"), "house") > model.log10_probability(("in", "the"), "sing")
    assert model.log10_probability(("IN", "THE"), "HOUSE") == model.log10_probability(("in", "the"), "house")
    assert model.log10_probability((), "zzxqy") == -99
    words = ("the", "of", "and", "</s>")
    assert sum(10 ** model.log10_probability(("<s>",), word) for word in words) < 1
