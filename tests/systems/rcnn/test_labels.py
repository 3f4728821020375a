import numpy as np
import pytest

import longspan as ls
from longspan.systems.rcnn.labels import (
    BACKGROUND,
    region_classes,
    region_deltas,
    region_positives,
    with_true_regions,
)

CAT, DOG = {"box": [0, 0, 10, 10], "label": "cat"}, {"box": [40, 0, 60, 10], "label": "dog"}
CROWD = {"box": [0, 40, 20, 60], "label": "cat", "ignore": True}


def of_width(box, overlap):
    """A region with this overlap with a box: its left part, as wide as it must be."""
    x0, y0, x1, y1 = box
    return [x0, y0, x0 + (x1 - x0) * overlap, y1]


def said(function, regions, things, **options):
    return function({"regions": regions}, {"boxes": things}, **options)


def test_a_region_is_of_the_kind_of_what_it_overlaps_by_half():
    regions = [of_width(CAT["box"], 0.51), of_width(CAT["box"], 0.49), of_width(DOG["box"], 0.8), [80, 80, 90, 90]]
    assert said(region_classes, regions, [CAT, DOG]) == ["cat", BACKGROUND, "dog", BACKGROUND]


def test_ignored_things_teach_nothing():
    regions = [of_width(CROWD["box"], 0.6), of_width(CROWD["box"], 0.4), CAT["box"]]
    assert said(region_classes, regions, [CAT, CROWD]) == [None, BACKGROUND, "cat"]
    assert said(region_positives, regions, [CAT, CROWD], label="cat") == [None, None, 1]
    assert said(region_deltas, [of_width(CROWD["box"], 0.7)], [CROWD], label="cat") == [None]


def test_background_is_thinned_to_three_times_what_is_there():
    regions = [*[CAT["box"]] * 4, *([x, 70, x + 5, 80] for x in range(100))]
    kinds = said(region_classes, regions, [CAT, DOG])
    assert kinds[:4] == ["cat"] * 4
    assert kinds.count(BACKGROUND) == 3 * (4 + 2)
    chosen = [place for place, kind in enumerate(kinds) if kind == BACKGROUND]
    assert (chosen[0], chosen[-1]) == (4, 103)  # from the largest to the smallest
    assert np.diff(chosen).max() <= 6
    assert said(region_classes, regions[4:], []).count(BACKGROUND) == 12
    assert said(region_classes, [], []) == []


def test_positives_of_a_machine_are_true_boxes_and_negatives_far_from_them():
    regions = [
        CAT["box"],
        of_width(CAT["box"], 0.9),
        of_width(CAT["box"], 0.29),
        of_width(CAT["box"], 0.31),
        DOG["box"],
    ]
    assert said(region_positives, regions, [CAT, DOG], label="cat") == [1, None, 0, None, 0]
    assert said(region_positives, regions, [CAT, DOG], label="dog") == [0, 0, 0, 0, 1]
    assert said(region_positives, regions[:2], [], label="cat") == [0, 0]


def test_moves_are_learnt_from_near_regions_of_the_class():
    regions = [of_width(CAT["box"], 0.61), of_width(CAT["box"], 0.59), CAT["box"], DOG["box"]]
    near, far, same, other = said(region_deltas, regions, [CAT, DOG], label="cat")
    assert near == pytest.approx([0.5 / 0.61 - 0.5, 0, np.log(1 / 0.61), 0])
    assert far is None
    assert same == pytest.approx([0, 0, 0, 0])
    assert other is None
    assert said(region_deltas, [CAT["box"]], [], label="cat") == [None]


def test_bare_boxes_are_objects():
    assert said(region_classes, [[0, 0, 10, 10]], [[0, 0, 10, 10]]) == ["object"]


def test_the_true_regions_are_the_true_boxes():
    table = ls.Table.from_arrays(
        {"image": np.zeros((3, 64, 64, 3), np.uint8), "boxes": [[CAT, CROWD], [], None]},
        {"image": ls.Image(), "boxes": ls.Boxes()},
    )
    assert with_true_regions(table).column_values("regions") == [[CAT["box"]], [], None]
