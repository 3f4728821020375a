import numpy as np
import pytest

import longspan as ls


@pytest.fixture(scope="session")
def squares():
    """120 made-up images: a bright square on the left or on the right."""
    random = np.random.default_rng(0)
    images = random.integers(0, 90, (120, 16, 16, 1), np.uint8)
    sides = ["left", "right"] * 60
    for image, side in zip(images, sides, strict=True):
        start = 2 if side == "left" else 10
        image[5:10, start : start + 4] += 140
    return ls.Table.from_arrays({"image": images[..., 0], "side": sides}, {"image": ls.Image(), "side": ls.Category()})


@pytest.fixture(scope="session")
def trained(squares):
    """A learner that tells the sides, with 72 training, 24 validation and 24 sealed rows."""
    task = ls.Task(squares.split(valid=0.2, test=0.2), inputs="image", targets="side", allow_leaks=True)
    learner = ls.Learner(task, "resnet20", config=ls.TrainConfig(batch_size=16), device="cpu", progress=False)
    return learner.fit_one_cycle(2, 3e-3)
