"""Translation in stages as a strategy: aligned words, phrases, a language model, and weights that were tuned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, final

import numpy as np

from longspan.columns import Text
from longspan.data import Task
from longspan.errors import ConfigError, DataError
from longspan.inference.estimators.phrase_translator import PhraseTranslator
from longspan.metrics.translation import bleu
from longspan.text.ngrams import train_ngrams
from longspan.text.translation import (
    DecoderWeights,
    PhraseDecoder,
    PhraseTable,
    align_hmm,
    align_ibm1,
    extract_phrases,
    symmetrise,
    translation_words,
)
from longspan.train.budget import Budget

__all__ = ["PhraseTranslation"]

_TURNS = 0.4  # standard deviation of the logarithm of what a weight is multiplied by
_LEAST_ROWS = 20


@final
@dataclass(frozen=True, kw_only=True)
class PhraseTranslation:
    """Words of both languages are aligned, phrases are extracted, and a beam search puts translations together.

    Weights are tuned by random search: on rows that are taken from the training rows, and that nothing else is learned
    from. A budget is of no effect.

    Source: Koehn, Och, Marcu 2003, "Statistical phrase-based translation"; see the functions in
    `longspan.text.translation`. Differs: random search in place of minimum error rate training.
    """

    alignment: Literal["hmm", "ibm1"] = "hmm"
    """Model that aligns words."""
    longest: int = 5
    """Words of the longest phrase; 1 translates word by word."""
    order: int = 3
    """Words of the n-grams of the language model (Kneser and Ney 1995)."""
    stack: int = 10
    """Beginnings of a translation that are kept for each number of words covered."""
    reordering: int = 4
    """Most words that are jumped over; 0 translates from left to right."""
    trials: int = 12
    """Weights that are tried; 0 takes the defaults."""
    tune_rows: int = 150
    """Rows on which they are compared, at most a tenth of the training rows."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.alignment not in ("hmm", "ibm1"):
            raise ConfigError(f"PhraseTranslation.alignment must be hmm or ibm1, got {self.alignment!r}.")
        for name, least in (
            ("longest", 1), ("order", 1), ("stack", 1), ("reordering", 0), ("trials", 0), ("tune_rows", 1),
        ):  # fmt: skip
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise ConfigError(
                    f"PhraseTranslation.{name} must be a whole number of at least {least}, got {getattr(self, name)!r}."
                )

    def check(self, task: Task) -> None:
        """ConfigError unless the task has one text as its input and one as its target."""
        for what, names in (("reads", task.input_names), ("writes", task.target_names)):
            kinds = [task.table.columns[name].kind for name in names]
            if kinds != ["text"]:
                told = ", ".join(f"{name} ({kind})" for name, kind in zip(names, kinds, strict=True))
                raise ConfigError(f"PhraseTranslation {what} one text; the task has {told}.")

    def train(
        self,
        task: Task,
        *,
        seed: int = 0,
        budget: Budget | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> PhraseTranslator:
        """Phrases and weights learned from the task's training rows.

        Args:
            task: With one text as the input and one as the target.
            seed: Of the rows that tune, and of the weights that are tried.
            budget: Of no effect.
            tell: Called with a line about each stage.

        Raises:
            ConfigError: the task is another.
            DataError: fewer than 20 rows.
        """
        del budget
        self.check(task)
        task.prepare()
        (name,), (target,) = task.input_names, task.target_names
        rows = task.train.numpy()
        columns = [task.table.frame[each].gather(rows).to_list() for each in (name, target)]
        pairs = [(translation_words(a), translation_words(b), b) for a, b in zip(*columns, strict=True) if a and b]
        pairs = [pair for pair in pairs if pair[0] and pair[1]]
        if len(pairs) < _LEAST_ROWS:
            raise DataError(f"Translation by phrases needs at least {_LEAST_ROWS} training rows, got {len(pairs)}.")
        random = np.random.default_rng([seed, 16])
        order = random.permutation(len(pairs)).tolist()
        held = min(self.tune_rows, len(pairs) // 10) if self.trials else 0
        tuned, learned = [pairs[row] for row in order[:held]], [pairs[row] for row in order[held:]]
        table = self._phrases([each[0] for each in learned], [each[1] for each in learned], tell)
        model = train_ngrams((" ".join(each[1]) for each in learned), self.order)
        tell(f"language model: {len(model.probabilities):,} n-grams")
        column, target_column = task.inputs[name], task.targets[target]
        assert isinstance(column, Text)
        assert isinstance(target_column, Text)

        def translator(weights: DecoderWeights) -> PhraseTranslator:
            decoder = PhraseDecoder(table, model, weights, stack=self.stack, reordering=self.reordering)
            return PhraseTranslator(name, column, target, target_column, decoder)

        best, weights = -math.inf, DecoderWeights()
        for trial in range(self.trials):
            tried = weights if not trial else _changed(weights, random)
            found = translator(tried).translate([" ".join(source) for source, _, _ in tuned])
            score = bleu(found, [text for _, _, text in tuned], lowercase=True).score
            tell(f"weights {trial + 1} of {self.trials}: BLEU {score:.2f}")
            if score > best:
                best, weights = score, tried
        return translator(weights)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether a strategy is still the same."""
        return {"strategy": "phrase_translation", **asdict(self)}

    def _phrases(self, sources: list[list[str]], targets: list[list[str]], tell: Callable[[str], None]) -> PhraseTable:
        align = align_hmm if self.alignment == "hmm" else align_ibm1
        forward, backward = align(sources, targets), align(targets, sources)
        tell(f"word alignment: {len(forward.probabilities):,} word pairs")
        links = symmetrise(forward.links, backward.links)
        table = extract_phrases(sources, targets, links, forward.table(), backward.table(), longest=self.longest)
        tell(f"phrase table: {len(table.pairs):,} phrases")
        return table


def _changed(weights: DecoderWeights, random: np.random.Generator) -> DecoderWeights:
    """Each weight multiplied by a factor about 1."""
    factors = np.exp(random.normal(0, _TURNS, len(fields(weights))))
    return replace(
        weights, **{f.name: getattr(weights, f.name) * float(x) for f, x in zip(fields(weights), factors, strict=True)}
    )
