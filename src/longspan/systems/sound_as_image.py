"""Sounds recognised as images of their mel spectrograms: environmental sounds, and spoken digits."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import Literal, final

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System

__all__ = ["SOUND_AS_IMAGE", "SoundOptions"]

_TARGETS = {"esc10": "sound", "fsdd": "digit"}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SoundOptions:
    """Options of sound-as-image."""

    data: Literal["esc10", "fsdd"] = "esc10"
    """esc10: environmental sounds, five official folds. fsdd: spoken digits by six speakers."""
    protocol: Literal["official", "speakers"] = "official"
    """official: the split that published results use; for fsdd it tests voices that also train. speakers (fsdd): leaves
    each speaker out in turn."""
    model: str = "squeezenet1_1"
    """Any network of `longspan models` that reads images; speech_embedding reads bands of its own."""
    weights: str = "imagenet"
    """Initial weights: imagenet, speech (for speech_embedding), none, or a file."""
    head_epochs: int = 40
    """Epochs for the new layers alone, on features of the frozen network, which runs once over each recording."""
    epochs: int = 0
    """Further epochs in which the whole network learns, with augmented recordings."""
    lr: float = 2e-3
    """Peak learning rate of the new layers."""
    mels: int = 128
    """Mel bands: the height of the images."""
    hop_ms: float = 20.0
    """Time from one column of the images to the next."""
    folds: int | None = None
    """Use only N folds or speakers, for a quick look."""
    limit: int | None = None
    """Use only this many recordings of each class, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.head_epochs < 0 or self.epochs < 0 or self.head_epochs + self.epochs < 1:
            raise ConfigError("--head-epochs and --epochs must be at least 0, and one of them at least 1.")
        if (self.weights == "speech") != (self.model == "speech_embedding"):
            raise ConfigError("--model speech_embedding and --weights speech go together.")
        if self.protocol == "speakers" and self.data != "fsdd":
            raise ConfigError("--protocol speakers is for --data fsdd; the folds of esc10 hold no speakers.")
        check_network(self.model, self.weights)
        check_at_least(folds=(self.folds, 1), limit=(self.limit, 4), mels=(self.mels, 1))
        check_above_zero(lr=self.lr, hop_ms=self.hop_ms)


def _run(options: SoundOptions, run: SystemRun) -> None:
    target = _TARGETS[options.data]
    table = _table(options, run.seed)
    rounds = _rounds(table, options)
    run.say(f"{len(table):,} recordings, {len(rounds)} {'rounds' if len(rounds) > 1 else 'round'} of training.")
    accuracies: dict[str, float] = {}
    learner: ls.Learner | None = None
    started = time.perf_counter()
    for held_out, column in rounds.items():
        learner = _trained(table, target, column, options, run)
        accuracies[held_out] = learner.evaluate("test", reason=f"sound-as-image, {held_out} held out")["accuracy"]
        run.say(f"{held_out} held out: accuracy {accuracies[held_out]:.4f}")
    assert learner is not None
    mean = statistics.fmean(accuracies.values())
    metrics = {"error": 1 - mean, "accuracy": mean, "lowest_accuracy": min(accuracies.values())}
    run.finish(
        learner,
        metrics,
        train_seconds=time.perf_counter() - started,
        options=asdict(options),
        details={"accuracy_by_fold": {name: round(value, 6) for name, value in accuracies.items()}},
    )


def _table(options: SoundOptions, seed: int) -> ls.Table:
    """The recordings, read as images."""
    table = ls.datasets.load(options.data)
    if options.limit is not None:
        target, kept = table[_TARGETS[options.data]], []
        for label in sorted(set(target)):
            rows = [row for row, each in enumerate(target) if each == label]
            step = max(1, len(rows) // options.limit)
            kept += rows[seed % step :: step][: options.limit]
        table = table.take(sorted(kept))
    seconds = {"esc10": 5.0, "fsdd": 1.0}[options.data]
    if options.weights == "speech":
        return table.with_column("audio", ls.Audio.for_speech_embedding(seconds=seconds + 0.2))
    features = ls.AudioFeatures(mels=options.mels, hop_ms=options.hop_ms, window_ms=2 * options.hop_ms)
    return table.with_column("audio", ls.Audio(seconds=seconds, features=features, normalise="training"))


def _rounds(table: ls.Table, options: SoundOptions) -> dict[str, list[str]]:
    """What is held out in each training, and the part of every row then."""
    if options.data == "fsdd" and options.protocol == "official":
        return {"repetitions 0 to 4": table["part"]}
    column = "fold" if options.data == "esc10" else "speaker"
    held_out = sorted(set(table[column]))[: options.folds]
    return {f"{column} {each}": ["test" if value == each else "train" for value in table[column]] for each in held_out}


def _trained(table: ls.Table, target: str, parts: list[str], options: SoundOptions, run: SystemRun) -> ls.Learner:
    """A learner that has not heard the test rows; a tenth of the others chooses the epoch."""
    split = table.with_column("part", ls.Category(), parts).split(
        column="part", valid=0.1, seed=run.seed, stratify=target
    )
    # Recordings by one speaker of one word may be nearly equal: the official split of fsdd has voices on both sides.
    task = ls.Task(split, inputs="audio", targets=target, allow_leaks=True)
    learner = ls.Learner(
        task,
        options.model,
        weights=None if options.weights == "none" else options.weights,
        heads={target: ls.Classify(hidden=(256,), dropout=0.3, label_smoothing=0.05)},
        config=ls.TrainConfig(batch_size=32, weight_decay=0.05),
        seed=run.seed,
        progress=False,
    )
    phases = []
    frozen = 0.0 if options.weights == "none" else 1.0
    if options.head_epochs:
        phases.append(ls.Phase(epochs=options.head_epochs, lr=options.lr, frozen=frozen))
    if options.epochs:
        phases.append(ls.Phase(epochs=options.epochs, lr=options.lr / 4, frozen=0.0, backbone_lr_mult=0.5))
    learner.run(phases)
    return learner


SOUND_AS_IMAGE = System(
    name="sound-as-image",
    summary="Recognises sounds as images of their mel spectrograms, with a network that was trained on photos.",
    needs="the data set esc10 (45 MB) or fsdd (16 MB), ImageNet weights of the network, and some minutes",
    extras=("audio",),
    options=SoundOptions,
    run=_run,
)
