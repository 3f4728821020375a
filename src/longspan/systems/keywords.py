"""Ten spoken commands, other words and silence: by a pretrained speech embedding, or from scratch."""

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
_MISSES = 0.05
_STEP_S = 0.2


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class KeywordsOptions:
    """Options of keywords."""

    data: Literal["english", "arabic"] = "english"
    """english: ten commands of Speech Commands, other words, silence. arabic: ten Arabic words."""
    model: str = "speech_embedding"
    """speech_embedding, with Google's weights; or any network that reads images, such as bc_resnet1, from scratch."""
    head_epochs: int = 30
    """Epochs for the new layers alone, on features of the frozen embedding."""
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
    """Also count false acceptances in an hour of read speech: LibriSpeech's test speakers."""
    limit: int | None = None
    """Use only this many clips in all, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.head_epochs < 0 or self.epochs < 0 or self.head_epochs + self.epochs < 1:
            raise ConfigError("--head-epochs and --epochs must be at least 0, and one of them at least 1.")
        check_network(self.model)
        check_at_least(batch_size=(self.batch_size, 1), train_rows=(self.train_rows, 24), limit=(self.limit, 24))
        check_above_zero(lr=self.lr)
        if self.background and self.data != "english":
            raise ConfigError("--background listens for the English commands: leave out --data arabic.")

    @property
    def pretrained(self) -> bool:
        """Whether it starts from the speech embedding."""
        return self.model == "speech_embedding"


def _run(options: KeywordsOptions, run: SystemRun) -> None:
    table = ls.datasets.load("speech-commands-test") if options.data == "english" else _arabic()
    if options.limit is not None:
        table = table.sample(min(options.limit, len(table)), seed=run.seed)
    if options.train_rows is not None:
        table = _fewer(table, options.train_rows, run.seed)
    if options.pretrained:
        column = ls.Audio.for_speech_embedding(seconds=_PADDED_S, refuse=())
    else:
        column = ls.Audio(rate_hz=16_000, seconds=1.0, features=ls.AudioFeatures(mels=40), refuse=())
    split = table.with_column("audio", column).split(column="part", seed=run.seed)
    # Clips of silence that hold nothing at all are equal, and some clips are in the published set twice.
    task = ls.Task(split, inputs="audio", targets="word", allow_leaks=True)
    augment = ls.AudioAugment.speech() if options.augment else ls.AudioAugment()
    started = time.perf_counter()
    learner = ls.Learner(
        task,
        options.model,
        weights="speech" if options.pretrained else None,
        heads={"word": ls.Classify(hidden=(128,) if options.pretrained else (), dropout=0.3, label_smoothing=0.05)},
        config=ls.TrainConfig(
            batch_size=options.batch_size,
            weight_decay=0.05,
            augment=ls.AudioAugment() if options.pretrained else augment,
        ),
        seed=run.seed,
        progress=not run.quiet,
    )
    run.say(f"{len(table):,} clips: {len(task.train):,} for training, {len(task.valid):,} for validation.")
    if options.head_epochs and options.pretrained:
        # Recordings as they are: the frozen embedding then gives its features once, not in every epoch.
        learner.run([ls.Phase(epochs=options.head_epochs, lr=options.lr, frozen=1.0)])
    if options.epochs:
        learner.config = replace(learner.config, augment=augment)
        lr = options.lr / 2 if options.pretrained else options.lr * 2
        learner.run([ls.Phase(epochs=options.epochs, lr=lr, frozen=0.0)])
    seconds = time.perf_counter() - started
    valid = learner.evaluate()["accuracy"]
    test = learner.evaluate("test", reason="keywords: accuracy on unseen speakers")["accuracy"]
    metrics = {"error": 1 - test, "valid_accuracy": valid, "test_accuracy": test}
    details: dict[str, Any] = {}
    if options.background:
        details = _background(learner, split.table, run)
        metrics["false_accepts_per_hour"] = details["background"]["false_accepts_per_hour"]
    run.finish(learner, metrics, train_seconds=seconds, options=asdict(options), details=details)


def _arabic() -> ls.Table:
    """The small set where only that is at hand."""
    return ls.datasets.load("arabic-commands", accept_small=True)


def _fewer(table: ls.Table, rows: int, seed: int) -> ls.Table:
    """All rows of the other parts, and some of the part that trains."""
    part = np.array(table["part"])
    train = table.take(np.flatnonzero(part == "train"))
    return train.sample(min(rows, len(train)), seed=seed).concat(table.take(np.flatnonzero(part != "train")))


def _background(learner: ls.Learner, table: ls.Table, run: SystemRun) -> dict[str, Any]:
    """False acceptances in an hour of speech, at the threshold that misses 5 % of the validation commands."""
    from longspan.inference.listening import calls_of

    predictor = learner.predictor()
    column = learner.inputs["audio"]
    assert isinstance(column, ls.Audio)
    assert column.rate_hz is not None
    assert column.seconds is not None
    valid = [row for row in table if row["part"] == "valid" and row["word"] not in _NO_KEYWORDS]
    found = predictor.predict([row["audio"] for row in valid])
    scores = [(each.probabilities or {})[row["word"]] for each, row in zip(found, valid, strict=True)]
    threshold = float(np.quantile(scores, _MISSES))
    speech = ls.datasets.load("librispeech-100", accept_small=True)
    heard_s, accepted = 0.0, 0
    window, step = round(column.seconds * column.rate_hz), round(_STEP_S * column.rate_hz)
    for row in speech:
        if row["part"] == "train":
            continue
        samples = ls.audio.read_samples(row["audio"], column.rate_hz)
        starts = range(0, max(1, len(samples) - window + 1), step)
        heard_s += len(samples) / column.rate_hz
        found = predictor.predict([samples[start : start + window] for start in starts])
        heard = [each.probabilities or {} for each in found]
        words = [word for word in heard[0] if word not in _NO_KEYWORDS]
        times = [start / column.rate_hz for start in starts]
        accepted += len(calls_of(heard, words, threshold, times_s=times))
    hours = heard_s / 3600
    run.say(f"{accepted} false acceptances in {hours:.2f} hours of speech at a threshold of {threshold:.3f}.")
    return {
        "background": {
            "misses": _MISSES,
            "threshold": round(threshold, 6),
            "hours": round(hours, 4),
            "false_accepts": accepted,
            "false_accepts_per_hour": accepted / hours,
        }
    }


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
