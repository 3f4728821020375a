"""Joints of a hand: names, regions and measures, against hands that are drawn here."""

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.systems.xrays.joints import (
    JOINT_POINTS,
    MEASURES,
    boxes_of_joints,
    hand_length,
    joint_regions,
    measure_hand,
    measure_lengths,
    name_joints,
    region_sides,
)

FINGERS = ("thumb", "index", "middle", "ring", "little")


def hand(*, mirrored=False):
    """Points of a hand with the thumb on the right, in 100 px."""
    points = {"Wrist": [50.0, 80.0], "Radius": [55.0, 88.0], "Ulna": [45.0, 88.0]}
    for number, finger in enumerate(FINGERS):
        x = 80.0 - 14 * number
        points[f"MCP {finger}"] = [x, 70.0 if finger == "thumb" else 50.0]
        points[f"PIP {finger}"] = [x + 1, 60.0 if finger == "thumb" else 34.0]
        if finger != "thumb":
            points[f"DIP {finger}"] = [x + 2, 22.0]
    return {name: [100 - x if mirrored else x, y] for name, (x, y) in points.items()}


def boxes_of(points):
    return [{"box": [x - 4, y - 4, x + 4, y + 4], "label": name.split(" ")[0]} for name, (x, y) in points.items()]


@pytest.mark.parametrize("mirrored", [False, True])
def test_boxes_become_named_points_on_either_side(mirrored):
    points = hand(mirrored=mirrored)
    shuffled = boxes_of(points)
    np.random.default_rng(0).shuffle(shuffled)
    assert name_joints(shuffled) == {name: points[name] for name in JOINT_POINTS}


def test_hands_that_cannot_be_told_are_left_out():
    assert name_joints(None) is None
    assert name_joints(boxes_of(hand())[1:]) is None  # no wrist
    points = hand()
    points["MCP middle"], points["MCP thumb"] = points["MCP thumb"], [points["MCP middle"][0], 75.0]
    assert name_joints(boxes_of(points)) is None  # the lowest of the row lies in its middle


def test_boxes_and_regions_grow_with_the_hand():
    small, large = hand(), {name: [2 * x, 2 * y] for name, (x, y) in hand().items()}
    one, other = (region_sides(points)["PIP index"] for points in (small, large))
    assert other == pytest.approx(2 * one)
    sizes = {label: (0.2, 0.1) for label in ("DIP", "PIP", "MCP", "Radius", "Ulna", "Wrist")}
    found = {(each["label"], tuple(each["box"])) for each in boxes_of_joints(small, sizes)}
    ((x0, y0, x1, y1),) = [box for label, box in found if label == "Wrist"]
    length = np.hypot(2, 30)  # of the hand, from the wrist to the middle MCP joint
    assert (x1 - x0, y1 - y0) == pytest.approx((0.2 * length, 0.1 * length))
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((50, 80))
    assert len(found) == 17


def test_a_region_shows_its_joint():
    image = np.zeros((100, 100), np.uint8)
    image[33:36, 64:70] = 255  # PIP index
    tiles = joint_regions(image, hand())
    assert tiles.shape == (96, 120)
    place = JOINT_POINTS.index("PIP index")
    row, column = divmod(place, 5)
    tile = tiles[24 * row : 24 * row + 24, 24 * column : 24 * column + 24]
    assert tile[10:14, 10:14].min() > 200
    assert tiles[72:, 48:].max() == 0
    tile[:] = 0
    assert tiles.max() < 60  # neighbours do not see it


def test_a_plate_across_the_finger_is_in_the_profile():
    grey = np.full((100, 100), 120, np.uint8)
    grey[:50] = 100
    plain = measure_hand(grey, hand(), "male")
    dark = grey.copy()
    dark[33:36, 60:75] = 0  # a dark line across PIP index
    crossed = measure_hand(dark, hand(), "female")
    assert len(plain) == len(crossed) == MEASURES
    assert (plain[0], crossed[0]) == (1.0, 0.0)
    first = MEASURES - 10 * len(JOINT_POINTS) + 10 * JOINT_POINTS.index("PIP index") + 2
    profile = np.array(crossed[first : first + 8])
    assert int(profile.argmin()) in (3, 4)
    assert np.ptp(plain[first : first + 8]) < 0.1


def test_a_squeezed_radiograph_measures_as_it_was_taken():
    random = np.random.default_rng(0)
    taken = PILImage.fromarray(random.integers(0, 255, (10, 10), np.uint8)).resize(
        (200, 200), PILImage.Resampling.BICUBIC
    )
    places = {name: [2 * x, 2 * y] for name, (x, y) in hand().items()}
    squeezed = taken.resize((100, 160))
    squeezed_places = {name: [x / 2, 0.8 * y] for name, (x, y) in places.items()}
    whole, small = (
        measure_hand(image, points, "male", 200.0, 200.0)
        for image, points in ((taken, places), (squeezed, squeezed_places))
    )
    assert whole[1:4] == pytest.approx([2 * np.hypot(2, 30), 200, 200])  # hand, height, width
    assert small == pytest.approx(whole, abs=0.05)
    assert measure_hand(squeezed, squeezed_places, "male") != pytest.approx(whole, abs=0.05)
    assert hand_length(squeezed, squeezed_places, 200.0, 200.0) == pytest.approx(whole[1])
    tiles = [joint_regions(taken, places), joint_regions(squeezed, squeezed_places, 200.0, 200.0)]
    assert np.abs(tiles[0].astype(float) - tiles[1]).mean() < 3
    assert np.abs(tiles[0].astype(float) - joint_regions(squeezed, squeezed_places)).mean() > 10


def test_distances_are_in_lengths_of_the_hand():
    image = np.zeros((200, 200), np.uint8)
    tall = {name: [2 * x, 2 * y] for name, (x, y) in hand().items()}
    assert measure_hand(image, hand(), "male")[1:23] == pytest.approx(measure_hand(image, tall, "male")[1:23])
    assert measure_hand(image, hand(), "male")[1:4] == [0.0, 0.0, 0.0]  # sizes that are not known


def test_lengths_of_bones_and_zero_for_an_end_that_is_not_there():
    points = {"index proximal base": [0.0, 0.0], "index proximal head": [3.0, 4.0], "thumb distal base": [1.0, 1.0]}
    found = measure_lengths(points, "female")
    assert found[0] == 0.0
    assert sorted(found)[-1] == 5.0
    assert sum(each > 0 for each in found) == 1
