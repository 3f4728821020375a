"""Five strategies to read a spoken number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import longspan as ls
from longspan.systems.numbers.find_digits import join_digits
from longspan.systems.spoken.find_spoken_digits import RATE_HZ, cut_out_at_16_khz, cut_out_digit, find_spoken_digits
from longspan.systems.spoken.phonemes import digits_of_phonemes, phonemes_of_number

__all__ = [
    "END_TO_END", "FEATURES", "FROM_PHONEMES", "MIDDLE", "NEEDS", "PRETRAINED", "STAGED", "StartFromPhonemes",
    "spoken_strategies",
]  # fmt: skip

STAGED, PRETRAINED = "in stages", "stages, pretrained"
MIDDLE, END_TO_END, FROM_PHONEMES = "by phonemes", "end to end", "from phonemes"
NEEDS = {
    STAGED: ("number", "spans"),
    PRETRAINED: ("number", "spans"),
    MIDDLE: ("number",),
    END_TO_END: ("number",),
    FROM_PHONEMES: ("number",),
}
"""The labels that each strategy learns from; spans say when each digit is spoken."""

_CROP_S = 0.7
_EMBEDDED_S = 1.0
_AUGMENT = ls.AudioAugment(
    gain_db=6, speed=0.15, noise=0.3, snr_db=(5, 25), time_masks=1, time_mask_s=0.05, mel_masks=1
)
FEATURES = ls.AudioFeatures(mels=32, hop_ms=20, window_ms=32)
"""What networks read of the recordings."""


def spoken_strategies() -> dict[str, ls.Strategy]:
    """The five strategies by name."""
    return {
        STAGED: staged_pipeline(),
        PRETRAINED: pretrained_stages(),
        MIDDLE: phoneme_pipeline(),
        END_TO_END: reader(),
        FROM_PHONEMES: StartFromPhonemes(),
    }


def staged_pipeline() -> ls.Pipeline:
    """Find each digit by its loudness, cut it out, classify it, join: all but the classifier are function stages."""
    config = ls.TrainConfig(batch_size=32, weight_decay=0.02, augment=replace(_AUGMENT, shift_s=0.08))
    classifier = ls.Recipe("bc_resnet1", epochs=10, lr=1e-2, config=config)
    crops = ls.Audio(rate_hz=RATE_HZ, seconds=_CROP_S, features=FEATURES, normalise="utterance", refuse=())
    return _stages(cut_out_digit, crops, classifier)


def pretrained_stages() -> ls.Pipeline:
    """The same stages with a classifier on Google's speech embedding, which stays as it is."""
    head = ls.Classify(hidden=(128,), dropout=0.3, label_smoothing=0.05)
    classifier = ls.Recipe(
        "speech_embedding",
        weights="speech",
        heads={"digits": head},
        phases=(ls.Phase(epochs=10, lr=2e-3, frozen=1.0),),
        config=ls.TrainConfig(batch_size=32, weight_decay=0.05),
    )
    return _stages(cut_out_at_16_khz, ls.Audio.for_speech_embedding(seconds=_EMBEDDED_S, refuse=()), classifier)


def _stages(cut: Callable[..., Any], crops: ls.Audio, classifier: ls.Recipe) -> ls.Pipeline:
    # Trained on predicted spans too: they end earlier than the recordings, and so do those at prediction time.
    classify = ls.Stage(
        "classify", classifier, reads="crops", adds={"digits": ls.Category()}, each="crops", train_on="both"
    )
    sound = {"audio": ls.Audio(rate_hz=RATE_HZ)}
    return ls.Pipeline(
        [
            ls.Stage("find", find_spoken_digits, reads="audio", adds="spans", columns=sound),
            ls.Stage("cut", cut, reads=["audio", "spans"], adds={"crops": crops}, each="spans", columns=sound),
            classify,
            ls.Stage("join", join_digits, reads="digits", adds={"number": ls.Text()}),
        ]
    )


def phoneme_pipeline() -> ls.Pipeline:
    """A network writes the phonemes of a recording, learned from a lexicon of ten words; digits are found in them."""
    return ls.Pipeline(
        [
            ls.Stage(
                "hear", reader(), reads="audio", adds={"phonemes": ls.Text()}, train_on="predicted",
                label=phonemes_of_number,
            ),
            ls.Stage("spell", digits_of_phonemes, reads="phonemes", adds={"number": ls.Text()}),
        ]
    )  # fmt: skip


def reader() -> ls.Recipe:
    """Separable convolutions over the recording, with CTC."""
    # CTC gives only blanks for the first hundreds of steps, so small budgets need small batches.
    config = ls.TrainConfig(batch_size=16, weight_decay=0.02, augment=_AUGMENT)
    return ls.Recipe(ls.QuartzNetConfig(width=64, kernels=(9, 11, 13)), epochs=20, lr=6e-3, config=config)


@final
@dataclass(frozen=True)
class StartFromPhonemes:
    """A strategy: the end-to-end network, after its encoder has learned to write phonemes of the same rows.

    Half of the budget goes to the phonemes.
    """

    recipe: ls.Recipe | None = None
    """Of both trainings; None: that of the end-to-end network."""

    def train(self, task: ls.Task, *, seed: int = 0, budget: ls.Budget | None = None) -> ls.Learner:
        """Train twice on the training rows of the task."""
        recipe = self.recipe or reader()
        half = budget
        if budget is not None and budget.steps is not None:
            half = ls.Budget(steps=max(1, budget.steps // 2))
        elif budget is not None and budget.seconds is not None:
            half = ls.Budget(seconds=budget.seconds / 2)
        rows = task.table.take(task.train.numpy())
        written = [phonemes_of_number({}, row) for row in rows]
        rows = rows.select("audio").with_column("phonemes", ls.Text(), written)
        sounds = ls.Task(rows.split(valid=0), inputs="audio", targets="phonemes", allow_leaks=True)
        source = recipe.train(sounds, seed=seed, budget=half)
        return ls.Transfer(recipe, source).train(task, seed=seed, budget=half)

    def to_json(self) -> Mapping[str, Any]:
        """JSON values by which a study recognises the strategy."""
        return {"strategy": "start from phonemes", "recipe": (self.recipe or reader()).to_json()}
