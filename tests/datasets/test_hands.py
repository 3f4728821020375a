"""Made-up hands: their bones follow the published growth, and their points are where the bones are drawn."""

import numpy as np
import pytest

from longspan.datasets import HandsConfig, make_hands
from longspan.datasets.hands import BONES, bone_points, growth
from longspan.errors import ConfigError
from longspan.systems.xrays.joints import measure_lengths


def test_growth_is_that_of_the_charts():
    assert growth(120, "male")[0] * 170 == pytest.approx(138.62)
    assert growth(240, "female")[0] * 170 == pytest.approx(163.34)
    assert growth(144, "female")[0] > growth(144, "male")[0]  # girls grow earlier
    assert growth(200, "female")[0] < growth(200, "male")[0]


def test_lengths_are_those_of_age_and_sex_with_their_spread():
    config = HandsConfig(noise=0.0)
    hands = make_hands(60, seed=3, config=config)
    assert set(hands.column_values("source")) == {"made up"}
    beside = []
    place = 1 + BONES.index("middle proximal")
    for row in hands:
        length = measure_lengths(row["points"], row["sex"])[place] * config.mm_per_px
        if length:
            beside.append(length / 44.63 / growth(row["age_months"], row["sex"])[0])
    assert np.mean(np.log(beside)) == pytest.approx(0, abs=0.025)
    assert np.std(np.log(beside)) == pytest.approx(np.hypot(0.044, 0.035), abs=0.015)


def test_bones_are_light_between_their_ends():
    config = HandsConfig(noise=0.0, plates=False)
    (row,) = make_hands(1, seed=2, config=config)
    image = np.asarray(row["image"], float)
    for bone in BONES:
        base, head = (np.array(row["points"].get(each, [np.nan] * 2)) for each in bone_points(bone))
        x, y = (base + head) / 2
        if np.isfinite(x) and 0 <= x < config.width_px and 0 <= y < config.height_px:
            assert image[int(y), int(x)] > 2 * image[2, 2]


def test_hands_are_the_same_again_and_plates_close():
    one, other = (make_hands(3, seed=4).value(2, "image") for _ in range(2))
    assert np.array_equal(one, other)
    young = HandsConfig(noise=0.0, youngest_months=24, oldest_months=30)
    shown = [make_hands(1, seed=1, config=HandsConfig(**{**vars_of(young), "plates": each})) for each in (True, False)]
    assert not np.array_equal(shown[0].value(0, "image"), shown[1].value(0, "image"))
    grown = HandsConfig(noise=0.0, youngest_months=234, oldest_months=240)
    shown = [make_hands(1, seed=1, config=HandsConfig(**{**vars_of(grown), "plates": each})) for each in (True, False)]
    apart = np.abs(np.subtract(*(np.asarray(each.value(0, "image"), float) for each in shown)))
    assert apart.max() < 10


def vars_of(config):
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_options_that_cannot_be_are_refused():
    for options in ({"height_px": 8}, {"youngest_months": 3}, {"turn_deg": 90}, {"noise": 2.0}):
        with pytest.raises(ConfigError, match="HandsConfig"):
            HandsConfig(**options)
