import jiwer
import numpy as np
import pytest

from longspan.errors import ConfigError, DataError
from longspan.metrics.word_errors import transcript_errors

TARGETS = ["the cat sat on the mat", "a dog", "hello there general", "one two three four"]
FOUND = ["the cat sat the mat", "a dog barks", "hello their general", "two three for"]


@pytest.mark.parametrize("unit", ["word", "character"])
def test_counts_are_those_of_jiwer(unit):
    found = transcript_errors(TARGETS, FOUND, unit=unit)
    if unit == "word":
        reference = jiwer.process_words(TARGETS, FOUND)
        assert found.rate == pytest.approx(reference.wer)
    else:
        reference = jiwer.process_characters(TARGETS, FOUND)
        assert found.rate == pytest.approx(reference.cer)
    edits = found.counts.substitutions + found.counts.deletions + found.counts.insertions
    assert edits == reference.substitutions + reference.deletions + reference.insertions


def test_the_interval_is_over_speakers():
    # One speaker is always wrong, three never: drawn with replacement, 0 to 4 of 4 are the first.
    targets, speakers = ["a b"] * 40, [row % 4 for row in range(40)]
    predictions = ["x y" if speaker == 0 else "a b" for speaker in speakers]
    found = transcript_errors(targets, predictions, speakers)
    assert (found.rate, found.speakers) == (0.25, 4)
    assert found.low == 0
    assert found.high == 0.75
    alone = transcript_errors(targets, predictions)
    assert alone.low is not None
    assert alone.low > 0.1  # transcripts by themselves would pretend to know more
    assert transcript_errors(targets[:1], ["a b"], [0]).low is None


def test_more_words_than_there_are_is_said():
    found = transcript_errors(["yes"], ["no no no"])
    assert found.rate == 3
    assert str(found).endswith("More words were found than there are.")
    assert "word error 300.0%" in str(found)
    assert found.to_json()["insertions"] == 2


def test_what_cannot_be():
    with pytest.raises(DataError, match="no word"):
        transcript_errors([""], ["a"])
    with pytest.raises(DataError, match="2 targets, 1 predictions"):
        transcript_errors(["a", "b"], ["a"])
    with pytest.raises(ConfigError, match="unit must be"):
        transcript_errors(["a"], ["a"], unit="letter")  # type: ignore[arg-type]
    assert np.isfinite(transcript_errors(["a", ""], ["a", "b"]).rate)
