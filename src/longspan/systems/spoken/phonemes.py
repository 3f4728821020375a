"""The middle way: what a recording sounds like, as phonemes, and the digits that they spell."""

from __future__ import annotations

from typing import Any

from longspan.metrics.edit_distance import edit_distance

__all__ = ["SOUNDS", "digits_of_phonemes", "phonemes_of_number"]

SOUNDS: dict[str, tuple[str, ...]] = {
    "0": ("zIro", "ziro"), "1": ("wAn",), "2": ("tu",), "3": ("Tri",), "4": ("fcr",), "5": ("fYv",),
    "6": ("sIks",), "7": ("sEvAn",), "8": ("et",), "9": ("nYn",),
}  # fmt: skip
"""Pronunciations of the digits, the usual one first, in ARPAbet's one-letter form (see `longspan.text.phonemes`)."""

_STRAY_COST = 1.0  # a phoneme that belongs to no digit
_WRONG_COST = 3.5  # a digit of which every phoneme is wrong
_MOST_PHONEMES = 8


def phonemes_of_number(_: dict[str, Any], ground_truth: dict[str, Any]) -> str:
    """The phonemes of a recording whose `number` is known."""
    return "".join(SOUNDS[digit][0] for digit in ground_truth["number"])


def digits_of_phonemes(phonemes: str) -> str:
    """The digits whose pronunciations are nearest to a string of phonemes.

    Source: one-pass dynamic programming of connected words, Ney 1984, "The use of a one-stage dynamic programming
    algorithm for connected word recognition". Differs: a digit costs the fraction of its phonemes that are wrong, in
    place of distances of frames.

    Example:
        >>> digits_of_phonemes("sEvAnetwA")
        '781'
    """
    # best[i]: what whole digits cost that account for the first i phonemes, and the digits.
    best: list[tuple[float, str]] = [(0.0, "")]
    for end in range(1, len(phonemes) + 1):
        cost, digits = best[end - 1]
        found = (cost + _STRAY_COST, digits)
        for start in range(max(0, end - _MOST_PHONEMES), end):
            for digit, sounds in SOUNDS.items():
                distance = min(edit_distance(phonemes[start:end], each) / len(each) for each in sounds)
                total = best[start][0] + distance * _WRONG_COST
                if total < found[0]:
                    found = (total, best[start][1] + digit)
        best.append(found)
    return best[-1][1]
