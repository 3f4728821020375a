"""CIDEr-D: how near captions are to what several people wrote, by n-grams weighed by how much they tell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from longspan.errors import ConfigError
from longspan.text.splitting import words

__all__ = ["caption_words", "cider_d"]

_ORDERS = 4
_SIGMA = 6.0

_Gram = tuple[str, ...]
_Vector = dict[_Gram, float]


def caption_words(text: str) -> list[str]:
    """Small letters, no punctuation marks: how captions are compared."""
    return [word for word in words(text.lower()) if word[0].isalnum()]


def cider_d(captions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr-D of each caption; the score of a system is the mean. 10 is the most.

    Source: Vedantam, Zitnick, Parikh 2015, "CIDEr: consensus-based image description evaluation", section 6, with
    sigma 6 and the factor 10 of the published code. As in that code, document frequencies are those of the references
    that are given, raw counts are not divided by the length of a caption, and the length that is compared is the number
    of word pairs. Differs: captions are split by `caption_words` (paper: the PTB tokenizer).

    Args:
        captions: One for each image.
        references: For each image what people wrote.

    Raises:
        ConfigError: an image without a reference, or other numbers of captions and references.
    """
    if len(captions) != len(references) or not all(references):
        raise ConfigError(f"{len(captions)} captions need one reference or more for each; got {len(references)} lists.")
    found = [_counts(caption) for caption in captions]
    known = [[_counts(reference) for reference in each] for each in references]
    images = Counter(gram for each in known for gram in {gram for counts in each for gram in counts})
    most = math.log(max(1, len(captions)))
    weights = {gram: most - math.log(count) for gram, count in images.items()}

    def vectors(counts: Counter[_Gram]) -> list[_Vector]:
        parts: list[_Vector] = [{} for _ in range(_ORDERS)]
        for gram, count in counts.items():
            parts[len(gram) - 1][gram] = count * weights.get(gram, most)
        return parts

    scores = []
    for counts, several in zip(found, known, strict=True):
        own = vectors(counts)
        total = 0.0
        for reference in several:
            apart = _pairs(counts) - _pairs(reference)
            alike = sum(map(_cosine, own, vectors(reference))) / _ORDERS
            total += alike * math.exp(-(apart**2) / (2 * _SIGMA**2))
        scores.append(10 * total / len(several))
    return scores


def _counts(text: str) -> Counter[_Gram]:
    """How often each 1- to 4-gram occurs."""
    tokens = caption_words(text)
    return Counter(
        tuple(tokens[place : place + order])
        for order in range(1, _ORDERS + 1)
        for place in range(len(tokens) - order + 1)
    )


def _pairs(counts: Counter[_Gram]) -> int:
    return sum(count for gram, count in counts.items() if len(gram) == 2)


def _cosine(caption: _Vector, reference: _Vector) -> float:
    """Of two vectors, the caption's clipped to the reference's, so that repeating a word does not pay."""
    lengths = math.sqrt(sum(v * v for v in caption.values())) * math.sqrt(sum(v * v for v in reference.values()))
    if not lengths:
        return 0.0
    return sum(min(v, reference.get(gram, 0.0)) * reference.get(gram, 0.0) for gram, v in caption.items()) / lengths
