"""How near generated texts are to references: BLEU by sacreBLEU, chrF, and what they owe to the training texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from longspan.errors import ConfigError, DependencyError
from longspan.metrics.row_errors import RowError
from longspan.text.normalise import comparable
from longspan.text.splitting import words

__all__ = ["CHRF_ERROR", "Bleu", "BleuCounts", "bleu", "chrf", "copied_fraction", "output_vocabulary"]

_ORDER = 6
_BETA = 2.0

References = Sequence[str] | Sequence[Sequence[str]]
"""One reference for each text, or several for each."""


@final
@dataclass(frozen=True, slots=True)
class Bleu:
    """A BLEU score with what makes it comparable."""

    score: float
    """0 to 100."""
    precisions: tuple[float, ...]
    """Of 1- to 4-grams, in percent."""
    brevity_penalty: float
    signature: str
    """Of sacreBLEU: references, case, tokenizer, smoothing, version."""

    @property
    def cumulative(self) -> tuple[float, float, float, float]:
        """BLEU-1 to BLEU-4, as captioning papers print them."""
        scores, product = [], 1.0
        for order, precision in enumerate(self.precisions, 1):
            product *= precision
            scores.append(self.brevity_penalty * product ** (1 / order))
        return tuple(scores)  # type: ignore[return-value]


def bleu(texts: Sequence[str], references: References, *, lowercase: bool = False) -> Bleu:
    """BLEU of whole texts, detokenised: sacreBLEU tokenises both sides itself (13a).

    Source: Papineni et al. 2002; Post 2018, "A call for clarity in reporting BLEU scores".

    Args:
        texts: What was generated.
        references: For each text one reference, or equally many.
        lowercase: Whether capitals count.

    Raises:
        DependencyError: sacreBLEU is not installed.
        ConfigError: numbers of texts and references that do not fit.
    """
    metric: Any = _sacrebleu()(lowercase=lowercase)
    result = metric.corpus_score(list(texts), _streams(texts, references))
    return Bleu(result.score, tuple(result.precisions), result.bp, str(metric.get_signature()))


@final
@dataclass(frozen=True, slots=True)
class BleuCounts:
    """What BLEU counts in each of N texts: the score of any of them, drawn again and again, costs one sum.

    Intervals are those of a bootstrap over texts (Koehn 2004, "Statistical significance tests for machine translation
    evaluation"): draw rows once, and score all systems on the same draws.
    """

    right: np.ndarray
    """`(N, 4)` int64: 1- to 4-grams that are in a reference too."""
    found: np.ndarray
    """`(N, 4)` int64: 1- to 4-grams of each text."""
    lengths: np.ndarray
    """`(N, 2)` int64: tokens of each text, and of the reference that is nearest in length."""

    @classmethod
    def of(cls, texts: Sequence[str], references: References, *, lowercase: bool = False) -> Self:
        """Count; arguments and errors are those of `bleu`."""
        # Its effective order changes scores of single texts, which are not used, and no counts.
        metric: Any = _sacrebleu()(lowercase=lowercase, effective_order=True)
        several = zip(*_streams(texts, references), strict=True)
        scores = [metric.sentence_score(text, list(own)) for text, own in zip(texts, several, strict=True)]
        return cls(
            np.array([score.counts for score in scores], np.int64).reshape(-1, 4),
            np.array([score.totals for score in scores], np.int64).reshape(-1, 4),
            np.array([(score.sys_len, score.ref_len) for score in scores], np.int64).reshape(-1, 2),
        )

    def cumulative(self, rows: np.ndarray) -> np.ndarray:
        """BLEU-1 to BLEU-4 of some rows, `(4,)` float64; a row may come several times. The last is `Bleu.score`."""
        bleu_of = _sacrebleu().compute_bleu
        right, found = (each[rows].sum(axis=0).tolist() for each in (self.right, self.found))
        score = bleu_of(right, found, *self.lengths[rows].sum(axis=0).tolist(), smooth_method="exp")
        return np.array(Bleu(score.score, tuple(score.precisions), score.bp, "").cumulative)


def _sacrebleu() -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise DependencyError('BLEU needs sacreBLEU: pip install "longspan[text]".') from None
    return BLEU


def chrf(texts: Sequence[str], references: References) -> float:
    """The chrF of whole texts, 0 to 100: F2 of character 1- to 6-grams, summed over the texts, without white space.

    Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation"; counted as sacreBLEU does (which
    of several references is best is chosen text by text).
    """
    totals = [[0, 0, 0] for _ in range(_ORDER)]
    several = [(one,) if isinstance(one, str) else tuple(one) for one in references]
    if len(several) != len(texts):
        raise ConfigError(f"{len(texts)} texts were compared with {len(several)} references.")
    for text, own in zip(texts, several, strict=True):
        best = max((_chrf_counts(text, reference) for reference in own), key=_f_score)
        totals = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(totals, best, strict=True)]
    return _f_score(totals)


def _unlike(target: str, prediction: str) -> float:
    return 1 - _f_score(_chrf_counts(prediction, target)) / 100 if target.split() else float(bool(prediction.split()))


CHRF_ERROR = RowError(name="1 - chrF", of=_unlike, mean_suffix=", mean over texts")
"""Of a text that is written word by word, where few are right as a whole: see `chrf`, of this one text."""


def output_vocabulary(texts: Iterable[str]) -> int:
    """Different words in generated texts, small letters: models that write always the same have few."""
    return len({word for text in texts for word in words(text.lower())})


def copied_fraction(texts: Sequence[str], training: Iterable[str]) -> float:
    """Fraction of the texts that are, but for capitals, punctuation and spaces, a training text."""
    known = {comparable(text) for text in training}
    return sum(comparable(text) in known for text in texts) / max(1, len(texts))


def _streams(texts: Sequence[str], references: References) -> list[list[str]]:
    """References as sacreBLEU reads them: the first of all texts, the second of all texts, and so on."""
    several = [[one] if isinstance(one, str) else list(one) for one in references]
    counts = {len(one) for one in several}
    if len(several) != len(texts) or len(counts) > 1 or 0 in counts:
        raise ConfigError(
            f"{len(texts)} texts need references for each of them, equally many for all; got {len(several)}, "
            f"{' or '.join(map(str, sorted(counts)))} each."
        )
    return [list(stream) for stream in zip(*several, strict=True)]


def _chrf_counts(text: str, reference: str) -> list[list[int]]:
    """For each order the n-grams of the text, of the reference, and of both."""
    one, other = ("".join(each.split()) for each in (text, reference))
    counts = []
    for order in range(1, _ORDER + 1):
        grams = [Counter(each[i : i + order] for i in range(len(each) - order + 1)) for each in (one, other)]
        there = grams[1].total()
        counts.append([grams[0].total() if there else 0, there, (grams[0] & grams[1]).total()])
    return counts


def _f_score(counts: Sequence[Sequence[int]]) -> float:
    rates = [(both / found, both / there) for found, there, both in counts if found and there]
    if not rates:
        return 0.0
    precision, recall = (sum(each) / len(rates) for each in zip(*rates, strict=True))
    if not precision + recall:
        return 0.0
    factor = _BETA**2
    return 100 * (1 + factor) * precision * recall / (factor * precision + recall)
