"""Embedded training of phoneme models: from recordings and their phonemes, not knowing when each is spoken."""

# T frames, D features, N states, S states of a chain, M Gaussians of a state, U different states of a chain

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, final

from longspan.audio.hmm.chains import Chain, forward_backward, viterbi
from longspan.audio.hmm.model import STATES, PhonemeHMM
from longspan.audio.hmm.tying import tie_states
from longspan.errors import ConfigError, DataError
from longspan.lazy_torch import functional, torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Alignment", "tied_alignment", "train_monophones", "train_triphones"]

Alignment = Literal["viterbi", "baum-welch"]
_LEAST_VARIANCE = 0.01  # of that over all frames
_AT_ONCE = 32  # recordings whose paths are searched together


@final
@dataclass(frozen=True, slots=True)
class _Recording:
    features: Tensor
    phonemes: str
    place: int


@final
@dataclass(slots=True)
class _Counts:
    """Sums over all frames: of Gaussians and of states."""

    weight: Tensor
    """`(N, M)`."""
    first: Tensor
    """`(N, M, D)`."""
    second: Tensor
    """`(N, M, D)`."""
    stayed: Tensor
    """`(N,)`: each seen twice in advance."""
    seen: Tensor
    """`(N,)`."""

    @classmethod
    def zero(cls, model: PhonemeHMM) -> _Counts:
        """Nothing seen yet."""
        wide = torch.zeros(model.means.shape, dtype=torch.float64)
        states = torch.ones(model.num_states, dtype=torch.float64)
        return cls(wide[:, :, 0].clone(), wide, wide.clone(), states, 2 * states)

    def model(self, before: PhonemeHMM, floor: Tensor) -> PhonemeHMM:
        """What maximises the likelihood of the sums; Gaussians of hardly any frame stay as they were."""
        kind = before.means.dtype
        weight = self.weight.clamp_min(1e-6)[:, :, None]
        enough = (self.weight > 2)[:, :, None]  # a Gaussian of two frames would be those frames
        mean = self.first / weight
        variance = torch.maximum(self.second / weight - mean.square(), floor)
        smoothed = self.weight + 0.1
        return replace(
            before,
            means=torch.where(enough, mean.to(kind), before.means),
            variances=torch.where(enough, variance.to(kind), before.variances),
            log_weights=(smoothed / smoothed.sum(dim=1, keepdim=True)).log().to(kind),
            log_stay=(self.stayed / self.seen).log().to(kind),
        )


def train_monophones(
    features: Sequence[Tensor],
    phonemes: Sequence[str],
    *,
    rounds: int = 12,
    gaussians: int = 4,
    alignment: Alignment = "viterbi",
) -> PhonemeHMM:
    """Embedded training of one model a phoneme; no one needs to say when a phoneme is spoken.

    The first alignment is uniform. In each round states are estimated from the frames that are aligned with them, and
    the frames are aligned anew: each with one state ("viterbi") or with every state by its probability ("baum-welch").
    Gaussians are split in two at even distances until there are as many as wanted.

    Source: Young et al. 2006, "The HTK book", sections 1.5 and 8.5; mixtures by one step of EM in each round.
    Differs: recordings with fewer frames than states are left out.

    Args:
        features: Of each recording, `(T, D)`, about normal (such as normalised MFCC with changes over time).
        phonemes: Of each recording, a character each; blanks part words, between which there may be silence.
        rounds: Of alignment and estimation.
        gaussians: Of each state at the end: 1, 2, 4, 8 ...
        alignment: Of frames with states.

    Raises:
        ConfigError: `rounds` below 1, `gaussians` not a power of two, or another alignment.
        DataError: no recording that is long enough.
    """
    _check(rounds, gaussians, alignment)
    alphabet = ("", *sorted({letter for text in phonemes for letter in text if letter != " "}))
    recordings = _usable(features, phonemes)
    total, square, count = 0.0, 0.0, 0
    for each in recordings:
        total, square, count = (
            total + each.features.double().sum(0), square + each.features.double().square().sum(0),
            count + len(each.features),
        )  # fmt: skip
    mean = torch.as_tensor(total) / count
    variance = torch.as_tensor(square) / count - mean.square()
    states, kind = STATES * len(alphabet), recordings[0].features.dtype
    model = PhonemeHMM(
        alphabet,
        mean.to(kind).expand(states, 1, -1).clone(),
        variance.to(kind).expand(states, 1, -1).clone(),
        torch.zeros(states, 1, dtype=kind),
        torch.full((states,), 0.7, dtype=kind).log(),
    )
    return _rounds(model, recordings, rounds, gaussians, alignment, _LEAST_VARIANCE * variance, uniform=True)


def train_triphones(
    features: Sequence[Tensor],
    phonemes: Sequence[str],
    monophones: PhonemeHMM,
    *,
    states: int = 800,
    rounds: int = 8,
    gaussians: int = 8,
    alignment: Alignment = "viterbi",
) -> PhonemeHMM:
    """Models whose states depend on the neighbours of a phoneme in its word, as far as there is enough data for it.

    Frames are aligned by the monophones; a decision tree for each state of each phoneme shares them out (`tie_states`).

    Args:
        features: As for `train_monophones`.
        phonemes: As for `train_monophones`.
        monophones: Trained on the same recordings.
        states: Most states of all phonemes together.
        rounds: As for `train_monophones`.
        gaussians: As for `train_monophones`.
        alignment: As for `train_monophones`.

    Raises:
        ConfigError: as for `train_monophones`; or too few states for one of each phoneme.
        DataError: no recording that is long enough.
    """
    _check(rounds, gaussians, alignment)
    model, floor, recordings, _ = _tied(features, phonemes, monophones, states)
    return _rounds(model, recordings, rounds, gaussians, alignment, _LEAST_VARIANCE * floor, uniform=False)


def tied_alignment(
    features: Sequence[Tensor], phonemes: Sequence[str], monophones: PhonemeHMM, *, states: int = 800
) -> tuple[PhonemeHMM, dict[int, Tensor]]:
    """Tied states of one Gaussian each, and the state of each frame where the monophones align it.

    Args:
        features: As for `train_monophones`.
        phonemes: As for `train_monophones`.
        monophones: As for `train_triphones`.
        states: As for `train_triphones`.

    Returns:
        The models; and `(T,)` states of each recording that is long enough, by its place.

    Raises:
        ConfigError: too few states for one of each phoneme.
        DataError: no recording that is long enough.
    """
    model, _, recordings, paths = _tied(features, phonemes, monophones, states)
    return model, {
        each.place: model.chain(each.phonemes, len(each.features)).states[path]
        for each, path in zip(recordings, paths, strict=True)
    }


def _tied(
    features: Sequence[Tensor], phonemes: Sequence[str], monophones: PhonemeHMM, states: int
) -> tuple[PhonemeHMM, Tensor, Sequence[_Recording], list[Tensor]]:
    """Tied states, the variance of all frames, and the places of all frames in the chains of the recordings."""
    if states < monophones.num_states:
        raise ConfigError(f"{len(monophones.phonemes)} phonemes have {monophones.num_states} states, got {states}.")
    recordings = _usable(features, phonemes)
    paths: list[Tensor] = []
    for batch in _batches(recordings):
        chains = [monophones.chain(each.phonemes, len(each.features)) for each in batch]
        likelihoods = [_in_chain(monophones, each, chain) for each, chain in zip(batch, chains, strict=True)]
        paths += viterbi(likelihoods, chains, monophones.log_stay)
    aligned = [(each.features, each.phonemes, path) for each, path in zip(recordings, paths, strict=True)]
    model, floor = tie_states(monophones, aligned, states)
    return model, floor, recordings, paths


def _check(rounds: int, gaussians: int, alignment: str) -> None:
    if rounds < 1 or gaussians < 1 or gaussians & (gaussians - 1):
        raise ConfigError(
            f"Training phoneme models needs rounds >= 1 and a power of two of Gaussians, got {rounds} and {gaussians}."
        )
    if alignment not in ("viterbi", "baum-welch"):
        raise ConfigError(f"alignment must be 'viterbi' or 'baum-welch', got {alignment!r}.")


def _usable(features: Sequence[Tensor], phonemes: Sequence[str]) -> list[_Recording]:
    """Recordings that can hold their phonemes, of like length together."""
    usable = [
        _Recording(each, text, place)
        for place, (each, text) in enumerate(zip(features, phonemes, strict=True))
        if text.strip() and len(each) >= STATES * (len(text.replace(" ", "")) + 2)
    ]
    if not usable:
        raise DataError("No recording has three frames for each of its phonemes and for silence at both ends.")
    return sorted(usable, key=lambda each: len(each.features))


def _batches(recordings: Sequence[_Recording]) -> Iterator[Sequence[_Recording]]:
    for first in range(0, len(recordings), _AT_ONCE):
        yield recordings[first : first + _AT_ONCE]


def _rounds(
    model: PhonemeHMM, recordings: Sequence[_Recording], rounds: int, gaussians: int, alignment: Alignment,
    floor: Tensor, *, uniform: bool,
) -> PhonemeHMM:  # fmt: skip
    splits = gaussians.bit_length() - 1
    grow_at = {round(rounds * (number + 1) / (splits + 1)) for number in range(splits)}
    for number in range(rounds):
        split = _split(model) if number in grow_at else model
        counts = _Counts.zero(split)
        for batch in _batches(recordings):
            _count(model, split, batch, counts, None if uniform and not number else alignment)
        model = counts.model(split, floor)
    return model


def _count(
    model: PhonemeHMM, split: PhonemeHMM, batch: Sequence[_Recording], counts: _Counts, alignment: Alignment | None
) -> None:
    """Add what a batch holds: aligned by `model`, shared out among the Gaussians of `split`; None: uniformly."""
    chains = [model.chain(each.phonemes, len(each.features)) for each in batch]
    own_states = [chain.states.unique(return_inverse=True) for chain in chains]
    posteriors: list[Tensor] = []
    stays: list[Tensor] = []
    logs: list[Tensor] = []
    likelihoods: list[Tensor] = []
    if alignment is not None:
        pairs = list(zip(batch, own_states, strict=True))
        logs = [model.per_gaussian(each.features, states) for each, (states, _) in pairs]
        likelihoods = [log.logsumexp(dim=2)[:, places] for log, (_, places) in zip(logs, own_states, strict=True)]
    if alignment == "baum-welch":
        posteriors, stays, _ = forward_backward(likelihoods, chains, model.log_stay)
    else:
        if alignment is None:
            paths = [
                torch.arange(len(each.features)) * len(chain.states) // len(each.features)
                for each, chain in zip(batch, chains, strict=True)
            ]
        else:
            paths = viterbi(likelihoods, chains, model.log_stay)
        for path, chain in zip(paths, chains, strict=True):
            posteriors.append(functional.one_hot(path, len(chain.states)).to(split.means.dtype))
            stays.append(torch.bincount(path[:-1][path[1:] == path[:-1]], minlength=len(chain.states)))
    for row, (each, chain) in enumerate(zip(batch, chains, strict=True)):
        states, places = own_states[row]
        posterior = posteriors[row]
        own = torch.zeros(len(posterior), len(states), dtype=posterior.dtype).index_add(1, places, posterior)
        log = logs[row] if split is model and logs else split.per_gaussian(each.features, states)
        shares = own[:, :, None] * log.softmax(dim=2)  # (T, U, M)
        flat = shares.flatten(1).T
        x = each.features.to(flat.dtype)
        counts.weight[states] += shares.sum(dim=0).double()
        counts.first[states] += (flat @ x).unflatten(0, shares.shape[1:]).double()
        counts.second[states] += (flat @ x.square()).unflatten(0, shares.shape[1:]).double()
        counts.seen.index_add_(0, chain.states, posterior[:-1].sum(dim=0).double())
        counts.stayed.index_add_(0, chain.states, stays[row].double())


def _in_chain(model: PhonemeHMM, recording: _Recording, chain: Chain) -> Tensor:
    """Log-likelihoods `(T, S)`; those of each state are computed once."""
    states, places = chain.states.unique(return_inverse=True)
    return model.log_likelihoods(recording.features, states)[:, places]


def _split(model: PhonemeHMM) -> PhonemeHMM:
    """Each Gaussian as two, a fifth of the spread to either side."""
    step = 0.2 * model.variances.sqrt()
    half = torch.tensor(2.0, dtype=model.means.dtype).log()
    return replace(
        model,
        means=torch.cat([model.means - step, model.means + step], dim=1),
        variances=model.variances.repeat(1, 2, 1),
        log_weights=model.log_weights.repeat(1, 2) - half,
    )
