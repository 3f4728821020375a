"""Connectionist temporal classification: the likelihood of a text, and the likeliest texts.

A network gives at each of T steps the probabilities of K characters and of a blank, class 0. A path takes one class per
step; it spells what is left when equal neighbours are merged and blanks are dropped. The probability of a text is the
sum over the paths that spell it.

Source: Graves, Fernandez, Gomez, Schmidhuber 2006, "Connectionist temporal classification", sections 3 and 4.
Texts here are character numbers from 0 to K - 1: class 1 is character 0.
"""

# B rows, T steps, C = 1 + K classes, W beginnings, L characters of the longest text

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["BLANK", "beam_search", "best_paths", "pad_texts", "steps_needed", "text_losses"]

BLANK = 0
"""The class that stands for no character."""

_NO_PATH = 100.0  # nats: a finite loss for a text that no path spells, above what single precision calls 0
_HASH = 6364136223846793005  # an odd factor (Knuth's), so that products modulo 2^64 stay apart


def steps_needed(texts: Tensor) -> Tensor:
    """Fewest steps of a path that spells each text, `(B,)`: its characters, and a blank between equal neighbours."""
    there = texts >= 0
    return there.sum(dim=1) + ((texts[:, 1:] == texts[:, :-1]) & there[:, 1:]).sum(dim=1)


def text_losses(log_probs: Tensor, texts: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Negative log-likelihood of each text, `(B,)` float32, nats.

    A text that takes more steps than there are gets 100 nats without a gradient, since infinity would spoil the whole
    batch.

    Args:
        log_probs: `(B, T, C)` log-probabilities.
        texts: `(B, L)` int64 character numbers, -1 after the last.
        lengths: `(B,)` int64 steps of each row; None: all of them.
    """
    rows, steps, _ = log_probs.shape
    counts = torch.full((rows,), steps, dtype=torch.int64) if lengths is None else lengths.cpu()
    # On the CPU wherever the network runs: the gradients of the CUDA kernel differ from run to run, MPS has none.
    here = texts.cpu()
    losses = F.ctc_loss(
        log_probs.float().cpu().transpose(0, 1),
        (here + 1).clamp_min(0),
        counts,
        (here >= 0).sum(dim=1),
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    return torch.where(steps_needed(here) <= counts, losses, _NO_PATH).to(log_probs.device)


def best_paths(probs: Tensor) -> list[list[int]]:
    """What the likeliest path of each row spells (Graves et al. 2006, section 3.2, best path decoding)."""
    best = probs.argmax(dim=2)
    keep = best != BLANK
    keep[:, 1:] &= best[:, 1:] != best[:, :-1]
    return [(path[kept] - 1).tolist() for path, kept in zip(best, keep, strict=True)]


def beam_search(probs: Tensor, width: int) -> list[list[int]]:
    """The likeliest text of each row, looked for among the `width` likeliest beginnings at every step.

    With a width that holds every beginning it is exact.

    Source: Graves et al. 2006, section 3.2 (prefix search); Hannun 2017, "Sequence modeling with CTC", whose algorithm
    this is: of each beginning it adds up the paths that end in a blank apart from those that do not.
    Differs: all rows at once; two beginnings are taken for one when 64 bits of a hash agree; no language model.

    Args:
        probs: `(B, T, C)` probabilities.
        width: W, how many beginnings are kept.
    """
    rows, steps, _ = probs.shape
    beam = _empty_beam(rows, width, steps, probs.device)
    for now in probs.double().unbind(dim=1):
        beam = _grown(beam, now)
    best = (beam.blank + beam.other).argmax(dim=1).tolist()
    return [beam.texts[row, place, : beam.lengths[row, place]].tolist() for row, place in enumerate(best)]


@final
@dataclass(frozen=True, slots=True)
class _Beam:
    """W beginnings of a text for each row; all fields `(B, W)` but `texts`."""

    blank: Tensor
    """Probability of the paths so far that spell the beginning and end in a blank; only ratios count."""
    other: Tensor
    """The same of those that end in its last character."""
    last: Tensor
    """Class of the last character; BLANK for the empty beginning."""
    key: Tensor
    """Hash of the beginning."""
    parent: Tensor
    """Hash of the beginning without its last character."""
    lengths: Tensor
    texts: Tensor
    """`(B, W, T)`, -1 after the last character."""


def _empty_beam(rows: int, width: int, steps: int, device: torch.device) -> _Beam:
    """The empty beginning with probability 1, and places with probability 0 whose hashes no text has."""
    key = -torch.arange(width, device=device).expand(rows, width)
    none = torch.zeros_like(key)
    blank = torch.zeros(rows, width, dtype=torch.float64, device=device)
    blank[:, 0] = 1
    texts = torch.full((rows, width, steps), -1, dtype=torch.int64, device=device)
    return _Beam(blank, torch.zeros_like(blank), none, key, key - width, none, texts)


def _grown(beam: _Beam, now: Tensor) -> _Beam:
    """The likeliest beginnings one step later, from the probabilities `now` of that step, `(B, C)`."""
    rows, width = beam.key.shape
    classes = now.shape[1]
    total = beam.blank + beam.other
    repeated = now.gather(1, beam.last)  # probability of the last character once more
    # A beginning stays as it is by a blank, or by its last character again, which merges with the one before.
    stay_blank = total * now[:, BLANK, None]
    stay_other = torch.where(beam.last == BLANK, 0.0, beam.other * repeated)
    # It grows by any character, but by its last one only behind a blank.
    grow = total[:, :, None] * now[:, None]  # (B, W, C)
    grow.scatter_(2, beam.last[:, :, None], (beam.blank * repeated)[:, :, None])
    grow[:, :, BLANK] = 0
    # Where beginning i, grown, is beginning j of the beam, the two are one: i's share goes to j.
    same = (beam.key[:, :, None] == beam.parent[:, None]) & (total > 0)[:, None]  # (B, i, j)
    last_of_j = beam.last[:, None].expand(rows, width, width)
    moved = torch.where(same, grow.gather(2, last_of_j), 0.0)
    stay_other = stay_other + moved.sum(dim=1)
    grow = grow.scatter_add(2, last_of_j, -moved)

    best, chosen = torch.cat([stay_blank + stay_other, grow.flatten(1)], dim=1).topk(width, dim=1)
    grew = chosen >= width
    source = torch.where(grew, (chosen - width) // classes, chosen)
    last = torch.where(grew, (chosen - width) % classes, beam.last.gather(1, source))
    scale = best[:, :1].clamp_min(torch.finfo(torch.float64).tiny)  # or products of many steps would vanish
    key, lengths = beam.key.gather(1, source), beam.lengths.gather(1, source)
    texts = beam.texts.gather(1, source[:, :, None].expand_as(beam.texts))
    end = lengths.clamp_max(texts.shape[2] - 1)[:, :, None]
    texts.scatter_(2, end, torch.where(grew[:, :, None], last[:, :, None] - 1, texts.gather(2, end)))
    return _Beam(
        blank=torch.where(grew, 0.0, stay_blank.gather(1, source)) / scale,
        other=torch.where(grew, best, stay_other.gather(1, source)) / scale,
        last=last,
        key=torch.where(grew, key * _HASH + last, key),
        parent=torch.where(grew, key, beam.parent.gather(1, source)),
        lengths=lengths + grew,
        texts=texts,
    )


def pad_texts(texts: list[list[int]]) -> Tensor:
    """Texts of several lengths as `(B, L)` int64, -1 after the last character; L is at least 1."""
    padded = torch.full((len(texts), max([1, *map(len, texts)])), -1, dtype=torch.int64)
    for row, text in enumerate(texts):
        padded[row, : len(text)] = torch.tensor(text, dtype=torch.int64)
    return padded
