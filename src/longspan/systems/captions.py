"""Captions of photographs: a network that writes, detected words under a language model, and what copying gives."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar, final

import numpy as np

import longspan as ls
from longspan.lazy_torch import torch
from longspan.metrics.cider import caption_words, cider_d
from longspan.metrics.translation import BleuCounts, bleu, copied_fraction, output_vocabulary
from longspan.report import CaptionedImage, Document
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.text import WordWriter, train_ngrams, write_arpa

__all__ = ["CAPTIONS", "CaptionsOptions"]

_GRAMMAR_WORDS = 20  # the most frequent words say how a sentence is built, not what an image shows
_HEADINGS = {"bleu1": "BLEU-1", "bleu2": "BLEU-2", "bleu3": "BLEU-3", "bleu4": "BLEU-4", "cider": "CIDEr-D"}
_SAMPLES = 25
_RESAMPLES = 1000
_SEARCHES = ((1, 0.0), (2, 1.0), (3, 0.6), (3, 1.0), (5, 1.0), (5, 1.5))
_STRENGTHS = ((2.0, 0.3), (4.0, 0.5), (6.0, 0.5), (6.0, 1.0), (9.0, 0.8), (12.0, 1.0))


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionsOptions:
    """Options of captions."""

    data: Literal["flickr8k-small", "flickr8k"] = "flickr8k-small"
    """Photographs with five captions each. flickr8k-small has no public address; flickr8k stands in for it."""
    strategy: Literal["nic", "attention", "staged"] = "attention"
    """nic: an LSTM that sees the vector of the image once. attention: a GRU that looks at places of the image. staged:
    words are detected, and a language model writes sentences with them."""
    backbone: str = "mobilenet_v2"
    """Network that reads the image."""
    weights: str = "imagenet"
    """Initial weights of the backbone: imagenet, none, or a file."""
    size_px: int = 224
    """Height and width of the images."""
    width: int = 256
    """Width of word embeddings and decoder."""
    epochs: int | None = None
    """Epochs for the new layers alone; the backbone stays as it is. By default 8 for attention, else 16."""
    lr: float = 2e-3
    """Peak learning rate."""
    beam: int | None = None
    """Beam width of networks: captions that the search keeps at each step. By default validation chooses it, with the
    length penalty."""
    words: int = 200
    """Number of words to detect: the most frequent ones apart from function words."""
    limit: int | None = None
    """Use only this many images of each part, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.backbone, self.weights)
        check_at_least(
            epochs=(self.epochs, 1), beam=(self.beam, 1), words=(self.words, 1), size_px=(self.size_px, 1),
            width=(self.width, 2), limit=(self.limit, 4),
        )  # fmt: skip
        check_above_zero(lr=self.lr)

    @property
    def passes(self) -> int:
        """`epochs`, or what suits the strategy: attention is the first to learn captions by heart."""
        return self.epochs or (8 if self.strategy == "attention" else 16)


@final
@dataclass(frozen=True, slots=True)
class _Part:
    """Images of a part, and what people wrote about each."""

    images: ls.Table
    captions: list[list[str]]


@final
@dataclass(frozen=True, slots=True)
class _Trained:
    """What writes captions."""

    model: ls.Predictor
    write: Callable[[ls.Table], list[str]]
    chosen: dict[str, float]
    """Settings of the search that validation chose."""


def _run(options: CaptionsOptions, run: SystemRun) -> None:
    data = options.data
    if data == "flickr8k-small" and ls.datasets.at_hand(data) is None:
        data = "flickr8k"
        run.say("flickr8k-small is not here and has no public address; flickr8k, the whole set, is used instead.")
    table = ls.datasets.load(data)
    parts = _parts(table, options.limit)
    training = [caption for several in parts["train"].captions for caption in several]
    run.say(f"{len(parts['train'].images):,} images to train on, {len(training):,} captions; {options.strategy}.")
    started = time.perf_counter()
    learner, trained = (_staged if options.strategy == "staged" else _network)(table, parts, options, run)
    seconds = time.perf_counter() - started
    test = parts["test"]
    captions = trained.write(test.images)
    lines = {
        options.strategy: captions,
        "nearest": _nearest(learner, parts),
        "frequent": [_most_frequent(training)] * len(captions),
    }
    metrics: dict[str, float] = {}
    for name, said in lines.items():
        metrics |= {f"{metric}, {name}": value for metric, value in _measured(said, test.captions, run.seed).items()}
        run.say(f"{name}: CIDEr-D {metrics[f'cider, {name}']:.3f}, BLEU-4 {metrics[f'bleu4, {name}']:.1f}")
    metrics["copied"] = copied_fraction(captions, training)
    metrics["words"] = float(output_vocabulary(captions))
    metrics = {"error": 1 - metrics[f"cider, {options.strategy}"] / 10, **metrics}
    images = _pixels(learner, test.images.take(range(min(_SAMPLES, len(captions)))))
    shown = [
        CaptionedImage(image, said, note=f"a person: {several[0]}")
        for image, said, several in zip(images, captions, test.captions, strict=False)
    ]
    signature = bleu(captions[:2], [each[0] for each in test.captions[:2]]).signature
    with TemporaryDirectory() as folder:
        path = trained.model.save(Path(folder) / "model.safetensors")
        run.finish(
            path, metrics, train_seconds=seconds, options=asdict(options), report=_report(metrics, shown, options),
            details={"signature": signature, "chosen on validation": trained.chosen},
        )  # fmt: skip


def _parts(table: ls.Table, limit: int | None) -> dict[str, _Part]:
    rows: dict[str, dict[str, list[int]]] = {}
    for row, (part, image) in enumerate(zip(table["part"], table["image"], strict=True)):
        rows.setdefault(part, {}).setdefault(image, []).append(row)
    captions = table["caption"]
    found = {}
    for part, images in rows.items():
        kept = list(images.values())[:limit]
        found[part] = _Part(
            table.take([each[0] for each in kept]).select("image", "part"),
            [[captions[row] for row in each] for each in kept],
        )
    return found


def _network(
    table: ls.Table, parts: Mapping[str, _Part], options: CaptionsOptions, run: SystemRun
) -> tuple[ls.Learner, _Trained]:
    """A decoder on the frozen features of the images; a row is a caption, so each image comes five times."""
    images = {image for part in ("train", "valid") for image in parts[part].images["image"]}
    rows = [row for row, image in enumerate(table["image"]) if image in images]
    column = ls.Text(tokenizer=ls.WordTokens(min_count=2))
    task = ls.Task(
        table.take(rows).with_column("caption", column).split(column="part", seed=run.seed), "image", "caption",
        size_px=options.size_px, allow_leaks=True,
    )  # fmt: skip
    attends = options.strategy == "attention"
    head = ls.Generate(
        decoder="gru" if attends else "lstm", visual_attention=attends, width=options.width, dropout=0.3, max_length=20
    )
    learner = _learner(task, {"caption": head}, options, run)
    learner.run([ls.Phase(epochs=options.passes, lr=options.lr, frozen=1.0)])
    trained, valid = learner.predictor(), parts["valid"]

    def written(some: ls.Table, search: tuple[int, float]) -> list[str]:
        beam, penalty = search
        predictor = trained.with_options("caption", beam=beam, length_penalty=penalty)
        return [each["caption"] for each in predictor.predict(some.select("image"))]

    searches = [each for each in _SEARCHES if options.beam is None] or [(options.beam or 1, 1.0)]
    chosen = _best_on_valid(searches, lambda search: written(valid.images, search), valid.captions)
    run.say(f"a beam of {chosen[0]}, length penalty {chosen[1]:g}")
    model = trained.with_options("caption", beam=chosen[0], length_penalty=chosen[1])
    settings = {"beam": chosen[0], "length_penalty": chosen[1]}
    return learner, _Trained(model, lambda some: written(some, chosen), settings)


_Tried = TypeVar("_Tried")


def _best_on_valid(
    choices: Sequence[_Tried], write: Callable[[_Tried], Sequence[str]], captions: Sequence[Sequence[str]]
) -> _Tried:
    """The choice with which captions of the validation images have the highest CIDEr-D."""
    if len(choices) == 1:
        return choices[0]
    scores = [float(np.mean(cider_d(write(choice), captions))) for choice in choices]
    return choices[int(np.argmax(scores))]


def _staged(
    table: ls.Table, parts: Mapping[str, _Part], options: CaptionsOptions, run: SystemRun
) -> tuple[ls.Learner, _Trained]:
    """Words that the image shows are detected; a 3-gram model of the training captions writes with them."""
    import polars as pl

    train, valid = parts["train"], parts["valid"]
    counts = Counter(word for several in train.captions for caption in several for word in caption_words(caption))
    grammar = min(_GRAMMAR_WORDS, len(counts) // 3)
    vocab = tuple(sorted(word for word, _ in counts.most_common(grammar + options.words)[grammar:]))
    cells = [
        sorted({word for caption in several for word in caption_words(caption)} & set(vocab))
        for part in (train, valid)
        for several in part.captions
    ]
    frame = pl.concat([train.images.frame, valid.images.frame])
    both = ls.Table(frame, {"image": ls.Image(), "part": ls.Category()}, root=table.root)
    both = both.with_column("words", ls.MultiLabel(vocab=vocab), cells)
    task = ls.Task(
        both.split(column="part", seed=run.seed), "image", "words", size_px=options.size_px, allow_leaks=True
    )
    learner = _learner(task, {}, options, run)
    learner.run([ls.Phase(epochs=options.passes, lr=options.lr, frozen=1.0)])
    model = train_ngrams(" ".join(caption_words(caption)) for several in train.captions for caption in several)
    predictor = learner.predictor()

    def detected(some: ls.Table) -> np.ndarray:
        samples = ls.encode_rows(some.select("image"), np.arange(len(some)), learner.inputs, {})
        return predictor.predict_rows(samples, torch.arange(len(some)))["words"].numpy()

    def sentences(found: np.ndarray, strength: float, bonus: float) -> list[str]:
        writer = WordWriter(language_model=model, strength=strength, bonus=bonus)
        best = [{vocab[place]: float(row[place]) for place in np.argsort(-row)[:12]} for row in found]
        return [writer.write(words) for words in best]

    on_valid = detected(valid.images)
    chosen = _best_on_valid(_STRENGTHS, lambda tried: sentences(on_valid, *tried), valid.captions)
    run.say(f"a detected word adds {chosen[0]:g} nats, any word {chosen[1]:g}")
    write_arpa(run.folder / "captions.arpa", model)
    settings = {"detected word, nats": chosen[0], "any word, nats": chosen[1]}
    return learner, _Trained(predictor, lambda some: sentences(detected(some), *chosen), settings)


def _learner(task: ls.Task, heads: Mapping[str, Any], options: CaptionsOptions, run: SystemRun) -> ls.Learner:
    return ls.Learner(
        task,
        options.backbone,
        weights=None if options.weights == "none" else options.weights,
        heads=heads,
        config=ls.TrainConfig(batch_size=64, clip_norm=5.0),
        seed=run.seed,
        progress=not run.quiet,
    )


def _nearest(learner: ls.Learner, parts: Mapping[str, _Part]) -> list[str]:
    """The first caption of the training image whose features are most alike."""
    known, new = (_features(learner, parts[part].images) for part in ("train", "test"))
    return [parts["train"].captions[place][0] for place in (new @ known.T).argmax(dim=1).tolist()]


def _features(learner: ls.Learner, images: ls.Table) -> torch.Tensor:
    """`(N, F)` unit vectors: the features of each image, less their mean."""
    from longspan.inference.source import prepare_inputs

    samples = ls.encode_rows(images.select("image"), np.arange(len(images)), learner.inputs, {})
    backbone = learner.network.backbone.eval()
    with torch.no_grad():
        found = [
            backbone(*prepare_inputs(batch.to(learner.device), learner.inputs)).float().cpu()
            for batch in samples.batches(torch.arange(len(images)), 64)
        ]
    return torch.nn.functional.normalize(torch.cat(found), dim=1)


def _most_frequent(captions: Sequence[str]) -> str:
    """The caption that was written most often, but for capitals and punctuation."""
    return Counter(" ".join(caption_words(caption)) for caption in captions).most_common(1)[0][0]


def _measured(captions: Sequence[str], references: Sequence[Sequence[str]], seed: int) -> dict[str, float]:
    """BLEU-1 to BLEU-4 and CIDEr-D with bounds of their 95 % intervals over images, all words in small letters."""
    said = [" ".join(caption_words(caption)) for caption in captions]
    known = [[" ".join(caption_words(each)) for each in several] for several in references]
    ciders, counts = np.array(cider_d(said, known)), BleuCounts.of(said, known)

    def scores(rows: np.ndarray) -> np.ndarray:
        return np.array([*counts.cumulative(rows), ciders[rows].mean()])

    draws = np.random.default_rng([seed, 8]).integers(0, len(said), (_RESAMPLES, len(said)))
    values, again = scores(np.arange(len(said))), np.array([scores(draw) for draw in draws])
    low, high = np.quantile(again, [0.025, 0.975], axis=0)
    found: dict[str, float] = {}
    for name, value, a, b in zip(_HEADINGS, values, low, high, strict=True):
        found |= {name: float(value), f"{name} low": float(a), f"{name} high": float(b)}
    return found


def _pixels(learner: ls.Learner, images: ls.Table) -> list[np.ndarray]:
    """The images as the network sees them."""
    column = learner.inputs["image"]
    rows = torch.arange(len(images))
    samples = ls.encode_rows(images.select("image"), rows.numpy(), learner.inputs, {})
    return [column.decode(each) for batch in samples.batches(rows, len(rows)) for each in batch.inputs["image"]]


def _report(
    metrics: Mapping[str, float], shown: list[CaptionedImage], options: CaptionsOptions
) -> Callable[[], Document]:
    def make() -> Document:
        page = Document("captions", subtitle=f"{options.data}, {options.strategy}")
        page.headline("CIDEr-D", f"{metrics[f'cider, {options.strategy}']:.3f}", "10 is the most")
        page.headline("copied", f"{metrics['copied']:.0%}", "captions that are training captions")
        page.section("Test images")
        page.table(
            [
                {"": words, **{heading: _with_interval(metrics, each, name) for each, heading in _HEADINGS.items()}}
                for name, words in (
                    (options.strategy, options.strategy), ("nearest", "caption of the most similar training image"),
                    ("frequent", "most frequent caption"),
                )
            ],
            caption="With 95 % intervals over images.",
        )  # fmt: skip
        page.section("Captions of test images")
        page.images(shown)
        page.section("Settings")
        return page.settings(asdict(options)).environment()

    return make


def _with_interval(metrics: Mapping[str, float], metric: str, name: str) -> str:
    value, low, high = (metrics[f"{metric}{end}, {name}"] for end in ("", " low", " high"))
    return f"{value:.3g} ({low:.3g} to {high:.3g})"


CAPTIONS = System(
    name="captions",
    summary="Writes captions of photographs: by a network, or by detected words and a language model.",
    needs=(
        "the data set flickr8k-small or flickr8k, the extra text, weights of the backbone, and a quarter of an hour"
    ),
    extras=("text",),
    options=CaptionsOptions,
    run=_run,
)
