"""Ways from a recording to its transcript: in stages, by phonemes, and end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, final

import longspan as ls
from longspan.systems.speech.stages import (
    CHARACTERS,
    PHONEMES,
    RATE_HZ,
    find_words,
    find_words_of_characters,
    speech_features,
)

if TYPE_CHECKING:
    from longspan.train.estimators.acoustic import AcousticTraining

__all__ = [
    "BY_PHONEMES", "END_TO_END", "END_WITH_WORDS", "FROM_MADE_UP", "FROM_PHONEMES", "MONOPHONES", "NAMES", "NETWORK",
    "TIED", "FromSource", "Transcriber", "sound", "transcribers",
]  # fmt: skip

MONOPHONES, TIED, NETWORK = "in stages, monophones", "in stages, tied states", "in stages, network"
BY_PHONEMES, END_TO_END, END_WITH_WORDS = "by phonemes", "end to end", "end to end, lexicon"
FROM_PHONEMES, FROM_MADE_UP = "end to end, from phonemes", "end to end, from made-up speech"
NAMES: tuple[str, ...] = (
    MONOPHONES,
    TIED,
    NETWORK,
    BY_PHONEMES,
    END_TO_END,
    END_WITH_WORDS,
    FROM_PHONEMES,
    FROM_MADE_UP,
)

_AUGMENT = ls.AudioAugment(time_masks=2, time_mask_s=0.1, mel_masks=2, speed=0.1)

Way = Literal["monophone", "tied", "network", "phonemes", "characters"]
_WEIGHTS: dict[Way, dict[str, float]] = {
    "monophone": {"weight": 1.0, "beam": 12.0}, "tied": {"weight": 1.0, "beam": 12.0},
    # Probabilities of single frames differ far more than those of words, and the beam is in their units.
    "network": {"weight": 5.0, "beam": 60.0}, "phonemes": {"weight": 1.0, "bonus": 0.5, "beam": 15.0},
    "characters": {"weight": 0.7, "bonus": 1.0},
}  # fmt: skip
"""Of the language model, and how far behind the best the search looks."""


def sound() -> ls.Audio:
    """What end-to-end networks read of a recording."""
    features = ls.AudioFeatures(mels=40)
    return ls.Audio(rate_hz=RATE_HZ, layout="sequence", features=features, normalise="utterance", longest_s=36.0)


def _acoustic_training() -> AcousticTraining:
    from longspan.train.estimators.acoustic import AcousticTraining

    return AcousticTraining()


@final
@dataclass(frozen=True, kw_only=True)
class Transcriber:
    """A strategy: a pipeline with a lexicon and a language model, of which the training transcripts are a part.

    "monophone", "tied", "network": features, acoustic model (see `AcousticTraining`), words. "phonemes": a CTC network
    hears phonemes, whose labels come from the lexicon, then words. "characters": a CTC network hears characters, and
    of these the lexicon's words are found.
    """

    way: Way
    """What is heard, and by what."""
    training: AcousticTraining = field(default_factory=_acoustic_training)
    """Of the acoustic model, whose form is that of `way`."""
    width: int = 128
    """Of the CTC network."""
    epochs: int = 40
    """Of the CTC network."""
    vocabulary: int = 40_000
    """Words beside those of the training transcripts; 0: no lexicon or language model from elsewhere."""

    def pipeline(self, texts: list[str]) -> ls.Pipeline:
        """The stages, with what the lexicon and the language model learn from training transcripts."""
        known: dict[str, Any] = {"texts": texts, "vocabulary": self.vocabulary, **_WEIGHTS[self.way]}
        if self.way == "characters":
            hear = ls.Stage(
                "hear", reader(self.width, self.epochs), reads="audio", adds={"characters": ls.Text(vocab=CHARACTERS)},
                method="predict_proba",
            )  # fmt: skip
            words = ls.Stage(
                "words", partial(find_words_of_characters, **known), reads="characters", adds={"text": ls.Text()}
            )
            return ls.Pipeline([hear, words])
        words = partial(find_words, **known)
        if self.way == "phonemes":
            hear = ls.Stage(
                "hear", reader(self.width, self.epochs), reads="audio", adds={"sounds": ls.Text(vocab=PHONEMES)},
                method="predict_proba",
            )  # fmt: skip
            return ls.Pipeline([hear, ls.Stage("words", words, reads="sounds", adds={"text": ls.Text()})])
        training = replace(self.training, form=self.way)
        network = {"mfcc": 40, "deltas": 0, "spread": False}
        options = network if self.way == "network" else {"mfcc": 13, "deltas": 2}
        return ls.Pipeline(
            [
                ls.Stage(
                    "features",
                    partial(speech_features, **options),
                    reads="audio",
                    adds="features",
                    columns={"audio": ls.Audio(rate_hz=RATE_HZ)},
                ),
                ls.Stage("hear", training, reads="features", adds="phonemes"),
                ls.Stage("words", words, reads="phonemes", adds={"text": ls.Text()}),
            ]
        )

    def train(self, task: ls.Task, *, seed: int = 0, budget: ls.Budget | None = None) -> Any:
        """The pipeline, trained on the training rows of a task."""
        texts = task.table.take(task.train.numpy()).column_values("text")
        return self.pipeline([text for text in texts if text]).train(task, seed=seed, budget=budget)

    def to_json(self) -> Mapping[str, Any]:
        """JSON values by which a study recognises the strategy."""
        return {"strategy": "transcriber", **asdict(self)}


@final
@dataclass(frozen=True, kw_only=True)
class FromSource:
    """A strategy: the end-to-end network, after its encoder has learned from something else.

    Either phonemes of the same recordings, half of the budget each; or made-up speech of `hours` hours, which speaks
    the training transcripts and `more` texts.
    """

    hours: float | None = None
    """Of made-up speech; None: phonemes of the recordings."""
    more: tuple[str, ...] = ()
    """Texts that are spoken beside the training transcripts."""
    width: int = 128
    """Of the network."""
    epochs: int = 40
    """Of each training."""

    def train(self, task: ls.Task, *, seed: int = 0, budget: ls.Budget | None = None) -> ls.Learner:
        """Train twice."""
        recipe = reader(self.width, self.epochs)
        half = budget
        if budget is not None and budget.steps is not None:
            half = ls.Budget(steps=max(1, budget.steps // 2))
        rows = task.table.take(task.train.numpy())
        if self.hours is None:
            first = rows.select("audio", "sounds")
            target = "sounds"
        else:
            first = _made_up([each for each in rows["text"] if each], self.more, self.hours, seed)
            target = "text"
        source = recipe.train(
            ls.Task(first.split(valid=0), inputs="audio", targets=target, allow_leaks=True), seed=seed, budget=half
        )
        return ls.Transfer(recipe, source).train(task, seed=seed, budget=half)

    def to_json(self) -> Mapping[str, Any]:
        """JSON values by which a study recognises the strategy."""
        return {"strategy": "transcribe from source", **asdict(self), "more": len(self.more)}


def _made_up(texts: list[str], more: tuple[str, ...], hours: float, seed: int) -> ls.Table:
    """So many hours of made-up speech of all texts in turn, spoken as often as it takes."""
    every = [*texts, *more]
    spoken: ls.Table | None = None
    seconds, turn = 0.0, 0
    while seconds < 3600 * hours:
        some = [every[(turn * 64 + place) % len(every)] for place in range(min(64, len(every)))]
        part = ls.datasets.make_speech(some, seed=1000 * seed + turn)
        seconds += sum(len(each) for each in part.column_values("audio")) / RATE_HZ
        part = part.select("audio", "text")
        spoken = part if spoken is None else spoken.concat(part)
        turn += 1
    assert spoken is not None
    return spoken.with_column("audio", sound())


def reader(width: int, epochs: int) -> ls.Recipe:
    """Separable convolutions over the recording, with CTC."""
    # Small batches and a warm-up: CTC gives only blanks for the first hundreds of steps.
    config = ls.TrainConfig(batch_size=8, weight_decay=0.01, augment=_AUGMENT)
    return ls.Recipe(ls.QuartzNetConfig(width=width, kernels=(11, 13, 15, 17)), epochs=epochs, lr=4e-3, config=config)


def transcribers(*, vocabulary: int = 40_000, made_up_hours: float = 0.0, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """The strategies by name; the one from made-up speech only with hours of it."""
    found: dict[str, Any] = {
        MONOPHONES: Transcriber(way="monophone", vocabulary=vocabulary),
        TIED: Transcriber(way="tied", vocabulary=vocabulary),
        NETWORK: Transcriber(way="network", vocabulary=vocabulary),
        BY_PHONEMES: Transcriber(way="phonemes", vocabulary=vocabulary),
        END_TO_END: reader(128, 40),
        END_WITH_WORDS: Transcriber(way="characters", vocabulary=vocabulary),
        FROM_PHONEMES: FromSource(),
    }
    if made_up_hours:
        found[FROM_MADE_UP] = FromSource(hours=made_up_hours, more=more)
    return found
