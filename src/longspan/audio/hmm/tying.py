"""States of phonemes between neighbours, tied by decision trees."""

# C contexts of a state, Q questions, D features, P phonemes

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from longspan.audio.hmm.model import STATES, PhonemeHMM
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["tie_states"]

_LEAST_FRAMES = 60.0  # of a leaf
_LEAST_GAIN = 30.0  # in log-likelihood, of a split


@final
@dataclass(frozen=True, slots=True)
class _Leaf:
    """Contexts that share a state."""

    phoneme: int
    state: int
    contexts: np.ndarray
    """`(C, 2)` the phonemes before and behind."""
    sums: np.ndarray
    """`(C, 1 + 2 D)`: frames, sums and sums of squares of each context."""


def tie_states(
    monophones: PhonemeHMM, aligned: Sequence[tuple[Tensor, str, Tensor]], most: int
) -> tuple[PhonemeHMM, Tensor]:
    """States with one Gaussian each: every state of every phoneme is divided by questions about its neighbours.

    The split that raises the log-likelihood of the frames most is made first, until there are `most` states, or no
    split gains 30 with 60 frames on either side. Questions are sets of phonemes, found by joining those whose sounds
    are nearest, one pair after another. Contexts that no recording has follow the questions too.

    Source: Young, Odell, Woodland 1994, "Tree-based state tying for high accuracy acoustic modelling".
    Differs: questions by clustering, as in Kaldi, in place of sets that phoneticians wrote.

    Args:
        monophones: What aligned the frames.
        aligned: Of each recording features `(T, D)`, phonemes, and the place of each frame in the chain of states.
        most: States of all phonemes together.

    Returns:
        The model, and the variance of all frames, `(D,)`.
    """
    questions = _questions(monophones)
    sums = _sums(monophones, aligned)
    count = len(monophones.phonemes)
    leaves: list[_Leaf] = []
    for phoneme in range(count):
        for state in range(STATES):
            found = {key: value for key, value in sums.items() if key[1] == phoneme and key[3] == state}
            contexts = np.array([(key[0], key[2]) for key in found], np.int64).reshape(-1, 2)
            stacked = np.stack(list(found.values())) if found else np.zeros((0, 1 + 2 * monophones.means.shape[2]))
            leaves.append(_Leaf(phoneme, state, contexts, stacked))
    table = np.empty((count, count, count, STATES), np.int64)  # before, phoneme, behind, state
    for number, leaf in enumerate(leaves):
        table[:, leaf.phoneme, :, leaf.state] = number
    _grow(leaves, table, questions, most)
    overall = sum((leaf.sums.sum(axis=0) for leaf in leaves), np.zeros(1 + 2 * monophones.means.shape[2]))
    mean, variance = _normal(overall)
    kind = monophones.means.dtype
    means, variances = np.tile(mean, (len(leaves), 1)), np.tile(variance, (len(leaves), 1))
    for number, leaf in enumerate(leaves):
        total = leaf.sums.sum(axis=0)
        if total[0] > 2:
            means[number], variances[number] = _normal(total)
    stay = [monophones.log_stay[STATES * leaf.phoneme + leaf.state] for leaf in leaves]
    model = replace(
        monophones,
        means=torch.from_numpy(means)[:, None].to(kind),
        variances=torch.maximum(torch.from_numpy(variances), 0.01 * torch.from_numpy(variance))[:, None].to(kind),
        log_weights=torch.zeros(len(leaves), 1, dtype=kind),
        log_stay=torch.stack(stay),
        tied=torch.from_numpy(table),
    )
    return model, torch.from_numpy(variance)


def _sums(monophones: PhonemeHMM, aligned: Sequence[tuple[Tensor, str, Tensor]]) -> dict[tuple[int, ...], np.ndarray]:
    """Frames, sums and sums of squares by phoneme before, phoneme, phoneme behind, and state."""
    index = {phoneme: place for place, phoneme in enumerate(monophones.phonemes)}
    found: dict[tuple[int, ...], np.ndarray] = {}
    for features, text, path in aligned:
        keys: list[tuple[int, ...]] = [(0, 0, 0, state) for state in range(STATES)]
        for word in text.split():
            for place, letter in enumerate(word):
                before = index[word[place - 1]] if place else 0
                behind = index[word[place + 1]] if place + 1 < len(word) else 0
                keys += [(before, index[letter], behind, state) for state in range(STATES)]
            keys += [(0, 0, 0, state) for state in range(STATES)]
        wide = torch.cat([torch.ones(len(features), 1), features, features.square()], dim=1).double()
        totals = torch.zeros(len(keys), wide.shape[1], dtype=torch.float64).index_add(0, path, wide).numpy()
        for key, total in zip(keys, totals, strict=True):
            if total[0]:
                found[key] = found[key] + total if key in found else total
    return found


def _questions(monophones: PhonemeHMM) -> np.ndarray:
    """`(Q, P)` bool: sets of phonemes that sound alike, each phoneme by itself among them."""
    from scipy.cluster.hierarchy import linkage

    count = len(monophones.phonemes)
    weights = monophones.log_weights.exp()[:, :, None]
    middle = (weights * monophones.means).sum(dim=1)[1::STATES].double().numpy()
    sets = [{place} for place in range(count)]
    if count > 2:
        for one, other in linkage(middle[1:], method="ward")[:, :2].astype(int):  # silence stays by itself
            sets.append(sets[one + 1] | sets[other + 1])
    return np.array([[place in members for place in range(count)] for members in sets])


def _grow(leaves: list[_Leaf], table: np.ndarray, questions: np.ndarray, most: int) -> None:
    """Split leaves in place, the greatest gain first; `table` follows."""
    queue: list[tuple[float, int, int, int]] = []

    def offer(number: int) -> None:
        best = _best_question(leaves[number], questions)
        if best is not None:
            heapq.heappush(queue, (-best[0], number, best[1], best[2]))

    for number in range(len(leaves)):
        offer(number)
    while queue and len(leaves) < most:
        _, number, side, question = heapq.heappop(queue)
        leaf = leaves[number]
        yes = questions[question][leaf.contexts[:, side]]
        new = len(leaves)
        leaves.append(_Leaf(leaf.phoneme, leaf.state, leaf.contexts[yes], leaf.sums[yes]))
        leaves[number] = _Leaf(leaf.phoneme, leaf.state, leaf.contexts[~yes], leaf.sums[~yes])
        own = table[:, leaf.phoneme, :, leaf.state]
        asked = questions[question][:, None] if side == 0 else questions[question][None, :]
        own[(own == number) & asked] = new
        offer(number)
        offer(new)


def _best_question(leaf: _Leaf, questions: np.ndarray) -> tuple[float, int, int] | None:
    """Gain, side (0 before, 1 behind) and number of the best question; None if none is good enough."""
    if len(leaf.contexts) < 2 or leaf.phoneme == 0:
        return None
    total = leaf.sums.sum(axis=0)
    whole = _log_likelihood(total[None])[0]
    best: tuple[float, int, int] | None = None
    for side in (0, 1):
        yes = questions[:, leaf.contexts[:, side]].astype(np.float64) @ leaf.sums
        no = total - yes
        gains = _log_likelihood(yes) + _log_likelihood(no) - whole
        gains[(yes[:, 0] < _LEAST_FRAMES) | (no[:, 0] < _LEAST_FRAMES)] = -np.inf
        question = int(gains.argmax())
        if gains[question] > _LEAST_GAIN and (best is None or gains[question] > best[0]):
            best = (float(gains[question]), side, question)
    return best


def _log_likelihood(sums: np.ndarray) -> np.ndarray:
    """Of frames under the Gaussian of their own mean and variance, but for a constant: `(Q,)` from `(Q, 1 + 2 D)`."""
    frames = np.maximum(sums[:, :1], 1e-9)
    width = (sums.shape[1] - 1) // 2
    variance = np.maximum(sums[:, 1 + width :] / frames - (sums[:, 1 : 1 + width] / frames) ** 2, 1e-3)
    return -0.5 * sums[:, 0] * np.log(variance).sum(axis=1)


def _normal(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance."""
    width = (len(sums) - 1) // 2
    mean = sums[1 : 1 + width] / max(sums[0], 1e-9)
    return mean, np.maximum(sums[1 + width :] / max(sums[0], 1e-9) - mean**2, 1e-6)
