import numpy as np
import pytest
from sacrebleu.metrics.chrf import CHRF

from longspan.errors import ConfigError
from longspan.metrics.translation import CHRF_ERROR, BleuCounts, bleu, chrf, copied_fraction, output_vocabulary

TEXTS = ["Un homme en bleu.", "Deux enfants jouent dehors avec un ballon rouge.", "Une femme.", ""]
WANTED = ["Un homme vêtu de bleu.", "Deux enfants jouent avec un ballon rouge.", "Une femme lit un livre.", "Rien."]


def test_bleu_is_that_of_sacrebleu_and_names_its_signature():
    score = bleu(TEXTS, WANTED)
    # sacrebleu 2.6.0, corpus_bleu(TEXTS, [WANTED])
    assert score.score == pytest.approx(35.510547, abs=1e-4)
    assert score.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert bleu([text.upper() for text in TEXTS], WANTED, lowercase=True).score == pytest.approx(score.score)
    assert bleu(WANTED, WANTED).score == pytest.approx(100)


def test_cumulative_scores_end_in_the_score_itself():
    score = bleu(TEXTS, WANTED)
    assert score.cumulative[3] == pytest.approx(score.score)
    assert score.cumulative[0] == pytest.approx(score.brevity_penalty * score.precisions[0])


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [1], [2, 1, 1, 0, 1], [3]])
def test_scores_of_drawn_texts_are_those_of_the_texts_themselves(rows):
    for wanted in (WANTED, [[a, b] for a, b in zip(WANTED, TEXTS[1:] + TEXTS[:1], strict=True)]):
        counts = BleuCounts.of([text.upper() for text in TEXTS], wanted, lowercase=True)
        drawn = bleu([TEXTS[row] for row in rows], [wanted[row] for row in rows], lowercase=True)
        assert counts.cumulative(np.array(rows)) == pytest.approx(drawn.cumulative)
        assert counts.cumulative(np.array(rows))[3] == pytest.approx(drawn.score)


def test_several_references_count():
    both = [[wanted, text or "Rien."] for wanted, text in zip(WANTED, TEXTS, strict=True)]
    assert bleu(TEXTS, both).score > bleu(TEXTS, WANTED).score
    assert chrf(TEXTS[:3], both[:3]) == pytest.approx(100)
    with pytest.raises(ConfigError, match="equally many for all; got 4, 1 or 2 each"):
        bleu(TEXTS, [["a"], ["a", "b"], ["a"], ["a"]])
    with pytest.raises(ConfigError, match="4 texts were compared with 1 references"):
        chrf(TEXTS, ["a"])


@pytest.mark.parametrize("rows", [slice(None), slice(0, 1), slice(1, 3), slice(3, 4)])
def test_chrf_equals_that_of_sacrebleu(rows):
    assert chrf(TEXTS[rows], WANTED[rows]) == pytest.approx(CHRF().corpus_score(TEXTS[rows], [WANTED[rows]]).score)


def test_copies_and_vocabulary():
    assert copied_fraction(["A dog runs!", "a cat"], ["a dog  runs", "dogs run"]) == 0.5
    assert copied_fraction([], []) == 0
    assert output_vocabulary(["A dog.", "a DOG and a cat"]) == 5  # with the full stop


def test_the_error_of_one_text_is_what_chrf_lacks():
    assert CHRF_ERROR(WANTED[1], TEXTS[1]) == pytest.approx(
        1 - CHRF().sentence_score(TEXTS[1], [WANTED[1]]).score / 100
    )
    assert (CHRF_ERROR("a b", "a b"), CHRF_ERROR("a", None), CHRF_ERROR("", ""), CHRF_ERROR("", "a")) == (0, 1, 0, 1)
