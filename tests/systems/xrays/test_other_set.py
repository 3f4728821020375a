"""Radiographs that differ from those of the training are named, those that do not are not."""

import numpy as np
import pytest

import longspan as ls
from longspan.systems.xrays.other_set import how_they_differ, looks_inverted, picture_facts


def radiographs(rows=20, *, seed=0, light=0, size=(40, 40), male=0.5, ages=(20, 200), inverted=False):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 40, (rows, *size)) + light
    pixels[:, 8:-8, 10:-10] += 120
    pixels = pixels.clip(0, 255).astype(np.uint8)
    cells = {
        "image": list(255 - pixels if inverted else pixels),
        "sex": ["male" if row < male * rows else "female" for row in range(rows)],
        "age_months": np.linspace(*ages, rows).tolist(),
    }
    columns = {"image": ls.Image(), "sex": ls.Category(), "age_months": ls.Number(unit="months")}
    return ls.Table.from_arrays(cells, columns)


def test_the_same_kind_says_nothing():
    assert how_they_differ(radiographs(), radiographs(seed=1)) == []


def test_each_difference_is_named():
    known = radiographs()
    assert "brightness" in " ".join(how_they_differ(known, radiographs(light=60)))
    assert "height to width is higher" in " ".join(how_they_differ(known, radiographs(size=(60, 40))))
    assert "20 of 20 look inverted" in " ".join(how_they_differ(known, radiographs(inverted=True)))
    assert "ages are outside of 20 to 200 months" in " ".join(how_they_differ(known, radiographs(ages=(150, 230))))
    assert "95% are male, 50% in training" in " ".join(how_they_differ(known, radiographs(male=0.95)))
    assert "only 3 of them" in " ".join(how_they_differ(known, radiographs(rows=3)))


def test_facts_are_those_of_the_pixels():
    image = np.zeros((24, 12), np.uint8)
    image[2:-2] = 255
    ((mean, _, border, shape),) = picture_facts([image])
    assert mean == pytest.approx(image.mean() / 255)
    assert 0 < border < mean
    assert shape == 2.0
    assert not looks_inverted(image)
    assert looks_inverted(255 - image)
