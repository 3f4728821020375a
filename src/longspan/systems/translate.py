"""English to French: word by word, in stages, in between, and end to end, on the same test sets."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, final

import numpy as np

import longspan as ls
from longspan.metrics.translation import BleuCounts, bleu, chrf, copied_fraction, output_vocabulary
from longspan.report import Document
from longspan.storage.files import write_whole
from longspan.systems.options import check_above_zero, check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.valid_values import check_probability

__all__ = ["TRANSLATE", "TRANSLATIONS", "TranslateOptions"]

TRANSLATIONS = "translations.tsv"

_STAGED = ("staged", "word-by-word")
_TESTS = {"test": "test2016", "test_2017": "test2017"}
_SAMPLES = 25
_RESAMPLES = 1000


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TranslateOptions:
    """Options of translate."""

    strategy: Literal["transformer", "gru", "middle", "staged", "word-by-word"] = "transformer"
    """transformer, gru: end to end. staged: word alignment, phrases, language model and a beam search. word-by-word:
    IBM model 1 and phrases of one word, in order. middle: a transformer that reads the sentence and its translation
    word by word."""
    train_rows: int | None = None
    """Train on only N of the 29,000 sentences of Multi30k, for a learning curve."""
    tatoeba: bool = False
    """Train on the sentences of Tatoeba too."""
    repeats: int = 1
    """Times that each sentence of Multi30k is in an epoch, so that those of Tatoeba do not outnumber them."""
    vocab: int = 5000
    """Vocabulary size of each language in sub-words, for networks."""
    width: int = 160
    """Width of embeddings and layers."""
    layers: int = 3
    """Layers of the transformer's encoder and of its decoder."""
    dropout: float = 0.25
    """Dropout probability."""
    epochs: int = 28
    """Passes of a network over the training rows."""
    lr: float = 3e-3
    """Peak learning rate."""
    batch_size: int = 128
    """Sentences in a step."""
    beam: int = 5
    """Beam width: translations that the search keeps at each step."""
    resume: bool = False
    """Continue the training that was interrupted in this folder."""
    limit: int | None = None
    """Use only this many sentences of each part, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(
            train_rows=(self.train_rows, 20), limit=(self.limit, 20), epochs=(self.epochs, 1),
            repeats=(self.repeats, 1), batch_size=(self.batch_size, 1), beam=(self.beam, 1), vocab=(self.vocab, 300),
            width=(self.width, 1), layers=(self.layers, 1),
        )  # fmt: skip
        check_above_zero(lr=self.lr)
        check_probability("--dropout", self.dropout)


def _run(options: TranslateOptions, run: SystemRun) -> None:
    parts = _parts(options, run.seed)
    task = _task(parts, options, run.seed)
    run.say(f"{len(task.train):,} sentences to train on; {options.strategy}.")
    started = time.perf_counter()
    read: Callable[[Sequence[str]], list[str]] = list
    if options.strategy in _STAGED:
        model: Any = _staged(options.strategy).train(task, seed=run.seed, tell=run.say)
    elif options.strategy == "middle":
        task, read = _with_drafts(task, run)
        model = _network(task, options, run)
    else:
        model = _network(task, options, run)
    seconds = time.perf_counter() - started
    metrics, details, rows = {}, {}, []
    training = task.table.frame["fr"].gather(task.train.numpy()).to_list()
    for part, name in _TESTS.items():
        sources, wanted = parts[part]["en"], parts[part]["fr"]
        began = time.perf_counter()
        found = [each["fr"] for each in model.predict(read(sources))]
        took = time.perf_counter() - began
        score = bleu(found, wanted, lowercase=True)
        low, high = _interval(found, wanted, run.seed)
        metrics |= {
            f"bleu_{name}": score.score,
            f"bleu_{name}_low": low,
            f"bleu_{name}_high": high,
            f"cased_bleu_{name}": bleu(found, wanted).score,
            f"chrf_{name}": chrf(found, wanted),
            f"exact_{name}": sum(a == b for a, b in zip(found, wanted, strict=True)) / len(wanted),
            f"copied_{name}": copied_fraction(found, training),
            f"sentences_per_second_{name}": len(sources) / took,
        }
        details |= {"signature": score.signature, f"words_{name}": output_vocabulary(found)}
        run.say(f"{name}: lower-cased BLEU {score.score:.2f}, {low:.2f} to {high:.2f} ({score.signature})")
        rows += [
            {"part": name, "English": a, "translation": b, "reference": c}
            for a, b, c in zip(sources, found, wanted, strict=True)
        ]
    _write(run.folder / TRANSLATIONS, rows)
    samples = [row for name in _TESTS.values() for row in [each for each in rows if each["part"] == name][:_SAMPLES]]
    metrics = {"error": 1 - metrics["chrf_test2016"] / 100, **metrics}
    with TemporaryDirectory() as folder:
        path = model.save(Path(folder) / "model.safetensors")
        run.finish(
            path, metrics, train_seconds=seconds, options=asdict(options), details=details,
            report=_report(metrics, details, samples, options),
        )  # fmt: skip


def _interval(texts: Sequence[str], references: Sequence[str], seed: int) -> tuple[float, float]:
    """Bounds of the 95 % interval of the lower-cased BLEU over sentences."""
    counts = BleuCounts.of(texts, references, lowercase=True)
    draws = np.random.default_rng([seed, 9]).integers(0, len(texts), (_RESAMPLES, len(texts)))
    low, high = np.quantile([counts.cumulative(draw)[3] for draw in draws], [0.025, 0.975])
    return float(low), float(high)


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    """All test sentences and their translations, for other measures and for a reader."""
    import polars as pl

    write_whole(path, lambda part: pl.DataFrame(rows).write_csv(part, separator="\t"))


def _parts(options: TranslateOptions, seed: int) -> dict[str, ls.Table]:
    """The parts of Multi30k as tables of their own, and Tatoeba with the training rows."""
    table = ls.datasets.load("multi30k").select("en", "fr", "part")
    places: dict[str, list[int]] = {}
    for row, part in enumerate(table["part"]):
        places.setdefault(part, []).append(row)
    parts = {part: table.take(rows[: options.limit]) for part, rows in places.items()}
    if options.train_rows is not None and options.train_rows < len(parts["train"]):
        parts["train"] = parts["train"].sample(options.train_rows, seed=seed)
    return parts


def _task(parts: dict[str, ls.Table], options: TranslateOptions, seed: int) -> ls.Task:
    """Training and validation rows as a task; the test rows are kept apart."""
    import polars as pl

    frames = [*[parts["train"].frame] * options.repeats, parts["valid"].frame]
    if options.tatoeba:
        more = ls.datasets.load("tatoeba-en-fr").frame.filter(pl.col("part") == "train")
        frames.append(more.select("en", "fr", "part")[: options.limit])
    tokens = _tokens(options)
    columns = {"en": ls.Text(tokenizer=tokens), "fr": ls.Text(tokenizer=tokens), "part": ls.Category()}
    table = ls.Table(pl.concat(frames), columns)
    # Captions that are in several parts as published stay there.
    return ls.Task(table.split(column="part", seed=seed), "en", "fr", allow_leaks=True)


def _tokens(options: TranslateOptions) -> ls.Tokenizer:
    if options.strategy in _STAGED:
        return ls.WordTokens()
    return ls.SubwordTokens(max_size=options.vocab)


def _staged(strategy: str) -> ls.PhraseTranslation:
    if strategy == "word-by-word":
        return ls.PhraseTranslation(alignment="ibm1", longest=1, order=1, reordering=0, trials=0)
    return ls.PhraseTranslation()


def _with_drafts(task: ls.Task, run: SystemRun) -> tuple[ls.Task, Callable[[Sequence[str]], list[str]]]:
    """The task with a translation word by word behind each sentence, and what puts it there.

    The dictionary is learned from the training rows and kept beside the model: `dictionary.safetensors`.
    """
    dictionary = _staged("word-by-word").train(task, seed=run.seed, tell=run.say)
    dictionary.save(run.folder / "dictionary.safetensors")

    def read(texts: Sequence[str]) -> list[str]:
        return [f"{text} | {draft}" for text, draft in zip(texts, dictionary.translate(texts), strict=True)]

    column = task.table.columns["en"]
    table = task.table.with_column("en", column, read([text or "" for text in task.table["en"]]))
    return ls.Task(table.split(column="part", seed=run.seed), "en", "fr", allow_leaks=True), read


def _network(task: ls.Task, options: TranslateOptions, run: SystemRun) -> ls.Predictor:
    """A trained network, with the beam search in place of the greedy one that measures epochs."""
    width, inner = options.width, 2 * options.width
    if options.strategy != "gru":
        model: Any = ls.TextTransformerConfig(
            width=width, layers=options.layers, heads=4, inner=inner, dropout=options.dropout, pool="none"
        )
    else:
        model = ls.TextRNNConfig(
            cell="gru", width=width, hidden=width // 2, word_dropout=0.0, input_dropout=options.dropout,
            output_dropout=options.dropout, pool="none",
        )  # fmt: skip
    head = ls.Generate(
        decoder="gru" if options.strategy == "gru" else "transformer",
        width=width,
        depth=options.layers,
        heads=4,
        inner=inner,
        dropout=options.dropout,
        max_length=80,
    )
    learner = ls.Learner(
        task,
        model,
        heads={"fr": head},
        config=ls.TrainConfig(batch_size=options.batch_size, clip_norm=1.0, beta2=0.98, weight_decay=1e-4),
        seed=run.seed,
        progress=not run.quiet,
    )
    folder = run.folder / "checkpoints"
    run.when_stopped = f"The training goes on with --resume; its checkpoints are in {folder}."
    if options.resume:
        learner.resume(folder)
    else:
        learner.fit(options.epochs, lr=options.lr, schedule="one_cycle", warmup=0.15, checkpoints=folder)
    return learner.predictor().with_options("fr", beam=options.beam)


def _report(
    metrics: dict[str, float], details: dict[str, Any], samples: list[dict[str, str]], options: TranslateOptions
) -> Callable[[], Document]:
    def make() -> Document:
        page = Document("translate", subtitle=f"English to French, {options.strategy}")
        page.headline("BLEU, 2016", f"{metrics['bleu_test2016']:.1f}", "small letters")
        page.headline("BLEU, 2017", f"{metrics['bleu_test2017']:.1f}", details["signature"])
        page.section("Translations of test sentences")
        page.table(samples)
        page.section("Settings")
        return page.settings(asdict(options)).environment()

    return make


TRANSLATE = System(
    name="translate",
    summary="Translates English captions to French: word by word, in stages by phrases, or end to end.",
    needs="the data set multi30k, the extra text, and minutes (in stages) to an hour (end to end)",
    extras=("text",),
    options=TranslateOptions,
    run=_run,
)
