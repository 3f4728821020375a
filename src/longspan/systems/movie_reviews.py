"""Movie reviews, liked or not: counted words, networks from scratch, and a pretrained network, on the same folds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal, final

import longspan as ls
from longspan.errors import ConfigError
from longspan.metrics.verification import wilson
from longspan.report import Document
from longspan.systems.finished_folds import FinishedFolds
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.strategy_study import mean_errors, parse_sizes, parse_strategies, run_study, train_seconds
from longspan.systems.system import System
from longspan.valid_values import check_probability

__all__ = ["MOVIE_REVIEWS", "MovieReviewsOptions", "whole_sentences"]

_COUNTED = ("tfidf", "nbsvm")
_PRETRAINED = "minilm"
_FROM_SENTENCES = "minilm, from sentences"
_STRATEGIES = (*_COUNTED, "text_cnn", "text_lstm", "minilm, frozen", _PRETRAINED, _FROM_SENTENCES)
_REVIEWS, _SENTENCES = "imdb-sample", "rt-polarity"
_HELD_OUT = 0.1
_LEAST_STEPS = 120


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class MovieReviewsOptions:
    """Options of movie-reviews."""

    data: Literal["rt-polarity", "imdb-sample", "sst2"] = "rt-polarity"
    """rt-polarity: sentences, in folds. imdb-sample: 800 whole reviews to train on. sst2: phrases and sentences."""
    strategy: str = "tfidf"
    """tfidf, nbsvm: counted words. minilm: pretrained. "minilm, from sentences": for imdb-sample, after it has learned
    the sentences of rt-polarity. Or any network that reads texts, such as text_cnn."""
    folds: int = 10
    """Folds of rt-polarity; each is held out once."""
    only: int | None = None
    """Train on only the first N folds."""
    head_epochs: int = 5
    """Epochs for the new layers alone, where the network is pretrained."""
    epochs: int = 3
    """Epochs for all layers; 0 leaves a pretrained network as it is."""
    frozen: float = 0.0
    """Fraction of the layers of minilm, from the lowest, that keep their weights in these epochs: 0.5 takes half the
    time."""
    lr: float | None = None
    """Peak learning rate of all layers; by default 1e-4 for minilm and 2e-3 for other networks."""
    max_tokens: int = 512
    """Most tokens of a text that a network reads."""
    train_rows: int | None = None
    """Train on only N rows."""
    sentences: bool = False
    """For sst2: train on whole sentences alone, not on the phrases that are parts of them."""
    sizes: str | None = None
    """Compare strategies in a study over these numbers of training rows, such as 50,200,1000,3000,9000."""
    seeds: int = 3
    """Trainings of each strategy at each size of the study."""
    strategies: str = "all"
    """Names of the study's strategies, separated by semicolons, for names have commas."""
    jobs: int | None = None
    """Trainings of the study at a time; default: one per core."""
    limit: int | None = None
    """Use only this many rows in all, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.folds < 2 or (self.only is not None and not 1 <= self.only <= self.folds):
            raise ConfigError("--folds must be at least 2, and --only at least 1 and at most as many.")
        if self.sentences and self.data != "sst2":
            raise ConfigError("--sentences is for --data sst2: the other sets have no phrases.")
        check_probability("--frozen", self.frozen)
        if self.frozen and not self.strategy.startswith(_PRETRAINED) and self.sizes is None:
            raise ConfigError("--frozen is for minilm: other networks have no weights to keep.")
        if self.head_epochs < 0 or self.epochs < 0:
            raise ConfigError("--head-epochs and --epochs must be at least 0.")
        pretrained = self.strategy.startswith(_PRETRAINED)
        if self.strategy not in _COUNTED and not self.epochs and (not pretrained or not self.head_epochs):
            raise ConfigError("Nothing would be trained: --epochs at least 1, or --head-epochs for minilm.")
        check_network(self.strategy, others=(*_COUNTED, _FROM_SENTENCES))
        check_at_least(train_rows=(self.train_rows, 20), limit=(self.limit, 20), max_tokens=(self.max_tokens, 1))
        check_at_least(seeds=(self.seeds, 1), jobs=(self.jobs, 1))
        check_above_zero(lr=self.lr)
        names = parse_strategies(self.strategies, _STRATEGIES, ";")
        asked = self.strategy == _FROM_SENTENCES or (self.strategies != "all" and _FROM_SENTENCES in names)
        if asked and self.data != _REVIEWS:
            raise ConfigError(
                f"{_FROM_SENTENCES!r} is for --data {_REVIEWS}: the sentences are those of rt-polarity, and sst2 is "
                "made of the same."
            )
        if self.sizes is not None:
            parse_sizes(self.sizes)
            if self.train_rows is not None:
                raise ConfigError("--sizes are the numbers of training rows: leave out --train-rows.")
        elif self.strategies != "all":
            raise ConfigError("--strategies are those of a study: give --sizes too, or --strategy for one training.")


def _run(options: MovieReviewsOptions, run: SystemRun) -> None:
    table = ls.datasets.load(options.data)
    if options.sentences:
        table = whole_sentences(table)
    if options.limit is not None:
        table = table.sample(min(options.limit, len(table)), seed=run.seed)
    if options.sizes is not None:
        _study(table, options, run)
        return
    splits = _splits(table, options, run.seed)
    plural = "s" if len(splits) > 1 else ""
    run.say(f"{len(table):,} texts; {options.strategy}, {len(splits)} training{plural}.")
    accuracies: list[float] = []
    every: list[bool] = []
    seconds = 0.0
    model: ls.Learner | ls.LinearText | None = None
    finished = FinishedFolds(run, {**asdict(options), "only": None})
    for number, split in enumerate(splits, 1):
        found = finished.get(number) if number < len(splits) else None  # the model of the last is saved
        if found is None:
            started = time.perf_counter()
            model, right = _trained(split, options, run)
            found = {"right": right, "seconds": time.perf_counter() - started}
            finished.add(number, found)
        every += found["right"]
        seconds += found["seconds"]
        accuracies.append(statistics.fmean(found["right"]))
        run.say(f"training {number}: accuracy {accuracies[-1]:.4f}")
    assert model is not None
    mean = statistics.fmean(accuracies)
    low, high = wilson(sum(every), len(every))
    metrics = {"error": 1 - mean, "accuracy": mean, "accuracy_low": low, "accuracy_high": high}
    if len(accuracies) > 1:
        metrics["lowest_accuracy"] = min(accuracies)
        metrics["accuracy_sd"] = statistics.stdev(accuracies)
    details = {"accuracies": [round(each, 6) for each in accuracies]}
    report = None if isinstance(model, ls.Learner) else _report(metrics, accuracies, options)
    run.finish(model, metrics, train_seconds=seconds, options=asdict(options), details=details, report=report)


def whole_sentences(table: ls.Table) -> ls.Table:
    """The rows, but for phrases of the training part that are a part of another one.

    Args:
        table: Columns `text` and `part`.
    """
    words = [text.split() for text in table["text"]]
    train = {row for row, part in enumerate(table["part"]) if part == "train"}
    kept, parts = {*range(len(table))} - train, set()
    for row in sorted(train, key=lambda each: (-len(words[each]), each)):
        mine = words[row]
        if tuple(mine) not in parts:
            kept.add(row)
            parts |= {tuple(mine[i:j]) for i in range(len(mine)) for j in range(i + 1, len(mine) + 1)}
    return table.take(sorted(kept))


def _study(table: ls.Table, options: MovieReviewsOptions, run: SystemRun) -> None:
    """Strategies over growing numbers of rows, measured on the same rows held out."""
    from longspan.study.reports.study_report import compose_report

    if options.data == "rt-polarity":
        split = table.split(valid=0, test=_HELD_OUT, seed=run.seed)
    else:
        split = table.split(column="part", valid=0, seed=run.seed)
    task = ls.Task(split, "text", "label", allow_leaks=True)
    rows = len(task.train)
    sizes = sorted({min(each, rows) for each in parse_sizes(options.sizes or "")})
    names = [
        name for name in parse_strategies(options.strategies, _STRATEGIES, ";")
        if name != _FROM_SENTENCES or options.data == _REVIEWS
    ]  # fmt: skip
    strategies = {name: _strategy(name, options, run) for name in names}
    run.say(
        f"{rows:,} training texts, {len(split.vault):,} held out, sealed;\n"
        f"{len(names)} strategies x {len(sizes)} sizes x {options.seeds} seeds."
    )
    results = run_study(
        run, task, strategies, sizes=sizes, seeds=options.seeds, budget=None, jobs=options.jobs, cost={"label": 1.0},
        needs=dict.fromkeys(names, ("label",)),
    )  # fmt: skip
    for sentence in results.advice():
        run.say(sentence)
    metrics = {f"error, {name}, {size} texts": error for (name, size), error in mean_errors(results).items()}
    run.finish(
        results.best(), metrics, train_seconds=train_seconds(results), options=asdict(options),
        report=lambda: compose_report(results), details={"study": results.to_json()},
    )  # fmt: skip


def _strategy(name: str, options: MovieReviewsOptions, run: SystemRun) -> ls.WordCounts | ls.Recipe | ls.Transfer:
    """Counted words, or a network; a network takes some steps with few rows."""
    if name in _COUNTED:
        return ls.WordCounts(method=name)  # type: ignore[arg-type]
    if name == _FROM_SENTENCES:
        recipe = _strategy(_PRETRAINED, options, run)
        assert isinstance(recipe, ls.Recipe)
        split = ls.datasets.load(_SENTENCES).split(valid=_HELD_OUT, seed=run.seed)
        return ls.Transfer(recipe, ls.Task(split, "text", "label", allow_leaks=True), keep_in=run.folder)
    model = name.split(",")[0]
    return ls.Recipe(
        model,
        weights=_PRETRAINED if model == _PRETRAINED else None,
        phases=tuple(_phases(model, replace(options, epochs=0) if name != model else options)),
        heads={"label": _head(model)},
        config=_config(model),
        columns={"text": _column(model, options)},
        min_steps=_LEAST_STEPS,
    )


def _column(model: str, options: MovieReviewsOptions) -> ls.Text:
    """Texts as the network reads them."""
    if model == _PRETRAINED:
        return ls.Text.for_encoder(_PRETRAINED, max_tokens=options.max_tokens)
    return ls.Text(max_tokens=options.max_tokens)


def _splits(table: ls.Table, options: MovieReviewsOptions, seed: int) -> list[ls.Split]:
    """Folds of a table without parts; else the split that its column says."""
    if options.data == "rt-polarity":
        return table.split(seed=seed).folds(options.folds)[: options.only]
    return [table.split(column="part", seed=seed)]


def _trained(
    split: ls.Split, options: MovieReviewsOptions, run: SystemRun
) -> tuple[ls.Learner | ls.LinearText, list[bool]]:
    """A model of the training rows, and which of the rows held out it got right."""
    # Sentences of the published sets that are in both parts stay there, as in published figures.
    whole = ls.Task(split, "text", "label", allow_leaks=True)
    task = whole if options.train_rows is None else _fewer(whole, options.train_rows, run.seed)
    strategy = _strategy(options.strategy, options, run)
    model: ls.Learner | ls.LinearText
    if isinstance(strategy, ls.WordCounts):
        model = strategy.train(task, seed=run.seed)
    else:
        model = strategy.train(task, seed=run.seed, progress=not run.quiet)
    rows = whole.open_vault("movie-reviews: accuracy") if len(split.vault) else whole.valid
    held_out = split.table.take(rows.numpy())
    found = model.predict(held_out)
    return model, [each["label"] == label for each, label in zip(found, held_out["label"], strict=True)]


def _config(model: str) -> ls.TrainConfig:
    """The rows held out must not choose the epoch that is measured on them."""
    return ls.TrainConfig(batch_size=16 if model == _PRETRAINED else 32, keep="last", weight_decay=0.01)


def _head(model: str) -> ls.Classify:
    return ls.Classify(dropout=0.1 if model == _PRETRAINED else 0.0)


def _phases(model: str, options: MovieReviewsOptions) -> list[ls.Phase]:
    """New layers alone first, where the rest is pretrained."""
    pretrained = model == _PRETRAINED
    phases = []
    if pretrained and options.head_epochs:
        phases.append(ls.Phase(epochs=options.head_epochs, lr=2e-3, frozen=1.0))
    if options.epochs:
        lr = options.lr or (1e-4 if pretrained else 2e-3)
        phases.append(
            ls.Phase(
                epochs=options.epochs,
                lr=lr,
                backbone_lr_mult=0.3 if pretrained else 1.0,
                frozen=options.frozen if pretrained else 0.0,
            )
        )
    return phases


def _fewer(task: ls.Task, rows: int, seed: int) -> ls.Task:
    """Some of the training rows; nothing else of the task is used."""
    import torch

    task.prepare()
    order = torch.randperm(len(task.train), generator=torch.Generator().manual_seed(seed))
    return task.subset(task.train[order[:rows]])


def _report(metrics: dict[str, float], accuracies: list[float], options: MovieReviewsOptions) -> Callable[[], Document]:
    """The report of counted words."""

    def make() -> Document:
        page = Document("movie-reviews", subtitle=f"{options.data}, {options.strategy}")
        page.headline("accuracy", f"{metrics['accuracy']:.1%}", f"{len(accuracies)} trainings")
        page.section("Rows held out")
        page.table([{"training": n, "accuracy": accuracy} for n, accuracy in enumerate(accuracies, 1)])
        page.section("Settings")
        return page.settings(asdict(options)).environment()

    return make


MOVIE_REVIEWS = System(
    name="movie-reviews",
    summary="Predicts whether a reviewer liked a film: counted words, networks from scratch, or a pretrained network.",
    needs="the data set rt-polarity, imdb-sample or sst2, the extra minilm for that network, and seconds to an hour",
    options=MovieReviewsOptions,
    run=_run,
)
