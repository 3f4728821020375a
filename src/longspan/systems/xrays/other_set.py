"""Where radiographs differ from those that a network was trained on: said before its errors are believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import longspan as ls
from longspan.vision.image_io import MAX_PIXELS, read_pixels

__all__ = ["how_they_differ", "looks_inverted", "picture_facts"]

_FAR = 0.8
"""Standardised mean difference from which a set counts as different: large by Cohen's rule."""
_FEW = 5
_MOST = 400  # radiographs read of each set
_NAMES = ("mean brightness", "contrast", "brightness of the border", "height to width")


def picture_facts(images: Sequence[object]) -> np.ndarray:
    """`(N, 4)`: mean brightness, contrast, brightness of the border (0 to 1), and height to width of radiographs."""
    rows = []
    for image in images:
        pixels = np.asarray(read_pixels(image, "L", MAX_PIXELS), np.float64) / 255
        height, width = pixels.shape
        edge = max(1, min(height, width) // 12)
        inside = pixels[edge:-edge, edge:-edge]
        border = (pixels.sum() - inside.sum()) / max(pixels.size - inside.size, 1)
        rows.append((pixels.mean(), pixels.std(), border, height / width))
    return np.array(rows).reshape(-1, 4)


def looks_inverted(image: object) -> bool:
    """Whether bones are dark on a light ground: the border is much brighter than the middle."""
    pixels = np.asarray(read_pixels(image, "L", MAX_PIXELS), np.float64) / 255
    height, width = pixels.shape
    edge = max(1, min(height, width) // 12)
    border = np.concatenate([pixels[:edge].ravel(), pixels[-edge:].ravel(), pixels[:, :edge].ravel()])
    middle = pixels[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    return bool(border.mean() > middle.mean() + 0.25)


def how_they_differ(known: ls.Table, new: ls.Table, *, seed: int = 0) -> list[str]:
    """Sentences that name what is different about new radiographs; empty where nothing is.

    Args:
        known: Those of the training: `image`, and where there are `sex` and `age_months`.
        new: The others, with the same columns.
        seed: Of the sample that is read of larger sets.
    """
    said = []
    images = [list(table.sample(min(_MOST, len(table)), seed=seed).column_values("image")) for table in (known, new)]
    facts = [picture_facts(each) for each in images]
    if len(new) < _FEW:
        said.append(f"There are only {len(new)} of them: too few to see how they differ.")
    spread = facts[0].std(axis=0) + 1e-9
    for place, name in enumerate(_NAMES):
        apart = (facts[1][:, place].mean() - facts[0][:, place].mean()) / spread[place]
        if abs(apart) >= _FAR:
            more = "higher" if apart > 0 else "lower"
            said.append(
                f"{name} is {more}: {facts[1][:, place].mean():.2f}, {facts[0][:, place].mean():.2f} in training."
            )
    inverted = sum(looks_inverted(image) for image in images[1])
    if inverted:
        said.append(
            f"{inverted} of {len(images[1])} look inverted, bones dark on a light ground: invert them first, the "
            "network has seen none or few."
        )
    if "age_months" in known.columns and "age_months" in new.columns:
        ages = [np.array([each for each in table.column_values("age_months") if each is not None], float)
                for table in (known, new)]  # fmt: skip
        low, high = ages[0].min(), ages[0].max()
        outside = int(((ages[1] < low) | (ages[1] > high)).sum())
        if outside > 0.02 * len(ages[1]):
            said.append(f"{outside} of {len(ages[1])} ages are outside of {low:.0f} to {high:.0f} months.")
    if "sex" in known.columns and "sex" in new.columns:
        males = [np.mean([each == "male" for each in table.column_values("sex")]) for table in (known, new)]
        if abs(males[0] - males[1]) > 0.15:
            said.append(f"{males[1]:.0%} are male, {males[0]:.0%} in training.")
    return said
