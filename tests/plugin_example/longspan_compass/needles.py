"""A data set: drawings of compass needles with the angle of each."""

import numpy as np

import longspan as ls
from longspan.datasets import NamedData, Source, register_dataset
from longspan_compass.angle import Angle


def load_needles(folder):
    """200 grey images of 12 x 12 pixels with a line from the centre, on noise; needs no files."""
    del folder
    draws = np.random.default_rng(0)
    angles = draws.uniform(0, 360, 200)
    rows, columns = np.mgrid[:12, :12] - 5.5
    images = []
    for angle in np.radians(angles):
        along, across = columns * np.cos(angle) - rows * np.sin(angle), columns * np.sin(angle) + rows * np.cos(angle)
        images.append(draws.integers(0, 120, (12, 12)) + 135 * ((along > 0) & (np.abs(across) < 1)))
    pixels = np.stack(images)[..., None].astype(np.uint8)
    return ls.Table.from_arrays(
        {"image": pixels, "angle": angles.round(1).tolist()}, {"image": ls.Image(), "angle": Angle()}
    )


NEEDLES = register_dataset(
    NamedData(
        name="needles",
        title="Compass needles",
        rows=200,
        task="image -> angle",
        licence="CC0",
        home="https://example.org/needles",
        sources=(Source(files=(), load=load_needles),),
    )
)
