"""Ten spoken commands, other words and silence: from a speech embedding, from photos, or from scratch."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System

__all__ = ["KEYWORDS", "KeywordsOptions"]

_NO_KEYWORDS = ("_unknown_", "_silence_")
_PADDED_S = 1.2  # clips of 1 s with 0.1 s of silence on both sides fill six windows of the embedding
_IMAGE_MELS = 96
_MISSES = 0.05
_STEP_S = 0.2
_SILENCE_S = 0.5  # around a clip
_MOST_RECORDINGS = 2000  # of read speech to learn from
_SECONDS_OF_EACH = 2


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class KeywordsOptions:
    """Options of keywords."""

    data: Literal["english", "arabic"] = "english"
    """english: ten commands of Speech Commands, other words, silence. arabic: ten Arabic words."""
    model: str = "speech_embedding"
    """speech_embedding, or any network that reads images, such as bc_resnet1 or mobilenet_v2."""
    weights: str | None = None
    """Initial weights: speech (for speech_embedding), imagenet, none, or a file. Not given: speech for
    speech_embedding, none for others."""
    head_epochs: int = 30
    """Epochs for the new layers alone, on features of the frozen network; none where it has no weights."""
    epochs: int = 8
    """Further epochs in which the whole network learns, with augmented recordings; from scratch the only ones."""
    lr: float = 2e-3
    """Peak learning rate."""
    augment: bool = True
    """Augment the recordings while the whole network learns: noise, speed, echo, masked bands and times."""
    batch_size: int = 64
    """Clips per step."""
    train_rows: int | None = None
    """Train on only N clips, for a learning curve."""
    background: bool = False
    """Learn from read speech too that it holds no command, and count false acceptances in read speech of other
    speakers, for each command as a wake word."""
    limit: int | None = None
    """Use only this many clips in all, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.head_epochs < 0 or self.epochs < 0 or self.head_epochs + self.epochs < 1:
            raise ConfigError("--head-epochs and --epochs must be at least 0, and one of them at least 1.")
        check_network(self.model, self.weights)
        if self.weights == "speech" and self.model != "speech_embedding":
            raise ConfigError(f"--weights speech are those of --model speech_embedding, not of {self.model}.")
        check_at_least(batch_size=(self.batch_size, 1), train_rows=(self.train_rows, 24), limit=(self.limit, 24))
        check_above_zero(lr=self.lr)
        if self.background and self.data != "english":
            raise ConfigError("--background listens for the English commands: leave out --data arabic.")

    @property
    def initial_weights(self) -> str | None:
        """What the network starts from, as `Learner` takes it; None: random weights."""
        weights = self.weights or ("speech" if self.model == "speech_embedding" else "none")
        return None if weights == "none" else weights


def _run(options: KeywordsOptions, run: SystemRun) -> None:
    table = ls.datasets.load("speech-commands-test") if options.data == "english" else _arabic()
    if options.background:
        table = table.select("audio", "word", "part").concat(_no_commands(_commands_of(table), run.seed))
    if options.limit is not None:
        table = table.sample(min(options.limit, len(table)), seed=run.seed)
    if options.train_rows is not None:
        table = _fewer(table, options.train_rows, run.seed)
    split = table.with_column("audio", _sound(options)).split(column="part", seed=run.seed)
    # Clips of silence that hold nothing at all are equal, and some clips are in the published set twice.
    task = ls.Task(split, inputs="audio", targets="word", allow_leaks=True)
    augment = ls.AudioAugment.speech() if options.augment else ls.AudioAugment()
    weights, started = options.initial_weights, time.perf_counter()
    learner = ls.Learner(
        task,
        options.model,
        weights=weights,
        heads={"word": ls.Classify(hidden=(128,) if weights else (), dropout=0.3, label_smoothing=0.05)},
        config=ls.TrainConfig(
            batch_size=options.batch_size,
            weight_decay=0.05,
            augment=ls.AudioAugment() if weights else augment,
        ),
        seed=run.seed,
        progress=not run.quiet,
    )
    run.say(f"{len(table):,} clips: {len(task.train):,} for training, {len(task.valid):,} for validation.")
    if options.head_epochs and weights:
        # Recordings as they are: the frozen network then gives its features once, not in every epoch.
        learner.run([ls.Phase(epochs=options.head_epochs, lr=options.lr, frozen=1.0)])
    if options.epochs:
        learner.config = replace(learner.config, augment=augment)
        lr = options.lr / 2 if weights else options.lr * 2
        learner.run([ls.Phase(epochs=options.epochs, lr=lr, frozen=0.0)])
    seconds = time.perf_counter() - started
    valid = learner.evaluate()["accuracy"]
    test = learner.evaluate("test", reason="keywords: accuracy on unseen speakers")["accuracy"]
    metrics = {"error": 1 - test, "valid_accuracy": valid, "test_accuracy": test}
    details: dict[str, Any] = {}
    if options.background:
        details = _background(learner, split.table, run)
        words = details["background"]["words"]
        for word, found in words.items():
            metrics[f"false accepts per hour, {word}"] = found["false_accepts_per_hour"]
        for what in ("false_accepts_per_hour", "misses"):
            values = [found[what] for found in words.values() if found[what] is not None]
            if values:
                metrics[f"{what.replace('_', ' ')}, mean of the commands"] = float(np.mean(values))
    run.finish(learner, metrics, train_seconds=seconds, options=asdict(options), details=details)


def _sound(options: KeywordsOptions) -> ls.Audio:
    """What the network reads of a clip: its bands, or an image as large as networks of photos expect."""
    if options.model == "speech_embedding":
        return ls.Audio.for_speech_embedding(seconds=_PADDED_S, refuse=())
    if options.initial_weights is None:
        return ls.Audio(rate_hz=16_000, seconds=1.0, features=ls.AudioFeatures(mels=40), refuse=())
    features = ls.AudioFeatures(mels=_IMAGE_MELS)
    return ls.Audio(rate_hz=16_000, seconds=1.0, features=features, normalise="training", refuse=())


def _arabic() -> ls.Table:
    """The small set where only that is at hand."""
    return ls.datasets.load("arabic-commands", accept_small=True)


def _fewer(table: ls.Table, rows: int, seed: int) -> ls.Table:
    """All rows of the other parts, and some of the part that trains."""
    part = np.array(table["part"])
    train = table.take(np.flatnonzero(part == "train"))
    return train.sample(min(rows, len(train)), seed=seed).concat(table.take(np.flatnonzero(part != "train")))


def _commands_of(table: ls.Table) -> set[str]:
    """The words that are commands."""
    return {*table["word"]} - {*_NO_KEYWORDS}


def _no_commands(commands: set[str], seed: int) -> ls.Table:
    """Seconds of read speech by LibriSpeech's training speakers, of recordings whose transcripts have no command."""
    speech = ls.datasets.load("librispeech-100", accept_small=True)
    speech = speech.take(np.flatnonzero(np.asarray(speech["part"]) == "train"))
    rng, cells = np.random.default_rng(seed), []
    for path, text in list(zip(speech["audio"], speech["text"], strict=True))[:_MOST_RECORDINGS]:
        last = ls.audio.read_header(path).seconds - 1.0
        if last > 0 and commands.isdisjoint(text.lower().split()):
            starts = rng.uniform(0, last, _SECONDS_OF_EACH).tolist()
            cells += [ls.audio.segment(path, start, start + 1.0) for start in starts]
    rows = {"audio": cells, "word": ["_unknown_"] * len(cells), "part": ["train"] * len(cells)}
    return ls.Table.from_arrays(rows, {"audio": ls.Audio(), "word": ls.Category(), "part": ls.Category()})


def _background(learner: ls.Learner, table: ls.Table, run: SystemRun) -> dict[str, Any]:
    """Each command as a wake word: misses of the test speakers, and false acceptances in read speech.

    A clip lies in silence and is heard as a stream is (`Listener`): its score is the highest of its smoothed windows.
    The threshold of a command is the score that misses 5 % of its validation clips.
    """
    predictor = learner.predictor()
    scores = {part: _scores(predictor, table, part) for part in ("valid", "test")}
    thresholds = {word: float(np.quantile(found, _MISSES)) for word, found in scores["valid"].items()}
    hours, accepted = _false_accepts(predictor, thresholds)
    words = {
        word: {
            "threshold": round(threshold, 6),
            "misses": float(np.mean(scores["test"][word] <= threshold)) if word in scores["test"] else None,
            "false_accepts": accepted[word],
            "hours": round(hours[word], 4),
            "false_accepts_per_hour": accepted[word] / hours[word],
        }
        for word, threshold in thresholds.items()
    }
    for word, found in sorted(words.items(), key=lambda item: item[1]["false_accepts"]):
        missed = "" if found["misses"] is None else f", {found['misses']:.1%} missed"
        run.say(f"{word}: {found['false_accepts']} false acceptances in {hours[word]:.2f} hours of speech{missed}.")
    return {"background": {"words": words}}


def _scores(predictor: ls.Predictor, table: ls.Table, part: str) -> dict[str, np.ndarray]:
    """By command, the highest smoothed probability that its clips of a part get, each in silence."""
    scores: dict[str, list[float]] = {}
    for row in table:
        if row["part"] != part or row["word"] in _NO_KEYWORDS:
            continue
        rate_hz = _listened_to(predictor)[0]
        silence = np.zeros(round(_SILENCE_S * rate_hz), np.int16)
        clip = ls.audio.read_samples(row["audio"], rate_hz)
        heard, _ = _heard(predictor, np.concatenate([silence, clip, silence]))
        scores.setdefault(row["word"], []).append(max(each[row["word"]] for each in heard))
    return {word: np.array(values) for word, values in sorted(scores.items())}


def _listened_to(predictor: ls.Predictor) -> tuple[int, int, int]:
    """Samples a second, of a window, and from one window to the next."""
    (column,) = predictor.inputs.values()
    assert isinstance(column, ls.Audio)
    assert column.rate_hz is not None
    assert column.seconds is not None
    return column.rate_hz, round(column.seconds * column.rate_hz), round(_STEP_S * column.rate_hz)


def _heard(predictor: ls.Predictor, samples: np.ndarray) -> tuple[list[dict[str, float]], list[float]]:
    """Smoothed probabilities of the windows of a recording, and where in it they begin, in seconds."""
    from longspan.inference.listening import SMOOTH, smoothed

    rate_hz, window, step = _listened_to(predictor)
    starts = range(0, max(1, len(samples) - window + 1), step)
    found = predictor.predict([samples[start : start + window] for start in starts])
    heard = smoothed([each.probabilities or {} for each in found], SMOOTH)
    return heard, [start / rate_hz for start in starts]


def _false_accepts(predictor: ls.Predictor, thresholds: dict[str, float]) -> tuple[dict[str, float], dict[str, int]]:
    """By word the hours of read speech by LibriSpeech's other speakers, and the calls in them.

    Recordings in which the word is spoken, by their transcripts, count for the other words alone.
    """
    from longspan.inference.listening import calls_of

    rate_hz, _, _ = _listened_to(predictor)
    hours, accepted = dict.fromkeys(thresholds, 0.0), dict.fromkeys(thresholds, 0)
    for row in ls.datasets.load("librispeech-100", accept_small=True):
        if row["part"] == "train":
            continue
        samples = ls.audio.read_samples(row["audio"], rate_hz)
        spoken = {*row["text"].lower().split()}
        heard, times = _heard(predictor, samples)
        for word in thresholds.keys() - spoken:
            hours[word] += len(samples) / rate_hz / 3600
            accepted[word] += len(calls_of(heard, [word], thresholds[word], times_s=times))
    return hours, accepted


KEYWORDS = System(
    name="keywords",
    summary="Recognises spoken commands by voices it has not heard: transfer learning from a speech embedding.",
    needs=(
        "the data set speech-commands-test (113 MB) or arabic-commands, the weights of speech_embedding, and a few "
        "minutes"
    ),
    extras=("audio",),
    options=KeywordsOptions,
    run=_run,
)
