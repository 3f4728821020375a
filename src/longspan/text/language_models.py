"""Language models of other kinds than n-gram counts of one's own: that of pocketsphinx, and several interpolated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, final

from longspan.errors import ConfigError, DependencyError
from longspan.text.ngram_table import NGramTable, table_of_file
from longspan.text.ngrams import BEGIN, END

__all__ = ["InterpolatedModel", "LanguageModel", "SphinxModel"]

_LEAST = -99.0
_IMPOSSIBLE = 1e-12


class LanguageModel(Protocol):
    """What says how likely a word is behind others; `NGramModel` is one."""

    @property
    def order(self) -> int:
        """Most words of an n-gram."""
        ...

    def log10_probability(self, context: tuple[str, ...], word: str) -> float:
        """The logarithm to base 10 of the probability of `word` behind `context`."""
        ...


@final
@dataclass(frozen=True, slots=True)
class SphinxModel:
    """The English trigram model of 72,547 words that the extra `pocketsphinx` brings; capitals and small letters alike.

    Raises:
        DependencyError: pocketsphinx is not installed.
    """

    def __post_init__(self) -> None:
        """Read the file, once in a process."""
        _sphinx()

    @property
    def order(self) -> int:
        """Most words of an n-gram."""
        return 3

    def log10_probability(self, context: tuple[str, ...], word: str) -> float:
        """-99 for a word that the model does not know; such a word in the context ends what counts of it."""
        model, logs = _sphinx()
        # The words before, the nearest first, as pocketsphinx takes them.
        before = [_spelling(each) for each in reversed(context[-2:])]
        return max(_LEAST, float(logs.log_to_log10(model.prob([_spelling(word), *before]))))

    def table(self, numbers: Mapping[str, int]) -> NGramTable:
        """The n-grams of these words, with the marks of beginning and end, as arrays."""
        return table_of_file(_path(), numbers)


@lru_cache(maxsize=1)
def _sphinx() -> tuple[Any, Any]:
    try:
        import pocketsphinx
    except ImportError:
        raise DependencyError(
            "This language model comes with pocketsphinx: python -m pip install 'longspan[pocketsphinx]'. One of your "
            "own is trained by train_ngrams or read by read_arpa."
        ) from None
    logs = pocketsphinx.LogMath()
    return pocketsphinx.NGramModel(pocketsphinx.Config(), logs, str(_path())), logs


def _path() -> Path:
    import pocketsphinx

    return Path(pocketsphinx.get_model_path()) / "en-us" / "en-us.lm.bin"


def _spelling(word: str) -> str:
    return word if word in (BEGIN, END) else word.lower()


@final
@dataclass(frozen=True, slots=True)
class InterpolatedModel:
    """The weighted mean of the probabilities of several models.

    Source: Jelinek and Mercer 1980, "Interpolated estimation of Markov source parameters from sparse data".

    Raises:
        ConfigError: not one weight for each model, or weights that do not sum to 1.
    """

    models: Sequence[LanguageModel]
    """At least one."""
    weights: Sequence[float]
    """Of each, positive, 1 in all."""

    def __post_init__(self) -> None:
        """Check the weights."""
        if not self.models or len(self.models) != len(self.weights):
            raise ConfigError(f"{len(self.models)} language models need as many weights, got {len(self.weights)}.")
        if min(self.weights) <= 0 or abs(sum(self.weights) - 1) > 1e-6:
            raise ConfigError(f"Weights of language models are positive and sum to 1, got {list(self.weights)}.")

    @property
    def order(self) -> int:
        """That of the longest."""
        return max(model.order for model in self.models)

    def log10_probability(self, context: tuple[str, ...], word: str) -> float:
        """At least -12, so that a word that one model lacks costs no more than that."""
        chance = sum(
            weight * 10 ** model.log10_probability(context, word)
            for model, weight in zip(self.models, self.weights, strict=True)
        )
        return math.log10(max(chance, _IMPOSSIBLE))
