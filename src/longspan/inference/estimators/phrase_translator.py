"""Translation by phrases: it predicts texts, is measured as networks are, and is one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
import torch

from longspan.columns import Column, Text
from longspan.data import Table
from longspan.heads import Head, TargetPrediction, head_for
from longspan.inference.estimators.estimator_files import new_texts, read_columns, reading_estimator, write_estimator
from longspan.inference.labelled_rows import labelled_rows
from longspan.metrics.translation import bleu, chrf
from longspan.portable.prediction import Prediction
from longspan.portable.trained_model import Ability, TrainedModel
from longspan.text.ngrams import NGramModel
from longspan.text.translation import (
    DecoderWeights,
    PhraseDecoder,
    PhrasePair,
    PhraseTable,
    join_translation,
    translation_words,
)

__all__ = ["PHRASES_FORMAT", "PhraseTranslator"]

PHRASES_FORMAT = {"format": "longspan phrase translator", "format_version": 1}


@final
class PhraseTranslator(TrainedModel):
    """Phrases and a language model of the target language; `PhraseTranslation` trains them."""

    what: ClassVar[str] = "a phrase translator"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"batch_size"})

    steps_done = 0
    """Counting has no steps."""

    def __init__(self, name: str, column: Text, target: str, target_column: Text, decoder: PhraseDecoder) -> None:
        """Put them together.

        Args:
            name: Of the input.
            column: The fitted input.
            target: Name of the target.
            target_column: The fitted target.
            decoder: Finds translations.
        """
        self.inputs: dict[str, Column] = {name: column}
        self.heads: dict[str, Head] = {target: head_for(target_column)}
        self.decoder = decoder
        self._name, self._target = name, target

    def __repr__(self) -> str:
        return f"PhraseTranslator({len(self.decoder.table.pairs):,} phrases: {self._name} -> {self._target})"

    @property
    def input_columns(self) -> dict[str, Column | None]:
        """What it reads, by name."""
        return dict(self.inputs)

    def predict(self, data: Any, *, batch_size: int = 64) -> Any:
        """Translations of a Table, a text, or a list of texts; in order. They have no probability.

        Raises:
            DataError: values that are not texts, all of them by name.
        """
        del batch_size
        texts, several = new_texts(data, self._name)
        found = [Prediction({self._target: TargetPrediction(text)}) for text in self.translate(texts)]
        return found if several else found[0]

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Translations of texts."""
        return [join_translation(self.decoder.translate(translation_words(text))) for text in texts]

    def evaluate(self, data: Table | str | Path) -> dict[str, float]:
        """BLEU, chrF and the fraction of texts that are right as a whole, over the rows that have the target."""
        table = labelled_rows(data, self.inputs, self.heads)
        pairs = zip(table.column_values(self._name), table.column_values(self._target), strict=True)
        known = [(source or "", target) for source, target in pairs if target is not None]
        found, wanted = self.translate([source for source, _ in known]), [target for _, target in known]
        same = sum(one == other for one, other in zip(found, wanted, strict=True))
        return {
            "bleu": bleu(found, wanted).score,
            "chrf": chrf(found, wanted),
            "exact_match": same / max(1, len(wanted)),
        }

    def save(self, path: str | Path) -> Path:
        """One safetensors file: phrases, language model and weights. It holds no code."""
        phrases = [(source, pair) for source, pairs in self.decoder.table.pairs.items() for pair in pairs]
        lines = [f"{' '.join(source)}\t{' '.join(pair.words)}" for source, pair in phrases]
        scores = [
            (pair.forward, pair.backward, pair.lexical_forward, pair.lexical_backward) for _, pair in phrases
        ]  # fmt: skip
        model = self.decoder.language_model
        tensors = {
            "phrases": _packed(lines),
            "scores": torch.from_numpy(np.array(scores, np.float64).reshape(-1, 4)),
            "grams": _packed([" ".join(gram) for gram in model.probabilities]),
            "probabilities": torch.from_numpy(np.array([*model.probabilities.values()], np.float64)),
            "contexts": _packed([" ".join(gram) for gram in model.backoffs]),
            "backoffs": torch.from_numpy(np.array([*model.backoffs.values()], np.float64)),
        }
        return write_estimator(
            path, tensors, PHRASES_FORMAT, self.inputs, self.heads, weights=self.decoder.weights.to_json(),
            order=model.order, longest=self.decoder.table.longest, stack=self.decoder.stack,
            reordering=self.decoder.reordering,
        )  # fmt: skip

    @classmethod
    def from_parts(cls, tensors: Mapping[str, torch.Tensor], described: Mapping[str, Any]) -> Self:
        """What `save` wrote.

        Raises:
            ModelFileError: damaged, or from a newer longspan.
        """
        with reading_estimator(described, PHRASES_FORMAT, "phrases"):
            name, column, targets = read_columns(described, Text)
            ((target, target_column),) = targets.items()
            assert isinstance(target_column, Text)
            pairs: dict[tuple[str, ...], list[PhrasePair]] = {}
            lines, scores = _unpacked(tensors["phrases"]), tensors["scores"].tolist()
            for line, values in zip(lines, scores, strict=True):
                source, words = (tuple(each.split(" ")) for each in line.split("\t"))
                pairs.setdefault(source, []).append(PhrasePair(words, *values))
            table = PhraseTable({source: tuple(each) for source, each in pairs.items()}, int(described["longest"]))
            logs, backoffs = (
                {tuple(gram.split(" ")): value for gram, value in zip(_unpacked(grams), values.tolist(), strict=True)}
                for grams, values in (
                    (tensors["grams"], tensors["probabilities"]), (tensors["contexts"], tensors["backoffs"]),
                )
            )  # fmt: skip
            model = NGramModel(int(described["order"]), logs, backoffs)
            weights = DecoderWeights.from_json(described["weights"])
            stack, reordering = int(described["stack"]), int(described["reordering"])
            decoder = PhraseDecoder(table, model, weights, stack=stack, reordering=reordering)
            return cls(name, column, target, target_column, decoder)


def _packed(lines: Sequence[str]) -> torch.Tensor:
    """Lines as bytes; words hold neither blanks nor line ends."""
    return torch.from_numpy(np.frombuffer("\n".join(lines).encode(), np.uint8).copy())


def _unpacked(packed: torch.Tensor) -> list[str]:
    text = packed.numpy().tobytes().decode()
    return text.split("\n") if text else []
