"""Hidden Markov models of phonemes with Gaussian mixtures, one set of states each or states tied by neighbours."""

# T frames, D features, N states of all phonemes, S states of a chain, M Gaussians of a state, P phonemes

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from longspan.audio.hmm.chains import Chain, viterbi
from longspan.errors import ConfigError, DataError
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["STATES", "PhonemeHMM"]

_LOG_2PI = 1.8378770664093453
_NEVER = -1e10
STATES = 3
"""Of a phoneme, passed from left to right."""


@final
@dataclass(frozen=True, slots=True)
class PhonemeHMM:
    """Three states a phoneme, passed from left to right; each a mixture of Gaussians with diagonal covariance.

    The first phoneme is silence, which may stand at both ends of a recording, between words, and between any two
    phonemes of a loop. A text of phonemes has one character for each; a blank parts words.

    With `tied`, the states of a phoneme depend on the phonemes before and behind it in its word; the edge of a word
    counts as silence.

    Source: Rabiner 1989, "A tutorial on hidden Markov models and selected applications in speech recognition",
    sections 3 to 5; tied states: Young, Odell, Woodland 1994, "Tree-based state tying for high accuracy acoustic
    modelling". Differs: each state has one probability to stay, learned by counting, and silence is free to enter.
    """

    phonemes: tuple[str, ...]
    """One character each; "" is silence, the first."""
    means: Tensor
    """`(N, M, D)`; without `tied`, states of phoneme p are 3 p, 3 p + 1 and 3 p + 2."""
    variances: Tensor
    """`(N, M, D)`."""
    log_weights: Tensor
    """`(N, M)`."""
    log_stay: Tensor
    """`(N,)` log-probability that the next frame has the same state."""
    tied: Tensor | None = None
    """`(P, P, P, 3)` int64: the states of a phoneme (second) between two others (first and third); None: its own."""

    @property
    def num_states(self) -> int:
        """N."""
        return len(self.means)

    def states_of(self, left: str, phoneme: str, right: str) -> tuple[int, ...]:
        """The three states of a phoneme between two others, where "" is the edge of a word.

        Raises:
            DataError: a phoneme that is not known.
        """
        places = [self._place(each) for each in (left, phoneme, right)]
        if self.tied is None:
            return tuple(STATES * places[1] + state for state in range(STATES))
        return tuple(self.tied[places[0], places[1], places[2]].tolist())

    def log_likelihoods(self, features: Tensor, states: Tensor | None = None) -> Tensor:
        """Of each frame in each state, `(T, N)`, or in some states, from features `(T, D)`."""
        return self.per_gaussian(features, states).logsumexp(dim=2)

    def per_gaussian(self, features: Tensor, states: Tensor | None = None) -> Tensor:
        """Weighted log-density of each frame under each Gaussian of all or some states, `(T, N, M)`."""
        means, variances, log_weights = self.means, self.variances, self.log_weights
        if states is not None:
            means, variances, log_weights = means[states], variances[states], log_weights[states]
        features = features.to(means.dtype)
        precision = 1 / variances
        # (x - m)^2 / v = x^2 / v - 2 x m / v + m^2 / v, as one product of matrices.
        weights = torch.cat([precision, -2 * means * precision], dim=2).flatten(0, 1)  # (N M, 2 D)
        squared = (torch.cat([features.square(), features], dim=1) @ weights.T).unflatten(1, means.shape[:2])
        constant = log_weights - 0.5 * (
            variances.log().sum(dim=2) + features.shape[1] * _LOG_2PI + (means.square() * precision).sum(dim=2)
        )
        return constant - 0.5 * squared

    def chain(self, phonemes: str, frames: int) -> Chain:
        """The states of silence, the phonemes, silence; that at the ends and at blanks may be skipped.

        Raises:
            DataError: fewer frames than states, or a phoneme that is not known.
        """
        words = phonemes.split()
        count = sum(map(len, words))
        for letter in "".join(words):
            self._place(letter)
        if frames < STATES * count or not count:
            raise DataError(f"{count} phonemes take {max(1, STATES * count)} frames, and there are {frames}.")
        silence = self.states_of("", "", "")
        states, optional = [*silence], [0]
        for word in words:
            for place, letter in enumerate(word):
                states += self.states_of(word[place - 1] if place else "", letter, word[place + 1 : place + 2])
            optional.append(len(states))
            states += silence
        return Chain(torch.tensor(states), tuple(optional), STATES)

    def align(self, features: Tensor, phonemes: str) -> Tensor:
        """The likeliest state of each frame, `(T,)`, if these phonemes are spoken.

        Raises:
            DataError: fewer frames than states, or a phoneme that is not known.
        """
        chain = self.chain(phonemes, len(features))
        likelihoods = self.log_likelihoods(features)[:, chain.states]
        (path,) = viterbi([likelihoods], [chain], self.log_stay)
        return chain.states[path]

    def recognise(self, features: Tensor, *, phoneme_cost: float = 4.0) -> str:
        """The likeliest phonemes, any after any; silence is left out.

        Args:
            features: `(T, D)`.
            phoneme_cost: For each phoneme, in nats: a loop without one finds too many.

        Raises:
            ConfigError: states are tied by neighbours, which a loop of single phonemes does not know.
        """
        if self.tied is not None:
            raise ConfigError(
                "A model with tied states has no loop of single phonemes. Find words with StateSearch, or train "
                "monophones."
            )
        likelihoods = self.log_likelihoods(features)
        count = len(self.phonemes)
        first, last = torch.arange(count) * STATES, torch.arange(count) * STATES + STATES - 1
        log_leave = torch.log1p(-self.log_stay.exp())
        score = torch.full((count * STATES,), _NEVER, dtype=likelihoods.dtype)
        score[first] = likelihoods[0, first]
        came_from = torch.zeros(len(features), count * STATES, dtype=torch.int64)
        own = torch.arange(count * STATES)
        for frame in range(1, len(features)):
            stay = score + self.log_stay
            moved = torch.full_like(score, _NEVER)
            moved[1:] = (score + log_leave)[:-1]
            origin = own - 1
            exits = (score + log_leave)[last]
            best = int(exits.argmax())
            moved[first] = exits[best] - phoneme_cost
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
        entered = [state for state in reversed(path) if state % STATES == 0]
        return "".join(self.phonemes[state // STATES] for state in entered)

    def _place(self, phoneme: str) -> int:
        if phoneme not in self.phonemes:
            raise DataError(f"{phoneme!r} is a phoneme that the models were not trained on.")
        return self.phonemes.index(phoneme)
