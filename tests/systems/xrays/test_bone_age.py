"""Errors by age and sex, and made-up hands through the system."""

import json

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.xrays.bone_age import BoneAgeOptions, age_errors, with_sizes


def test_errors_are_those_of_their_ages_and_sex():
    true, sexes = [30.0, 40.0, 100.0, 110.0], ["male", "female", "male", "male"]
    rows = age_errors(true, [33.0, 41.0, 90.0, 130.0], sexes)
    found = {(row["ages"], row["sex"]): row for row in rows}
    assert found["all ages", "both"]["months"] == pytest.approx((3 + 1 + 10 + 20) / 4)
    assert found["5 to 10 years", "male"]["months"] == 15
    assert found["5 to 10 years", "male"]["bias"] == 5
    assert ("0 to 5 years", "male") not in found  # one radiograph has no interval
    assert all(row["low"] <= row["months"] <= row["high"] for row in rows)


def test_intervals_are_about_right():
    random = np.random.default_rng(0)
    true = np.full(400, 100.0)
    (row, *_) = age_errors(true, true + random.normal(0, 10, 400), ["male"] * 400)
    deviation = 10 * np.sqrt(1 - 2 / np.pi) / 20  # of the mean of 400 half-normal numbers
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * deviation, rel=0.2)


def test_options_that_cannot_be_are_refused():
    for options in ({"epochs": 0}, {"size_px": 8}, {"data": "hands"}, {"data": "made-up", "other": "x"}):
        with pytest.raises(ConfigError, match="--"):
            BoneAgeOptions(**options)


def test_a_size_that_is_not_known_is_that_of_the_shape_at_the_usual_height():
    cells = {"image": [np.zeros((30, 20), np.uint8)] * 2, "height_px": [900.0, None], "width_px": [800.0, None]}
    sizes = ls.Number(unit="px", missing="mean")
    table = with_sizes(ls.Table.from_arrays(cells, {"image": ls.Image(), "height_px": sizes, "width_px": sizes}))
    assert table["height_px"] == [900.0, 1600.0]
    assert table["width_px"] == pytest.approx([800.0, 1600 * 2 / 3])


@pytest.mark.slow
def test_made_up_hands_are_measured_and_marked(tmp_path):
    options = BoneAgeOptions(
        data="made-up", sizes="24", seeds=1, epochs=1, size_px=64, limit=20, strategies="in stages",
        backbone="squeezenet1_1", weights="none",
    )  # fmt: skip
    find_system("bone-age").run(options, SystemRun("bone-age", tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert set(result["metrics"]) == {
        "months, in stages, 24 made-up hands", "months, mean of the training ages, made-up hands"
    }  # fmt: skip
    assert [each["stage"] for each in result["ceiling"]["in stages"]][1:] == ["find", "measure", "look up"]
    assert "These hands are drawn" in (tmp_path / "report.html").read_text()
