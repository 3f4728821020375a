"""The middle way: what a recording sounds like, as phonemes, and the digits that they spell."""

from __future__ import annotations

from typing import Any

__all__ = ["SOUNDS", "digits_of_phonemes", "phonemes_of_number"]

SOUNDS: dict[str, tuple[str, ...]] = {
    "0": ("zIro", "ziro"), "1": ("wAn",), "2": ("tu",), "3": ("Tri",), "4": ("fcr",), "5": ("fYv",),
    "6": ("sIks",), "7": ("sEvAn",), "8": ("et",), "9": ("nYn",),
}  # fmt: skip
"""Pronunciations of the digits, the usual one first, in ARPAbet's one-letter form (see `longspan.text.phonemes`)."""

_DIGIT_COST = 0.6  # edits: a digit supported by no phoneme of its own costs more than leaving a stray phoneme out


def phonemes_of_number(_: dict[str, Any], ground_truth: dict[str, Any]) -> str:
    """The phonemes of a recording whose `number` is known."""
    return "".join(SOUNDS[digit][0] for digit in ground_truth["number"])


def digits_of_phonemes(phonemes: str) -> str:
    """The digits whose pronunciations are the fewest edits away from a string of phonemes.

    Source: one-pass dynamic programming of connected words, Ney 1984, "The use of a one-stage dynamic programming
    algorithm for connected word recognition", over edits in place of distances of frames.

    Example:
        >>> digits_of_phonemes("sEvAnetwA")
        '781'
    """
    # best[i]: fewest edits of whole digits that account for the first i phonemes, the digits, and where the last began.
    best: list[tuple[float, str]] = [(0.0, "")]
    for end in range(1, len(phonemes) + 1):
        cost, digits = best[end - 1]
        found = (cost + 1.0, digits)  # a stray phoneme
        for start in range(max(0, end - 8), end):
            for digit, sounds in SOUNDS.items():
                edits = min(_edits(phonemes[start:end], each) / max(1.0, len(each) / 3) for each in sounds)
                total = best[start][0] + edits * _DIGIT_COST * 2 + 1e-3
                if total < found[0]:
                    found = (total, best[start][1] + digit)
        best.append(found)
    return best[-1][1]


def _edits(one: str, other: str) -> int:
    from longspan.metrics.edit_distance import edit_distance

    return edit_distance(one, other)
