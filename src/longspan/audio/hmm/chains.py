"""Paths through chains of states: the likeliest one (Viterbi), and how likely each state is (forward-backward)."""

# B recordings, T frames, S states of a chain

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from longspan.lazy_torch import functional, torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Chain", "forward_backward", "viterbi"]

_NEVER = -1e10


@final
@dataclass(frozen=True, slots=True)
class Chain:
    """States in the order in which a recording passes them."""

    states: Tensor
    """`(S,)` int64."""
    optional: tuple[int, ...]
    """Places where a silence begins that may be skipped; the first and the last are the ends."""
    width: int
    """States of a silence."""

    def jumps(self) -> Tensor:
        """`(S,)` bool: whether a state may also be entered from before the silence in front of it."""
        found = torch.zeros(len(self.states), dtype=torch.bool)
        for place in self.optional[1:-1]:
            found[place + self.width] = True
        return found


@final
@dataclass(frozen=True, slots=True)
class _Batch:
    """Chains and likelihoods of several recordings, padded."""

    likelihoods: Tensor
    """`(B, T, S)`."""
    log_stay: Tensor
    """`(B, S)`."""
    log_leave: Tensor
    """`(B, S)`."""
    jumps: Tensor
    """`(B, S)` log-probability of 0 or never."""
    starts: Tensor
    """`(B, S)`: 0 where a path may start, else never."""
    ends: Tensor
    """`(B, S)`: 0 where it may end, else never."""
    frames: Tensor
    """`(B,)`."""
    reach: int
    """States that a jump passes, its end included."""

    def entered(self, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores `(B, S)` after one more frame: of staying, of moving on, and of skipping a silence."""
        left = scores + self.log_leave
        moved = functional.pad(left[:, :-1], (1, 0), value=_NEVER)
        jumped = functional.pad(left[:, : -self.reach], (self.reach, 0), value=_NEVER) + self.jumps
        return scores + self.log_stay, moved, jumped


def viterbi(likelihoods: Sequence[Tensor], chains: Sequence[Chain], log_stay: Tensor) -> list[Tensor]:
    """The likeliest place in its chain of each frame of each recording, `(T,)` int64.

    Args:
        likelihoods: Of each recording `(T, S)`, log-likelihoods of its frames in the states of its chain.
        chains: Of each recording.
        log_stay: `(N,)` of all states.
    """
    batch = _batch(likelihoods, chains, log_stay)
    # NumPy: a frame is a handful of operations on small arrays, which it starts faster than torch does.
    heard = batch.likelihoods.transpose(0, 1).contiguous().numpy()
    stay, leave, jumps = batch.log_stay.numpy(), batch.log_leave.numpy(), batch.jumps.numpy()
    frames, reach = batch.frames.numpy(), batch.reach
    score = batch.starts.numpy() + heard[0]
    choices = np.zeros(heard.shape, np.uint8)
    ended = score.copy()
    for frame in range(1, len(heard)):
        best, left = score + stay, score + leave
        moves = left[:, :-1] > best[:, 1:]
        choices[frame, :, 1:] = moves
        np.maximum(best[:, 1:], left[:, :-1], out=best[:, 1:])
        jumped = left[:, :-reach] + jumps[:, reach:]
        choices[frame, :, reach:][jumped > best[:, reach:]] = 2
        np.maximum(best[:, reach:], jumped, out=best[:, reach:])
        best += heard[frame]
        score = best
        for row in np.flatnonzero(frames == frame + 1):
            ended[row] = score[row]
    places = (ended + batch.ends.numpy()).argmax(axis=1)
    back, rows = np.array([0, 1, reach]), np.arange(len(places))
    paths = np.zeros((len(heard), len(places)), np.int64)
    for frame in range(len(heard) - 1, -1, -1):
        paths[frame] = places
        places = np.where(frame < frames, places - back[choices[frame, rows, places]], places)
    return [torch.from_numpy(paths[:count, row].copy()) for row, count in enumerate(frames.tolist())]


def forward_backward(
    likelihoods: Sequence[Tensor], chains: Sequence[Chain], log_stay: Tensor
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """How likely each place of its chain is at each frame, if the whole recording is known.

    Source: Baum, Petrie, Soules, Weiss 1970, "A maximization technique occurring in the statistical analysis of
    probabilistic functions of Markov chains".

    Returns:
        For each recording: probabilities `(T, S)`; expected numbers of frames after which each place stays, `(S,)`; and
        the log-likelihoods of the recordings, `(B,)`.
    """
    batch = _batch(likelihoods, chains, log_stay)
    frames = batch.likelihoods.shape[1]
    forward = [batch.starts + batch.likelihoods[:, 0]]
    for frame in range(1, frames):
        forward.append(torch.stack(batch.entered(forward[-1])).logsumexp(dim=0) + batch.likelihoods[:, frame])
    alpha = torch.stack(forward, dim=1)
    beta = torch.empty_like(alpha)
    after = batch.ends
    for frame in range(frames - 1, -1, -1):
        if frame + 1 < frames:
            heard = beta[:, frame + 1] + batch.likelihoods[:, frame + 1]
            moved = functional.pad(heard[:, 1:], (0, 1), value=_NEVER)
            jumped = functional.pad((heard + batch.jumps)[:, batch.reach :], (0, batch.reach), value=_NEVER)
            after = torch.stack([
                batch.log_stay + heard, batch.log_leave + moved, batch.log_leave + jumped
            ]).logsumexp(dim=0)  # fmt: skip
        beta[:, frame] = torch.where((frame + 1 < batch.frames)[:, None], after, batch.ends)
    rows = torch.arange(len(chains))
    totals = (alpha[rows, batch.frames - 1] + batch.ends).logsumexp(dim=1)
    gamma = (alpha + beta - totals[:, None, None]).exp()
    stays = alpha[:, :-1] + batch.log_stay[:, None] + batch.likelihoods[:, 1:] + beta[:, 1:] - totals[:, None, None]
    inside = torch.arange(1, frames)[None, :] < batch.frames[:, None]
    stayed = (stays.exp() * inside[:, :, None]).sum(dim=1)
    sizes = [(count, len(chain.states)) for count, chain in zip(batch.frames.tolist(), chains, strict=True)]
    return (
        [gamma[row, :count, :size] for row, (count, size) in enumerate(sizes)],
        [stayed[row, :size] for row, (_, size) in enumerate(sizes)],
        totals,
    )


def _batch(likelihoods: Sequence[Tensor], chains: Sequence[Chain], log_stay: Tensor) -> _Batch:
    frames = torch.tensor([len(each) for each in likelihoods])
    longest = max(len(chain.states) for chain in chains)
    shape = (len(chains), longest)
    kind = likelihoods[0].dtype
    padded = torch.full((len(chains), int(frames.max()), longest), _NEVER, dtype=kind)
    stay = torch.full(shape, -0.5, dtype=kind)
    jumps, starts, ends = (torch.full(shape, _NEVER, dtype=kind) for _ in range(3))
    for row, (each, chain) in enumerate(zip(likelihoods, chains, strict=True)):
        size = len(chain.states)
        padded[row, : len(each), :size] = each
        stay[row, :size] = log_stay[chain.states].to(kind)
        jumps[row, :size][chain.jumps()] = 0.0
        starts[row, [0, chain.width]] = 0.0
        ends[row, [size - 1, size - 1 - chain.width]] = 0.0
    return _Batch(padded, stay, torch.log1p(-stay.exp()), jumps, starts, ends, frames, 1 + chains[0].width)
