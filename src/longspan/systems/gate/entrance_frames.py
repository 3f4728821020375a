"""Made-up entrance frames: faces anywhere in photos without people, and who is on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from PIL import Image as PILImage

import longspan as ls
from longspan.errors import ConfigError

__all__ = ["FRAME", "Cast", "Frame", "Photos", "cast", "entrance_frame", "frames_of", "grounds_without_people"]

FRAME = (240, 320)
"""Height and width of a frame, pixels."""
Photos = dict[str, list[tuple[np.ndarray, dict[str, list[float]]]]]
"""Of each person: pixels, and where the five points of the face are in them."""


@final
@dataclass(frozen=True, slots=True)
class Frame:
    """A made-up entrance frame and what is known of it."""

    pixels: np.ndarray
    person: str
    points: dict[str, list[float]]


def entrance_frame(
    photo: np.ndarray, points: Mapping[str, Sequence[float]], ground: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, dict[str, list[float]]]:
    """A face, turned by up to 25 degrees and at 60 to 160 % of its size, anywhere in a photo without people.

    Args:
        photo: `(H, W, 3)` uint8.
        points: Of the face, pixels of the photo.
        ground: `(H, W, 3)` uint8, brought to 240 x 320 px.
        random: For size, turn and place.

    Returns:
        The frame `(240, 320, 3)` uint8, and where the points are in it.
    """
    height, width = photo.shape[:2]
    scale, degrees = random.uniform(0.6, 1.6), random.uniform(-25, 25)
    small = (round(width * scale), round(height * scale))
    face = PILImage.fromarray(photo).convert("RGBA").resize(small, PILImage.Resampling.BILINEAR)
    turned = face.rotate(degrees, PILImage.Resampling.BICUBIC, expand=True)
    frame = PILImage.fromarray(ground).resize((FRAME[1], FRAME[0])).convert("RGBA")
    left = int(random.integers(0, max(1, frame.width - turned.width)))
    top = int(random.integers(0, max(1, frame.height - turned.height)))
    frame.alpha_composite(turned, (left, top))
    angle = np.deg2rad(degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    placed = {}
    for name, (x, y, *_) in points.items():
        across, down = x * small[0] / width - small[0] / 2, y * small[1] / height - small[1] / 2
        placed[name] = [
            cosine * across + sine * down + turned.width / 2 + left,
            -sine * across + cosine * down + turned.height / 2 + top,
        ]
    return np.asarray(frame.convert("RGB")), placed


@final
@dataclass(frozen=True, slots=True)
class Cast:
    """Photos by person."""

    enrolled: Photos
    looked_at: Photos
    """Two further photos of those who are enrolled."""
    strangers: Photos
    """One photo of each of other people."""
    setters: Photos
    """The same of others again, who set the threshold."""


def cast(random: np.random.Generator, *, people: int, photos: int, strangers: int) -> Cast:
    """Who takes part, from Labeled Faces in the Wild.

    Args:
        random: Chooses them.
        people: Who are enrolled.
        photos: Of each of them that are enrolled.
        strangers: Who are not; as many others set the threshold.

    Raises:
        ConfigError: there are not so many people with so many photos.
    """
    table = ls.datasets.load("lfw", accept_small=True)
    if "points" not in table.columns:
        raise ConfigError(
            "The turnstile is measured on the aligned faces of lfw-faces-half, which are not here: put the pack "
            "lfw_faces_half.tar.gz into the folder that LONGSPAN_DATA names."
        )
    rows: dict[str, list[int]] = {}
    for row, person in enumerate(table.column_values("person")):
        rows.setdefault(person, []).append(row)
    names = [name for name in sorted(rows) if len(rows[name]) >= photos + 2]
    if len(names) < people:
        raise ConfigError(
            f"{len(names)} people have the {photos + 2} photos that --photos {photos} asks for, and --people is "
            f"{people}."
        )
    chosen = sorted(random.permutation(names)[:people].tolist())
    rest = [name for name in sorted(rows) if name not in {*chosen}]
    rest = random.permutation(rest).tolist()
    images, points = table.column_values("image"), table.column_values("points")

    def photo(row: int) -> tuple[np.ndarray, dict[str, list[float]]]:
        return np.asarray(PILImage.open(images[row]).convert("RGB")), points[row]

    return Cast(
        enrolled={name: [photo(row) for row in rows[name][:photos]] for name in chosen},
        looked_at={name: [photo(row) for row in rows[name][photos : photos + 2]] for name in chosen},
        strangers={name: [photo(rows[name][0])] for name in rest[:strangers]},
        setters={name: [photo(rows[name][0])] for name in rest[strangers : 2 * strangers]},
    )


def grounds_without_people() -> list[np.ndarray]:
    """Photos without people."""
    table = ls.datasets.load("coco128")
    cells = zip(table.column_values("image"), table.column_values("boxes"), strict=True)
    empty = [image for image, boxes in cells if boxes is not None and all(each["label"] != "person" for each in boxes)]
    return [np.asarray(PILImage.open(image).convert("RGB")) for image in empty]


def frames_of(photos: Photos, grounds: Sequence[np.ndarray], random: np.random.Generator) -> list[Frame]:
    """One frame of each photo, person by person, each in front of one of the grounds."""
    found = []
    for person, several in photos.items():
        for pixels, points in several:
            frame, placed = entrance_frame(pixels, points, grounds[int(random.integers(len(grounds)))], random)
            found.append(Frame(frame, person, placed))
    return found
