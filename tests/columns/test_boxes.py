"""Boxes: read, checked, brought into the frame, warped, shown."""

import json

import numpy as np
import polars as pl
import pytest
import torch

import longspan as ls
from longspan.columns import Boxes, Image, column_from_json
from longspan.errors import ConfigError, DataError
from longspan.vision import ResizeTransform
from longspan.vision.augment_params import AugmentParams

CAT = {"box": [20.0, 10.0, 60.0, 90.0], "label": "cat"}
DOG = {"box": [100.0, 50.0, 180.0, 95.0], "label": "dog", "ignore": True}
COLUMN = Boxes(vocab=("cat", "dog"), max_boxes=4, size_px=(100, 200))
SAME = ResizeTransform((100, 200), (100, 200), "crop")


def draws_of(*matrix) -> AugmentParams:
    return AugmentParams(torch.tensor([matrix]).view(1, 2, 3), torch.ones(1), torch.zeros(1))


# --- reading ---------------------------------------------------------------------------------------------------------


def test_boxes_are_corners_class_and_flag_and_come_back():
    encoded = COLUMN.encode([CAT, DOG])
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[20, 10, 60, 90, 0, 0], [100, 50, 180, 95, 1, 1], [0] * 6, [0] * 6]
    for form in (encoded, torch.from_numpy(encoded)):
        assert COLUMN.decode(form) == [CAT, DOG]
    assert COLUMN.decode(COLUMN.encode([])) == []


@pytest.mark.parametrize("form", ["lists", "tuples", "rows", "array", "dicts", "labelled", "nulls", "numpy"])
def test_every_form_of_one_box(form):
    box = [1, 2, 3.5, 4]
    forms = {
        "lists": [box],
        "tuples": (tuple(box),),
        "rows": [np.array(box)],
        "array": np.array([box]),
        "dicts": [{"box": box}],
        "labelled": [{"box": tuple(box), "label": "object", "ignore": 0}],
        "nulls": [{"box": box, "label": None, "ignore": None, "score": None}],
        "numpy": [{"box": np.array(box, np.float32), "label": np.str_("object"), "ignore": np.bool_(False)}],
    }
    column = Boxes(size_px=(9, 9)).fit([forms[form]])
    assert column.vocab == ("object",)
    assert column.decode(column.encode(forms[form])) == [{"box": box, "label": "object"}]


def test_vocabulary_and_room_are_learnt():
    column = Boxes().fit(value for value in [[CAT], [], [DOG, CAT, CAT]])
    assert column.vocab == ("cat", "dog")
    assert column.max_boxes == 14
    assert column.fit([]) is column
    assert Boxes(vocab=("x",)).fit([]).max_boxes == 8
    assert Boxes(max_boxes=3).fit([[CAT]]).max_boxes == 3
    assert Boxes().fit([[{"box": [0, 0, 1, 1], "label": 3.0}], "no list"]).vocab == (3,)


@pytest.mark.parametrize("values", [[], [[]], [None, 3, "x"]])
def test_no_box_in_any_row_names_the_way_out(values):
    with pytest.raises(DataError, match=r"at least one object in the training rows, found none.*Boxes\(vocab=\.\.\.\)"):
        Boxes().fit(values)


def test_labels_that_are_none_are_refused():
    with pytest.raises(DataError, match="labels are words, whole numbers"):
        Boxes().fit([[{"box": [0, 0, 1, 1], "label": 1.5}]])


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"vocab": ("a", "a")}, "names 'a' twice"),
        ({"max_boxes": 0}, "max_boxes must be at least 1"),
        ({"size_px": (3,)}, "Boxes.size_px"),
        ({"resize": "x"}, "Boxes.resize"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, fault):
    with pytest.raises(ConfigError, match=fault):
        Boxes(**settings)


def test_settings_survive_json():
    assert column_from_json(json.loads(json.dumps(COLUMN.to_json()))) == COLUMN
    assert hash(COLUMN) == hash(column_from_json(COLUMN.to_json()))


# --- the frame -------------------------------------------------------------------------------------------------------


def test_boxes_are_scaled_clipped_and_dropped_with_the_image():
    column = Boxes(max_boxes=9, vocab=("object",), size_px=(50, 50))
    transform = ResizeTransform((100, 200), (50, 50), "crop")  # columns 50 to 150, at half the size
    boxes = [
        [60, 10, 80, 30],  # inside
        [40, 10, 60, 30],  # half of it left
        [0, 10, 54, 30],  # 4 of 54 left
        [0, 10, 56, 30],  # 6 of 56 left
        [0, 10, 40, 30],  # nothing left
        [60, 10, 61, 30],  # half a pixel wide in the frame
        [60, 10, 62, 12],  # a pixel
    ]
    kept = [each["box"] for each in column.decode(column.encode_in(boxes, transform))]
    assert kept == [[5, 5, 15, 15], [0, 5, 5, 15], [0, 5, 3, 15], [5, 5, 6, 6]]


def test_in_frame_takes_the_images_size_and_way():
    column = Boxes(vocab=("a",)).bind(Image(size_px=(7, 9), channels=3, resize="pad"))
    assert (column.size_px, column.resize) == ((7, 9), "pad")


def test_without_geometry_the_batch_is_left_alone():
    batch = torch.from_numpy(COLUMN.encode([CAT, DOG]))[None]
    assert COLUMN.prepare(batch) is batch
    assert COLUMN.prepare(batch, AugmentParams.identity(1)) is batch


def test_mirrored_boxes_are_exact_in_edge_coordinates():
    batch = torch.from_numpy(COLUMN.encode([CAT, DOG]))[None]
    mirror = draws_of(-1.0, 0.0, 199.0, 0.0, 1.0, 0.0)
    moved = COLUMN.prepare(batch, mirror)
    assert moved.dtype == batch.dtype
    assert COLUMN.decode(moved[0]) == [{**CAT, "box": [140, 10, 180, 90]}, {**DOG, "box": [20, 50, 100, 95]}]
    assert torch.equal(COLUMN.prepare(moved, mirror), batch)


def test_a_turned_box_is_the_one_around_its_corners():
    column = Boxes(vocab=("object",), max_boxes=2, size_px=(100, 100))
    batch = torch.from_numpy(column.encode([[40, 40, 60, 60]]))[None]
    c = 0.5**0.5
    turn = draws_of(c, -c, 49.5, c, c, 49.5 - 2 * c * 49.5)  # by 45 degrees about the centre
    moved = column.prepare(batch, turn)[0]
    reach = 10 * 2**0.5
    torch.testing.assert_close(moved[0, :4], torch.tensor([50 - reach, 50 - reach, 50 + reach, 50 + reach]))
    assert not moved[1].any()


def test_what_a_warp_cuts_is_clipped_or_dropped():
    column = Boxes(vocab=("object",), max_boxes=3, size_px=(50, 50))
    batch = torch.from_numpy(column.encode([[0, 0, 20, 20], [30, 0, 50, 20], [8, 0, 19, 20]]))[None]
    left = column.prepare(batch, draws_of(1.0, 0.0, 18.0, 0.0, 1.0, 0.0))[0]  # by 18 to the left
    assert left[0].tolist() == [0, 0, 2, 20, 0, 0]  # a tenth is left
    assert left[1].tolist() == [12, 0, 32, 20, 0, 0]
    assert left[2].tolist() == [0] * 6


# --- faults ----------------------------------------------------------------------------------------------------------

ORDER = "; boxes are x0, y0, x1, y1, not widths and heights"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([[60, 10, 20, 90]], "box 0 [60, 10, 20, 90]: x1=20 lies left of x0=60" + ORDER),
        ([[20, 90, 60, 10]], "box 0 [20, 90, 60, 10]: y1=10 lies above y0=90" + ORDER),
        ([[1, 2, 1, 5]], "box 0 [1, 2, 1, 5]: it has no width"),
        ([[1, 2, 1, 2]], "box 0 [1, 2, 1, 2]: it has no width; it has no height"),
        ([[1, 2, 3]], "box 0 [1, 2, 3]: a box is four finite numbers x0, y0, x1, y1"),
        ([[1, 2, 3, float("nan")]], "box 0 [1, 2, 3, nan]: a box is four finite numbers x0, y0, x1, y1"),
        ([[1, 2, True, 4]], "box 0 [1, 2, True, 4]: a box is four finite numbers x0, y0, x1, y1"),
        ([{"box": "abcd"}], "box 0 'abcd': a box is four finite numbers x0, y0, x1, y1"),
        ([{"bbox": [1, 2, 3, 4]}], "box 0: unknown key 'bbox' (nearest: 'box'); box 0: there is no 'box' in it"),
        ([{"box": [1, 2, 3, 4], "q": 1}], "box 0: unknown key 'q'; known: box, label, ignore, score"),
        ([{"box": [1, 2, 3, 4], "ignore": "no"}], "box 0: 'ignore' must be True or False, got 'no'"),
        ([{"box": [1, 2, 3, 4], "score": "no"}], "box 0: 'score' must be a finite number, got 'no'"),
        (
            [{"box": [1, 2, 3, 4], "label": ["a"]}],
            "box 0: ['a'] (list) is not a label: labels are words, whole numbers,",
        ),
        ([1, 2, 3, 4], "[1, 2, 3, 4] is one box, not a list of boxes"),
        (["x"], "box 0: 'x' is not a dict with 'box' and 'label'"),
        ("x", "'x' is not a list of boxes; an image with nothing in it has []"),
        (3, "3 is not a list of boxes; an image with nothing in it has []"),
        (None, "None is not a list of boxes; an image with nothing in it has []"),
    ],
)
def test_what_is_wrong_with_a_box(value, fault):
    column = Boxes(max_boxes=4, size_px=(100, 200))
    assert str(column.check(value)).startswith(fault)
    with pytest.raises(ValueError, match=r".") as caught:
        column.encode(value)
    assert str(caught.value).startswith(fault)


def test_all_faults_of_a_value_are_said_at_once_and_very_many_are_counted():
    fault = COLUMN.check([{**CAT, "label": "dgo"}, [9, 0, 3, 5], DOG, DOG, CAT])
    assert fault == (
        "5 boxes, more than the 4 allowed; Boxes(max_boxes=5) allows them; "
        "box 0: class 'dgo' does not occur in the training rows (nearest: 'dog'); "
        "box 1: class 'object' does not occur in the training rows; "
        "box 1 [9, 0, 3, 5]: x1=3 lies left of x0=9" + ORDER
    )
    many = Boxes().check([[9, 0, 3, 5]] * 30)
    assert many
    assert many.endswith("; and 22 more")


def test_a_pixel_outside_the_image_is_clipped_and_more_is_a_fault():
    column = Boxes(vocab=("object",), max_boxes=3, size_px=(10, 20))
    fine = [[-1, -0.5, 5, 5], [15, 5, 21, 11]]
    assert [each["box"] for each in column.decode(column.encode(fine))] == [[0, 0, 5, 5], [15, 5, 20, 10]]
    assert column.check([[-5, 0, 5, 30]]) is None  # without the image nobody knows
    with pytest.raises(ValueError, match="px") as caught:
        column.encode([[-5, 0, 5, 30], [22, 12, 25, 9]])
    assert str(caught.value) == (
        "box 0 [-5, 0, 5, 30]: it reaches 5 px beyond the left and 20 px beyond the bottom of its image, which is "
        "10 px high and 20 px wide; "
        f"box 1 [22, 12, 25, 9]: y1=9 lies above y0=12{ORDER}; it reaches 5 px beyond the right and 2 px beyond the "
        "bottom of its image, which is 10 px high and 20 px wide"
    )
    with pytest.raises(ValueError, match=r"box 0 \[20, 0, 20.5, 5\]: it lies outside its image"):
        column.encode([[20, 0, 20.5, 5]])


# --- answers, drawings, tables ---------------------------------------------------------------------------------------


def test_answers_come_back_into_the_source_with_their_scores():
    transform = ResizeTransform((100, 200), (40, 40), "pad")  # rows 10 to 30 show the image
    answers = [{"box": [10.0, 15.0, 20.0, 40.0], "label": "cat", "score": 0.9}, {"box": [0, 0, 9, 9], "label": "dog"}]
    assert COLUMN.to_source(answers, transform) == [{"box": [50, 25, 100, 100], "label": "cat", "score": 0.9}]
    assert COLUMN.to_source([], transform) == []


def test_json_is_rounded_and_leaves_out_what_is_not_there():
    said = COLUMN.json_value([{**CAT, "score": 0.987654}, DOG, {"box": [1, 2, 3, 4.5678]}])
    assert json.loads(json.dumps(said)) == [
        {"label": "cat", "score": 0.9877, "box": [20, 10, 60, 90]},
        {"label": "dog", "ignore": True, "box": [100, 50, 180, 95]},
        {"label": "object", "box": [1, 2, 3, 4.57]},
    ]


def test_boxes_are_drawn_in_the_colour_of_their_class():
    pixels = np.zeros((100, 200, 3), np.uint8)
    drawn = COLUMN.draw(pixels, [CAT, DOG])
    assert not pixels.any()
    cat, dog = (tuple(drawn[y, x].tolist()) for x, y in ((20, 89), (179, 94)))
    assert cat != dog
    assert tuple(COLUMN.draw(pixels, [CAT])[89, 20].tolist()) == cat
    assert Boxes().draw(pixels, [[1, 2, 3, 4]]).any()
    assert np.array_equal(COLUMN.draw(pixels, []), pixels)


def test_cells_count_by_label():
    assert COLUMN.show_html([CAT, DOG, CAT]) == "2 cat, 1 dog"
    assert COLUMN.show_html([[1, 2, 3, 4], {"box": [1, 2, 3, 4], "label": "<a>"}]) == "1 &lt;a&gt;, 1 object"
    assert COLUMN.show_html([]) == "nothing"
    assert COLUMN.show_html(3) == "3"


def test_boxes_survive_a_table_and_a_file(tmp_path):
    rows = [[], [{**CAT, "ignore": False}, DOG], [{**CAT, "box": [1, 2, 3, 4], "ignore": False}]]
    images = np.zeros((3, 100, 200, 3), np.uint8)
    table = ls.Table.from_arrays({"image": images, "boxes": rows}, {"image": Image(), "boxes": Boxes()})
    assert [table.value(row, "boxes") for row in range(3)] == rows
    table.frame.select(pl.col("boxes")).write_parquet(tmp_path / "a.parquet")
    read = ls.Table.from_parquet(tmp_path / "a.parquet", {"boxes": Boxes()})
    column = Boxes(size_px=(100, 200)).fit(read.column_values("boxes"))
    assert [column.decode(column.encode(read.value(row, "boxes"))) for row in range(2)] == [[], [CAT, DOG]]
    assert "1 cat, 1 dog" in read._repr_html_()
