"""Counted words and a linear classifier as a strategy: what every network for texts is compared with."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

import numpy as np

from longspan.columns import Category, Column, Text
from longspan.data import Task
from longspan.data.batches.truncation import NOT_READ
from longspan.errors import ConfigError, DataError
from longspan.inference.estimators.linear_text import LinearText, WordWeights
from longspan.text.word_ngrams import word_ngrams
from longspan.train.budget import Budget

__all__ = ["WordCounts"]

_METHODS = ("tfidf", "nbsvm")


@final
@dataclass(frozen=True, kw_only=True)
class WordCounts:
    """N-grams of words with a linear classifier of scikit-learn; a budget is of no effect, for both are quick.

    "tfidf": counts as 1 + ln c, times the inverse document frequency, each text of length 1; logistic regression.

    "nbsvm": whether an N-gram occurs, times its log-count ratio between a class and the others; a linear support vector
    machine, whose weights are drawn towards their mean. Its probabilities order texts and are not calibrated.

    Source: Wang and Manning 2012, "Baselines and bigrams: simple, good sentiment and topic classification" (nbsvm).
    Differs: more than two classes are each set against the others.

    Example:
        >>> from longspan import Table
        >>> texts = [f"a {word} film number {n}" for n in range(20) for word in ("good", "bad")]
        >>> table = Table.from_arrays({"text": texts, "label": ["p", "n"] * 20}, {"text": Text(), "label": Category()})
        >>> WordCounts().train(Task(table.split(), "text", "label")).predict("so good a film").value
        'p'
    """

    method: Literal["tfidf", "nbsvm"] = "tfidf"
    """What is counted and how it is weighted."""
    ngrams: tuple[int, int] = (1, 2)
    """Words of the shortest and the longest N-gram."""
    min_count: int = 1
    """Training texts in which an N-gram must occur."""
    strength: float | None = None
    """Inverse strength of the regularisation, C; None: 10 for tfidf, 1 for nbsvm."""
    smoothing: float = 1.0
    """Added to every count in the log-count ratio."""
    interpolation: float = 0.25
    """How much of the support vector machine's own weights is kept beside their mean."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.method not in _METHODS:
            raise ConfigError(f"WordCounts.method must be tfidf or nbsvm, got {self.method!r}.")
        object.__setattr__(self, "ngrams", tuple(self.ngrams))
        if len(self.ngrams) != 2 or not 1 <= self.ngrams[0] <= self.ngrams[1]:
            raise ConfigError(f"WordCounts.ngrams must be two lengths, the shortest first, got {self.ngrams!r}.")
        if self.min_count < 1 or (self.strength is not None and self.strength <= 0) or self.smoothing <= 0:
            raise ConfigError("WordCounts.min_count must be at least 1, strength and smoothing above 0.")
        if not 0 <= self.interpolation <= 1:
            raise ConfigError(f"WordCounts.interpolation must be in 0..1, got {self.interpolation!r}.")

    def check(self, task: Task) -> None:
        """ConfigError unless the task's input is one text, and its targets are classes."""
        kinds = {name: task.table.columns[name].kind for name in task.input_names}
        if list(kinds.values()) != ["text"]:
            told = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
            raise ConfigError(f"WordCounts reads one text; the inputs are {told}.")
        for name in task.target_names:
            if task.table.columns[name].kind != "category":
                kind = task.table.columns[name].kind
                raise ConfigError(f"WordCounts predicts classes; target {name!r} is of kind {kind}.")

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None) -> LinearText:
        """Weights learned from the task's training rows."""
        del budget
        self.check(task)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=f".*{NOT_READ}")  # whole texts are counted
            task.prepare()
        (name,) = task.input_names
        column = task.inputs[name]
        assert isinstance(column, Text)
        texts = [text or "" for text in task.table.frame[name].gather(task.train.numpy()).to_list()]
        parts = {}
        for target, kind in task.targets.items():
            known = task.samples.targets[target].present(task.train).numpy()
            classes = task.samples.targets[target].read(task.train).numpy()[known]
            parts[target] = self._fit([texts[row] for row in np.flatnonzero(known)], classes, kind, seed)
        return LinearText(name, column, task.targets, parts)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether a strategy is still the same."""
        return {"strategy": "word_counts", **asdict(self), "ngrams": list(self.ngrams)}

    def _fit(self, texts: list[str], classes: np.ndarray, column: Column, seed: int) -> WordWeights:
        from sklearn.feature_extraction.text import CountVectorizer

        assert isinstance(column, Category)
        counter = CountVectorizer(
            analyzer=lambda text: word_ngrams(text, *self.ngrams),  # type: ignore[arg-type]
            min_df=self.min_count,
        )
        try:
            counts = counter.fit_transform(texts)
        except ValueError as error:
            raise DataError(
                f"No N-gram of words occurs in {self.min_count} training texts; lower WordCounts.min_count."
            ) from error
        vocab = tuple(counter.get_feature_names_out().tolist())
        present, number = np.unique(classes), len(column.vocab)
        weights, bias = np.zeros((len(vocab), number)), np.full(number, -np.inf)
        scale = np.ones(len(vocab))
        if len(present) == 1:  # a small subset may hold one class
            bias[present] = 0.0
        elif self.method == "tfidf":
            scale = self._tfidf(counts, classes, present, weights, bias, seed)
        else:
            self._nbsvm(counts, classes, present, weights, bias, seed)
        return WordWeights(
            vocab=vocab, weights=weights.astype(np.float32), bias=bias.astype(np.float32),
            scale=scale.astype(np.float32), ngrams=self.ngrams,
            sublinear=self.method == "tfidf", unit=self.method == "tfidf",
        )  # fmt: skip

    def _tfidf(
        self, counts: Any, classes: np.ndarray, present: np.ndarray, weights: np.ndarray, bias: np.ndarray, seed: int
    ) -> np.ndarray:
        """Fill `weights` and `bias` by logistic regression; gives the inverse document frequencies."""
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression

        transformer = TfidfTransformer(sublinear_tf=True)
        rows = transformer.fit_transform(counts)
        model = LogisticRegression(C=self.strength or 10.0, max_iter=1000, random_state=seed).fit(rows, classes)
        if len(present) == 2:
            bias[present] = 0.0, model.intercept_[0]
            weights[:, present[1]] = model.coef_[0]
        else:
            bias[present], weights[:, present] = model.intercept_, model.coef_.T
        return transformer.idf_

    def _nbsvm(
        self, counts: Any, classes: np.ndarray, present: np.ndarray, weights: np.ndarray, bias: np.ndarray, seed: int
    ) -> None:
        """Fill `weights` and `bias`: sections 2.1 to 2.3 of the paper."""
        from sklearn.svm import LinearSVC

        there = (counts > 0).astype(np.float64)
        for number in present:
            own: np.ndarray = classes == number
            p, q = (self.smoothing + np.asarray(part @ there).ravel() for part in (own, ~own))
            ratio = np.log((p / p.sum()) / (q / q.sum()))
            model = LinearSVC(C=self.strength or 1.0, random_state=seed).fit(there.multiply(ratio).tocsr(), own)
            found = model.coef_[0]
            mixed = (1 - self.interpolation) * np.abs(found).mean() + self.interpolation * found
            weights[:, number] = mixed * ratio
            bias[number] = np.ravel(model.intercept_)[0]
            if len(present) == 2:  # the other class is the same machine, mirrored
                other = present[1] if number == present[0] else present[0]
                weights[:, other], bias[other] = 0.0, 0.0
                return
