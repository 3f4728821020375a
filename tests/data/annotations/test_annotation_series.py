import polars as pl

from longspan.data.annotations.annotation_series import boxes_cells, instances_cells


def test_boxes_keep_empty_and_missing_apart():
    rows = [
        [{"box": [1, 2, 3.5, 4], "label": "a"}],
        [],
        None,
        [{"box": [0, 0, 1, 1], "label": "b", "ignore": True}] * 2,
    ]
    cells = boxes_cells("boxes", rows)
    assert cells.to_list() == [
        [{"box": [1.0, 2.0, 3.5, 4.0], "label": "a", "ignore": False}],
        [],
        None,
        [{"box": [0.0, 0.0, 1.0, 1.0], "label": "b", "ignore": True}] * 2,
    ]


def test_instances_hold_runs_or_polygons():
    rows = [
        [
            {"label": "a", "polygons": [[1, 2, 3, 4, 5, 6], [0, 0, 1, 0, 1, 1]]},
            {"label": "b", "rle": {"size": [3, 4], "counts": [2, 10]}, "ignore": True},
        ],
        None,
        [],
    ]
    first, second = instances_cells("instances", rows).to_list()[0]
    assert first == {"label": "a", "ignore": False, "rle": None, "polygons": rows[0][0]["polygons"]}
    assert second == {"label": "b", "ignore": True, "rle": {"size": [3, 4], "counts": [2, 10]}, "polygons": None}
    assert instances_cells("instances", rows).to_list()[1:] == [None, []]


def test_tables_without_any_thing_have_the_same_type():
    for make, one in (
        (boxes_cells, {"box": [1, 2, 3, 4], "label": "a"}),
        (instances_cells, {"label": "a", "polygons": [[1, 2, 3, 4, 5, 6]]}),
    ):
        assert make("x", [[], None]).dtype == make("x", [[one]]).dtype
        assert make("x", [[], None]).to_list() == [[], None]
        assert make("x", [None]).to_list() == [None]
        assert len(pl.concat([make("x", [[one]]), make("x", [None])])) == 2


def test_labels_may_be_numbers():
    assert boxes_cells("x", [[{"box": [1, 2, 3, 4], "label": 7}]]).to_list()[0][0]["label"] == 7
