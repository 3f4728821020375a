"""Training of acoustic models: from features of recordings and their phonemes to scores of states."""

# T frames, D features, N states

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor

from longspan.audio.hmm import PhonemeHMM, tied_alignment, train_monophones, train_triphones
from longspan.audio.mfcc import cepstrum, deltas
from longspan.audio.normalise import normalise_utterance
from longspan.errors import ConfigError, DataError
from longspan.inference.estimators.acoustic_model import FRAMES_TOGETHER, AcousticModel, FrameNetwork
from longspan.train.budget import Budget

__all__ = ["AcousticTraining", "voice_warp"]

_CEPSTRUM = 13  # coefficients that the Gaussians of a network's alignment read
_TOGETHER = 8
_IGNORED = -100
_DILATIONS = (1, 2, 3, 4, 3)
_NARROW = 128
_VOICES = (0.88, 0.92, 0.96, 1.0, 1.04, 1.08, 1.12)


@final
@dataclass(frozen=True, kw_only=True)
class AcousticTraining:
    """How an acoustic model is trained, as a stage of a pipeline: it reads features and learns from phonemes.

    "monophone": Gaussian mixtures of three states a phoneme. "tied": of states that depend on the neighbours of a
    phoneme, as far as there is data for it. "network": convolutions that learn such tied states of the monophones'
    alignment from all features; Gaussians read the first 13 alone, with their changes over time.

    The phonemes of a recording are a text with one character each; blanks part words.
    """

    form: Literal["monophone", "tied", "network"] = "monophone"
    """What hears the states."""
    gaussians: int = 8
    """Of each state: 1, 2, 4, 8 ..."""
    rounds: int = 12
    """Of alignment and estimation."""
    states: int = 800
    """Most tied states."""
    monophone_rows: int = 2000
    """Recordings that the monophones of a network's alignment learn from, at most; they align all of them."""
    alignment: Literal["viterbi", "baum-welch"] = "viterbi"
    """Of frames with states; see `longspan.audio.hmm`."""
    width: int = 256
    """Channels of the network."""
    epochs: int = 20
    """Passes of the network over the recordings."""
    lr: float = 2e-3
    """Largest step of AdamW; it falls to zero along half a cosine."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.form not in ("monophone", "tied", "network"):
            raise ConfigError(f"AcousticTraining.form must be monophone, tied or network, got {self.form!r}.")
        for name in ("gaussians", "rounds", "states", "monophone_rows", "width", "epochs"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ConfigError(
                    f"AcousticTraining.{name} must be a whole number of at least 1, got {getattr(self, name)!r}."
                )

    def learn(
        self, features: Sequence[Any], phonemes: Sequence[str], *, seed: int = 0, budget: Budget | None = None
    ) -> AcousticModel:
        """An acoustic model of recordings.

        Args:
            features: Of each recording, `(T, D)`.
            phonemes: Of each recording.
            seed: Of the network's weights, batches and masks.
            budget: Steps of the network; Gaussians count none.

        Raises:
            DataError: features that are not matrices, or no recording that is long enough.
        """
        frames = [torch.as_tensor(np.asarray(each), dtype=torch.float32) for each in features]
        if any(each.ndim != 2 for each in frames):
            raise DataError("An acoustic model reads features of each frame, a matrix for each recording.")
        read = [_with_changes(each) for each in frames] if self.form == "network" else frames
        some = _spread(phonemes, self.monophone_rows) if self.form == "network" else range(len(read))
        hmm = train_monophones(
            [read[row] for row in some], [phonemes[row] for row in some], rounds=self.rounds, gaussians=self.gaussians,
            alignment=self.alignment,
        )  # fmt: skip
        if self.form == "tied":
            hmm = train_triphones(
                read, phonemes, hmm, states=max(self.states, hmm.num_states), rounds=max(1, self.rounds // 2),
                gaussians=self.gaussians, alignment=self.alignment,
            )  # fmt: skip
        if self.form != "network":
            return AcousticModel(hmm)
        tied, aligned = tied_alignment(read, phonemes, hmm, states=max(self.states, hmm.num_states))
        return self._network(tied, frames, aligned, seed, budget)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether a strategy is still the same."""
        return {"strategy": "acoustic_model", **asdict(self)}

    def _network(
        self, hmm: PhonemeHMM, frames: Sequence[Tensor], aligned: Mapping[int, Tensor], seed: int, budget: Budget | None
    ) -> AcousticModel:
        """A network that learns the states of the alignment, faster and slower and by other voices too."""
        pairs = sorted(((frames[row], states) for row, states in aligned.items()), key=lambda pair: len(pair[0]))
        counts = torch.bincount(torch.cat([states for _, states in pairs]), minlength=hmm.num_states) + 1.0
        batches = [pairs[first : first + _TOGETHER] for first in range(0, len(pairs), _TOGETHER)]
        steps = self.epochs * len(batches)
        if budget is not None and budget.steps is not None:
            steps = min(steps, budget.steps)
        generator = torch.Generator().manual_seed(seed)
        width = frames[0].shape[1]
        warps = [voice_warp(width, rate) for rate in _VOICES]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = FrameNetwork(width, hmm.num_states, self.width, dilations=_DILATIONS, narrow=_NARROW)
            optimiser = torch.optim.AdamW(network.parameters(), lr=self.lr, weight_decay=0.01)
            warm = max(1, steps // 10)
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimiser, lambda step: min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / steps))
            )
            network.train()
            order: list[int] = []
            for _ in range(steps):
                order = order or torch.randperm(len(batches), generator=generator).tolist()
                values, states = _padded([_changed(*pair, warps, generator) for pair in batches[order.pop()]])
                _mask(values, generator)
                logits = network(values)
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), states.flatten(), ignore_index=_IGNORED)
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimiser.step()
                schedule.step()
        return AcousticModel(hmm, network.eval(), (counts / counts.sum()).log(), steps)


def _spread(phonemes: Sequence[str], most: int) -> Sequence[int]:
    """Places of about `most` recordings, evenly over all of them, with every phoneme that there is."""
    if len(phonemes) <= most:
        return range(len(phonemes))
    places = dict.fromkeys(np.linspace(0, len(phonemes) - 1, most).astype(int).tolist())
    seen = {each for place in places for each in phonemes[place]}
    for place, text in enumerate(phonemes):
        if not seen.issuperset(text):
            seen.update(text)
            places[place] = None
    return sorted(places)


def voice_warp(coefficients: int, rate: float) -> Tensor:
    """`(K, K)` cepstra of all bands as a voice with formants `rate` times as high has them.

    Source: Jaitly and Hinton 2013, "Vocal tract length perturbation (VTLP) improves speech recognition". Differs: one
    factor for all frequencies, on the bands' numbers as if mel were logarithmic above 1 kHz and linear below.
    """
    bands = torch.arange(coefficients, dtype=torch.float32)
    knee = 0.36 * coefficients  # 1 kHz among bands up to 8 kHz
    octave = (coefficients - knee) / 3
    heard = torch.where(bands < knee, bands / rate, bands - octave * math.log2(rate)).clamp(0, coefficients - 1)
    below = heard.floor().long().clamp_max(coefficients - 2)
    part = heard - below
    shift = torch.zeros(coefficients, coefficients)
    shift[torch.arange(coefficients), below] = 1 - part
    shift[torch.arange(coefficients), below + 1] += part
    cosines = cepstrum(torch.eye(coefficients)[None], coefficients)[0]  # (K, M), orthonormal
    return cosines @ shift @ cosines.T


def _changed(
    frames: Tensor, states: Tensor, warps: Sequence[Tensor], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A recording at another speed, up to a tenth, by another voice."""
    rate = 0.9 + 0.2 * float(torch.rand(1, generator=generator))
    voice = int(torch.randint(len(warps), (1,), generator=generator))
    count = max(2, round(len(states) / rate))
    place = torch.linspace(0, len(states) - 1, count)
    below = place.floor().long().clamp_max(len(states) - 2)
    part = (place - below)[:, None]
    mixed = frames[below] * (1 - part) + frames[below + 1] * part
    return mixed @ warps[voice].T, states[place.round().long()]


def _with_changes(frames: Tensor) -> Tensor:
    """The first coefficients `(T, 39)` with their first and second changes over time, each of mean 0 and spread 1."""
    first = frames[:, :_CEPSTRUM].T
    wide = torch.cat([first, deltas(first, 1), deltas(first, 2)]).T
    return normalise_utterance(wide[None], torch.tensor([len(wide)]))[0]


def _padded(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    longest = max(len(states) for _, states in pairs)
    longest += -longest % FRAMES_TOGETHER
    values = torch.zeros(len(pairs), longest, pairs[0][0].shape[1])
    states = torch.full((len(pairs), longest), _IGNORED)
    for row, (own, path) in enumerate(pairs):
        values[row, : len(own)], states[row, : len(path)] = own, path
    return values, states


def _mask(values: Tensor, generator: torch.Generator) -> None:
    """Hide a stretch of up to 0.2 s of each second recording's frames (SpecAugment, in time alone)."""
    rows, frames = values.shape[:2]
    for row in range(rows):
        width = int(torch.randint(0, 21, (1,), generator=generator))
        start = int(torch.randint(0, max(1, frames - width), (1,), generator=generator))
        if row % 2:
            values[row, start : start + width] = 0
