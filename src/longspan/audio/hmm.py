"""Monophone hidden Markov models of phonemes with Gaussian mixtures, trained from recordings and their phonemes."""

# T frames, D features, N states of all phonemes, S states of a chain, M Gaussians of a state

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from longspan.errors import ConfigError, DataError
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MonophoneHMM", "train_monophones"]

_LOG_2PI = 1.8378770664093453
_LEAST_VARIANCE = 0.01  # of that over all frames
_STATES = 3  # of a phoneme, left to right
_NEVER = -1e10


@final
@dataclass(frozen=True, slots=True)
class MonophoneHMM:
    """Three states a phoneme, passed from left to right; each a mixture of Gaussians with diagonal covariance.

    The first phoneme is silence, which may stand at both ends of a recording and between any two phonemes of a loop.

    Source: Rabiner 1989, "A tutorial on hidden Markov models and selected applications in speech recognition",
    sections 3 to 5. Differs: transitions out of a state have one probability each, learned by counting.
    """

    phonemes: tuple[str, ...]
    """One character each; "" is silence, the first."""
    means: Tensor
    """`(N, M, D)`; states of phoneme p are 3 p, 3 p + 1 and 3 p + 2."""
    variances: Tensor
    """`(N, M, D)`."""
    log_weights: Tensor
    """`(N, M)`."""
    log_stay: Tensor
    """`(N,)` log-probability that the next frame has the same state."""

    def log_likelihoods(self, features: Tensor) -> Tensor:
        """Of each frame in each state, `(T, N)`, from features `(T, D)`."""
        return _per_gaussian(self, features).logsumexp(dim=2)

    def align(self, features: Tensor, phonemes: str) -> Tensor:
        """The likeliest state of each frame, `(T,)`, if these phonemes are spoken; silence may stand at the ends.

        Raises:
            DataError: fewer frames than states, or a phoneme that is not known.
        """
        states, skip = self._chain(phonemes, len(features))
        return states[_viterbi(self.log_likelihoods(features)[:, states], self.log_stay[states], skip)]

    def recognise(self, features: Tensor, *, phoneme_cost: float = 4.0) -> str:
        """The likeliest phonemes, any after any; silence is left out.

        Args:
            features: `(T, D)`.
            phoneme_cost: For each phoneme, in nats: a loop without one finds too many.
        """
        likelihoods = self.log_likelihoods(features)
        count = len(self.phonemes)
        first, last = torch.arange(count) * _STATES, torch.arange(count) * _STATES + _STATES - 1
        log_leave = _log_leave(self.log_stay)
        score = torch.full((count * _STATES,), _NEVER, dtype=likelihoods.dtype)
        score[first] = likelihoods[0, first]
        came_from = torch.zeros(len(features), count * _STATES, dtype=torch.int64)
        own = torch.arange(count * _STATES)
        for frame in range(1, len(features)):
            stay = score + self.log_stay
            moved = torch.full_like(score, _NEVER)
            moved[1:] = (score + log_leave)[:-1]
            origin = own - 1
            exits = (score + log_leave)[last]
            best = int(exits.argmax())
            moved[first] = exits[best] - phoneme_cost
            origin = origin.clone()
            origin[first] = last[best]
            better = moved > stay
            came_from[frame] = torch.where(better, origin, own)
            score = torch.where(better, moved, stay) + likelihoods[frame]
        state = int(last[score[last].argmax()])
        path = [state]
        for frame in range(len(features) - 1, 0, -1):
            before = int(came_from[frame, state])
            if before != state:
                path.append(before)
            state = before
        entered = [state for state in reversed(path) if state % _STATES == 0]
        return "".join(self.phonemes[state // _STATES] for state in entered)

    def _chain(self, phonemes: str, frames: int) -> tuple[Tensor, int]:
        """States of silence, the phonemes, silence; and how many of silence may be skipped at either end."""
        index = {phoneme: number for number, phoneme in enumerate(self.phonemes)}
        unknown = [phoneme for phoneme in phonemes if phoneme not in index]
        if unknown:
            raise DataError(f"{unknown[0]!r} is a phoneme that the models were not trained on.")
        if frames < _STATES * len(phonemes) or not phonemes:
            raise DataError(
                f"{len(phonemes)} phonemes take {max(1, _STATES * len(phonemes))} frames, and there are {frames}."
            )
        order = [0, *(index[phoneme] for phoneme in phonemes), 0]
        return torch.tensor([_STATES * number + state for number in order for state in range(_STATES)]), _STATES


def train_monophones(
    features: Sequence[Tensor],
    phonemes: Sequence[str],
    *,
    rounds: int = 12,
    gaussians: int = 4,
) -> MonophoneHMM:
    """Embedded training by Viterbi alignment: no one needs to say when a phoneme is spoken.

    The first alignment is uniform. In each round states are estimated from the frames that are aligned with them, and
    the frames are aligned anew; Gaussians are split in two at even distances until there are as many as wanted.

    Source: Young et al. 2006, "The HTK book", sections 1.5 and 8.5; mixtures by one step of EM in each round.
    Differs: Viterbi alignment in place of Baum-Welch over states; recordings with fewer frames than states are left
    out.

    Args:
        features: Of each recording, `(T, D)`, about normal (such as normalised MFCC with changes over time).
        phonemes: Of each recording, a character each.
        rounds: Of alignment and estimation.
        gaussians: Of each state at the end: 1, 2, 4, 8 ...

    Raises:
        ConfigError: `rounds` below 1, or `gaussians` not a power of two.
        DataError: no recording that is long enough.
    """
    if rounds < 1 or gaussians < 1 or gaussians & (gaussians - 1):
        raise ConfigError(
            f"train_monophones needs rounds >= 1 and a power of two of Gaussians, got {rounds} and {gaussians}."
        )
    alphabet = ("", *sorted({letter for text in phonemes for letter in text}))
    usable = [
        (each.double(), text)
        for each, text in zip(features, phonemes, strict=True)
        if text and len(each) >= _STATES * (len(text) + 2)
    ]
    if not usable:
        raise DataError("No recording has three frames for each of its phonemes and for silence at both ends.")
    frames = torch.cat([each for each, _ in usable])
    floor = _LEAST_VARIANCE * frames.var(dim=0)
    count, width = _STATES * len(alphabet), frames.shape[1]
    model = MonophoneHMM(
        alphabet,
        frames.mean(dim=0).expand(count, 1, width).clone(),
        frames.var(dim=0).expand(count, 1, width).clone(),
        torch.zeros(count, 1, dtype=torch.float64),
        torch.full((count,), 0.7, dtype=torch.float64).log(),
    )
    splits = gaussians.bit_length() - 1
    grow_at = {round(rounds * (number + 1) / (splits + 1)) for number in range(splits)}
    for number in range(rounds):
        if number == 0:
            paths = [_uniform(model._chain(text, len(each))[0], len(each)) for each, text in usable]
        else:
            paths = [model.align(each, text) for each, text in usable]
        if number in grow_at:
            model = _split(model)
        model = _estimate(model, frames, torch.cat(paths), _stays(paths, count), floor)
    return model


def _uniform(states: Tensor, frames: int) -> Tensor:
    """Every state for as long as any other."""
    return states[torch.arange(frames) * len(states) // frames]


def _viterbi(likelihoods: Tensor, log_stay: Tensor, skip: int) -> Tensor:
    """Places in a chain of S states for each frame, `(T,)`, the likeliest; `skip` states may be left out at an end."""
    frames, count = likelihoods.shape
    log_leave = _log_leave(log_stay)
    score = torch.full((count,), _NEVER, dtype=likelihoods.dtype)
    score[0] = likelihoods[0, 0]
    score[skip] = likelihoods[0, skip]
    moved_at = torch.zeros(frames, count, dtype=torch.bool)
    for frame in range(1, frames):
        stay = score + log_stay
        moved = torch.full_like(score, _NEVER)
        moved[1:] = (score + log_leave)[:-1]
        moved_at[frame] = moved > stay
        score = torch.maximum(moved, stay) + likelihoods[frame]
    place = count - 1 if score[-1] >= score[-1 - skip] else count - 1 - skip
    path = torch.empty(frames, dtype=torch.int64)
    for frame in range(frames - 1, -1, -1):
        path[frame] = place
        place -= int(moved_at[frame, place])
    return path


def _per_gaussian(model: MonophoneHMM, features: Tensor) -> Tensor:
    """Weighted log-density of each frame under each Gaussian, `(T, N, M)`."""
    features = features.to(model.means.dtype)
    precision = 1 / model.variances
    # (x - m)^2 / v = x^2 / v - 2 x m / v + m^2 / v, as products of matrices.
    squared = (
        torch.einsum("td,nmd->tnm", features.square(), precision)
        - 2 * torch.einsum("td,nmd->tnm", features, model.means * precision)
        + (model.means.square() * precision).sum(dim=2)
    )
    constant = model.log_weights - 0.5 * (model.variances.log().sum(dim=2) + features.shape[1] * _LOG_2PI)
    return constant - 0.5 * squared


def _estimate(model: MonophoneHMM, frames: Tensor, states: Tensor, stays: Tensor, floor: Tensor) -> MonophoneHMM:
    """Gaussians and weights from the frames of each state, by one step of EM within the state."""
    means, variances, log_weights = model.means.clone(), model.variances.clone(), model.log_weights.clone()
    for state in states.unique().tolist():
        own = frames[states == state]
        within = MonophoneHMM(
            model.phonemes, model.means[state, None], model.variances[state, None], model.log_weights[state, None],
            model.log_stay[state, None],
        )  # fmt: skip
        share = _per_gaussian(within, own)[:, 0].softmax(dim=1)  # (T, M)
        weight = share.sum(dim=0)
        enough = weight > 2  # a Gaussian of two frames would be those frames
        mean = share.T @ own / weight.clamp_min(1e-6)[:, None]
        variance = share.T @ own.square() / weight.clamp_min(1e-6)[:, None] - mean.square()
        means[state, enough] = mean[enough]
        variances[state, enough] = torch.maximum(variance[enough], floor)
        log_weights[state] = ((weight + 0.1) / (weight + 0.1).sum()).log()
    return MonophoneHMM(model.phonemes, means, variances, log_weights, stays.log())


def _stays(paths: Sequence[Tensor], count: int) -> Tensor:
    """How often a state is followed by itself, `(N,)`, each seen twice in advance."""
    stayed, seen = torch.ones(count, dtype=torch.float64), torch.full((count,), 2.0, dtype=torch.float64)
    for path in paths:
        seen += torch.bincount(path[:-1], minlength=count)
        stayed += torch.bincount(path[:-1][path[1:] == path[:-1]], minlength=count)
    return stayed / seen


def _split(model: MonophoneHMM) -> MonophoneHMM:
    """Each Gaussian as two, a fifth of the spread to either side."""
    step = 0.2 * model.variances.sqrt()
    return MonophoneHMM(
        model.phonemes,
        torch.cat([model.means - step, model.means + step], dim=1),
        model.variances.repeat(1, 2, 1),
        model.log_weights.repeat(1, 2) - torch.tensor(2.0, dtype=torch.float64).log(),
        model.log_stay,
    )


def _log_leave(log_stay: Tensor) -> Tensor:
    return torch.log1p(-log_stay.exp())
