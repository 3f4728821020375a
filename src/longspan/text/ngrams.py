"""Language models of word n-grams: how likely a word is behind the words before it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

from longspan.errors import ConfigError, DataError

__all__ = ["BEGIN", "END", "UNKNOWN", "NGramModel", "train_ngrams"]

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_LEAST = -99.0  # what ARPA files write for the probability 0


@final
@dataclass(frozen=True, slots=True)
class NGramModel:
    """An n-gram model that backs off: probabilities and backoff weights as logarithms to base 10, as in ARPA files.

    Example:
        >>> model = train_ngrams(["a b", "a b", "a c"], order=2)
        >>> model.log10_probability(("a",), "b") > model.log10_probability(("a",), "c")
        True
    """

    order: int
    """Most words of an n-gram."""
    probabilities: Mapping[tuple[str, ...], float]
    """Of the last word of each n-gram behind the others."""
    backoffs: Mapping[tuple[str, ...], float]
    """Of each n-gram as a context; 0 where there is none."""

    def log10_probability(self, context: tuple[str, ...], word: str) -> float:
        """How likely `word` is behind `context`, of which the last `order - 1` words count; a word that never occurred
        is `<unk>`.
        """  # noqa: D205
        if (word,) not in self.probabilities:
            word = UNKNOWN
        context = tuple(each if (each,) in self.probabilities else UNKNOWN for each in context)
        context = context[len(context) - self.order + 1 :] if len(context) >= self.order else context
        penalty = 0.0
        while True:
            found = self.probabilities.get((*context, word))
            if found is not None:
                return penalty + found
            if not context:
                return penalty + _LEAST
            penalty += self.backoffs.get(context, 0.0)
            context = context[1:]

    def log10_of(self, words: Iterable[str]) -> float:
        """How likely a whole sentence is, its end included."""
        context, total = (BEGIN,), 0.0
        for word in (*words, END):
            total += self.log10_probability(context, word)
            context = (*context, word)[-self.order :]
        return total

    def perplexity(self, texts: Iterable[str]) -> float:
        """The perplexity of texts, their ends included and words that never occurred too."""
        total, count = 0.0, 0
        for text in texts:
            words = text.split()
            total += self.log10_of(words)
            count += len(words) + 1
        return 10 ** (-total / max(1, count))

    @property
    def words(self) -> list[str]:
        """Every word it knows, in alphabetical order."""
        return sorted(gram[0] for gram in self.probabilities if len(gram) == 1 and gram[0] not in (BEGIN, END, UNKNOWN))


def train_ngrams(texts: Iterable[str], order: int = 3, *, vocabulary: Iterable[str] = ()) -> NGramModel:
    """An interpolated Kneser-Ney model of texts whose words are parted by blanks.

    Source: Kneser and Ney 1995, "Improved backing-off for m-gram language modeling"; interpolated as in Chen and
    Goodman 1998, section 4.1.6, with one discount for each order, n1 / (n1 + 2 n2). Differs: unigrams are interpolated
    with the uniform distribution over all words, the end and `<unk>`, so that `<unk>` has a probability.

    Args:
        texts: One sentence each.
        order: Most words of an n-gram.
        vocabulary: Words that there may be beside those of the texts. What is left for words that never occurred is
            shared among them; without, each of them has all of it, which is wrong for words that are named.

    Raises:
        ConfigError: `order` below 1.
        DataError: not one word.
    """
    if order < 1:
        raise ConfigError(f"The order of an n-gram model must be at least 1, got {order!r}.")
    counts: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
    for text in texts:
        words = (BEGIN, *text.split(), END)
        for size in range(1, order + 1):
            counts[size - 1].update(words[place : place + size] for place in range(len(words) - size + 1))
    if not any(gram[0] not in (BEGIN, END) for gram in counts[0]):
        raise DataError("A language model needs texts with at least one word.")
    # Lower orders count in how many contexts an n-gram occurs; only behind the beginning there is but one.
    for size in range(order - 1, 0, -1):
        before = Counter(gram[1:] for gram in counts[size])
        counts[size - 1] = Counter(
            {gram: count if gram[0] == BEGIN else before[gram] for gram, count in counts[size - 1].items()}
        )
    known = sorted({*vocabulary, *(gram[0] for gram in counts[0])} - {BEGIN} | {END, UNKNOWN})
    probabilities: dict[tuple[str, ...], float] = {}
    weights: dict[tuple[str, ...], float] = {}
    for size in range(1, order + 1):
        grams = {gram: count for gram, count in counts[size - 1].items() if gram != (BEGIN,)}
        discount = _discount(grams)
        totals: dict[tuple[str, ...], int] = defaultdict(int)
        kinds: dict[tuple[str, ...], int] = defaultdict(int)
        for gram, count in grams.items():
            totals[gram[:-1]] += count
            kinds[gram[:-1]] += 1
        for context, total in totals.items():
            weights[context] = discount * kinds[context] / total
        if size == 1:
            for word in known:
                own = max(0.0, grams.get((word,), 0) - discount) / totals[()]
                probabilities[word,] = own + weights[()] / len(known)
            continue
        for gram, count in grams.items():
            lower = probabilities[gram[1:]]
            probabilities[gram] = (count - discount) / totals[gram[:-1]] + weights[gram[:-1]] * lower
    logs = {gram: math.log10(value) for gram, value in probabilities.items()}
    logs[BEGIN,] = _LEAST
    return NGramModel(order, logs, {gram: math.log10(value) for gram, value in weights.items() if gram})


def _discount(counts: Mapping[tuple[str, ...], int]) -> float:
    """n1 / (n1 + 2 n2), between 0.1 and 0.9: small corpora may have no n-gram that occurs once, or twice."""
    once, twice = (sum(count == number for count in counts.values()) for number in (1, 2))
    return min(0.9, max(0.1, once / (once + 2 * twice))) if once else 0.1
