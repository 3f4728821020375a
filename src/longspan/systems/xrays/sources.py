"""Source tasks of a transfer to chest X-rays, and the tests of what makes a source good."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import longspan as ls

__all__ = ["CONDITIONS", "SOURCES", "source_tasks"]

HANDS, DIGITS, NOISE = "hands", "digits", "noise"
SHUFFLED, SMALL = "hands, labels shuffled", "hands, 100 only"
SOURCES = (HANDS, DIGITS, NOISE, SHUFFLED, SMALL)
"""Tasks that a network is trained on first."""
CONDITIONS: Mapping[str, tuple[str, str]] = {
    "same kind of input": (HANDS, DIGITS),
    "more source rows than target rows": (HANDS, SMALL),
    "low-level features of use": (HANDS, NOISE),
    "labels that the images show": (HANDS, SHUFFLED),
}
"""By condition: the source that meets it, and the one in which it is broken."""
_AGES = (60.0, 108.0, 144.0, 168.0)  # months that separate the classes of the hands
_SMALL_ROWS = 100


def source_tasks(rows: int, size_px: int, *, seed: int = 0) -> dict[str, ls.Task]:
    """Tasks `image -> finding` by name: grey images at one size, all for training.

    Hands are classified by bone age in five bands. Noise has as many classes, drawn by lot, and so nothing to learn
    but noise.

    Args:
        rows: Images of each source, fewer where there are no more.
        size_px: Height and width.
        seed: Of the rows that are drawn, of noise and of shuffled labels.
    """
    random = np.random.default_rng([seed, 77])
    hands = ls.datasets.load("bone-age", accept_small=True)
    hands = hands.sample(min(rows, len(hands)), seed=seed)
    ages = np.searchsorted(_AGES, hands.column_values("age_months"), side="right")
    bands = [f"band {each}" for each in ages]
    digits = ls.datasets.load("mnist")
    digits = digits.sample(min(rows, len(digits)), seed=seed)
    noise = random.integers(0, 256, (len(hands), 28, 28), dtype=np.uint8)
    few = min(_SMALL_ROWS, max(10, len(hands) // 4))
    images = hands.column_values("image")
    found = {
        HANDS: (images, bands),
        DIGITS: (np.stack([np.asarray(each) for each in digits.column_values("image")]), digits.column_values("digit")),
        NOISE: (noise, [f"class {each}" for each in random.integers(0, 5, len(noise))]),
        SHUFFLED: (images, [bands[row] for row in random.permutation(len(bands))]),
        SMALL: (images[:few], bands[:few]),
    }
    column = ls.Image(channels=1, resize="stretch")
    tasks = {}
    for name, (pixels, labels) in found.items():
        table = ls.Table.from_arrays(
            {"image": pixels, "finding": [str(each) for each in labels]},
            {"image": column, "finding": ls.Category()},
        )
        split = table.split(valid=0)
        tasks[name] = ls.Task(split, inputs="image", targets="finding", size_px=(size_px, size_px), allow_leaks=True)
    return tasks
