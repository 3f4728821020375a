import numpy as np
import pytest

from longspan.datasets import ScenesConfig, make_scenes
from longspan.datasets.scenes import SHAPES, shape_mask
from longspan.errors import ConfigError
from longspan.vision.rle import decode_runs


def test_every_answer_says_the_same():
    for row in make_scenes(60):
        masks = [decode_runs(thing["rle"]["counts"], (64, 64)) for thing in row["instances"]]
        classes = np.zeros((64, 64), np.uint8)
        for thing, box, mask in zip(row["instances"], row["boxes"], masks, strict=True):
            assert thing["label"] == box["label"]
            classes[mask] = 1 + SHAPES.index(thing["label"])
            x0, y0, x1, y1 = map(int, box["box"])
            assert mask[y0:y1, x0:x1].sum() == mask.sum()
            for edge in (mask[y0], mask[y1 - 1], mask[:, x0], mask[:, x1 - 1]):
                assert edge.any()
        assert np.array_equal(row["mask"], classes)
        assert np.sum(masks, axis=0).max() <= 1  # nothing is seen where something else is
        assert row["exists"] == bool(masks)
        if masks:
            most = int(np.argmax([mask.sum() for mask in masks]))
            x0, y0, x1, y1 = row["boxes"][most]["box"]
            assert row["what"] == row["boxes"][most]["label"]
            assert (row["x"], row["y"]) == ((x0 + x1) / 2, (y0 + y1) / 2)
            assert (row["width"], row["height"]) == (x1 - x0, y1 - y0)
        else:
            assert [row[name] for name in ("what", "x", "y", "width", "height")] == [None] * 5


def test_shapes_stand_out_from_the_ground():
    for row in make_scenes(40, config=ScenesConfig(noise=0.0, texture=0.0, hidden=0.0)):
        ground = row["image"][row["mask"] == 0]
        assert (ground == ground[0]).all()
        for box in row["boxes"]:
            x0, y0, x1, y1 = map(int, box["box"])
            middle = row["image"][(y0 + y1) // 2, (x0 + x1) // 2].astype(int)
            assert np.linalg.norm(middle - ground[0]) > 80


def test_a_longer_table_begins_with_the_shorter_one_and_seeds_differ():
    short, long, other = make_scenes(5), make_scenes(9), make_scenes(5, seed=1)
    assert short.column_values("boxes") == long.column_values("boxes")[:5]
    assert np.array_equal(short.arrays["image"], long.arrays["image"][:5])
    assert not np.array_equal(short.arrays["image"], other.arrays["image"])


def test_numbers_of_shapes_and_kinds_are_as_asked():
    table = make_scenes(200)
    assert {len(boxes) for boxes in table.column_values("boxes")} == {0, 1, 2, 3}
    assert {box["label"] for boxes in table.column_values("boxes") for box in boxes} == set(SHAPES)
    one = make_scenes(30, config=ScenesConfig(shapes=(1, 1), kinds=("disc",), size_px=(48, 80)))
    assert one.columns["boxes"].vocab == one.columns["what"].vocab == ("disc",)
    assert one.arrays["image"].shape == (30, 48, 80, 3)
    assert [len(boxes) for boxes in one.column_values("boxes")] == [1] * 30


def test_no_shape_is_hidden_more_than_asked():
    def least_left(hidden):
        rows = make_scenes(60, config=ScenesConfig(hidden=hidden, shapes=(3, 3), kinds=("rectangle",)))
        return min(
            decode_runs(thing["rle"]["counts"], (64, 64)).sum()
            / np.prod(np.diff(np.reshape(box["box"], (2, 2)), axis=0))
            for row in rows
            for thing, box in zip(row["instances"], row["boxes"], strict=True)
        )

    assert least_left(0.0) == 1
    assert least_left(0.3) < 1


def test_a_shape_holds_the_pixels_whose_centre_is_inside():
    size = (40, 50)
    box = (5.0, 8.0, 25.0, 28.0)
    assert shape_mask("rectangle", box, size).sum() == 400
    assert shape_mask("disc", box, size).sum() == pytest.approx(np.pi * 100, rel=0.02)
    assert shape_mask("triangle", box, size).sum() == pytest.approx(200, rel=0.03)
    flat = (5.0, 8.0, 25.0, 14.0)
    assert shape_mask("rectangle", flat, size).sum() == 120
    assert shape_mask("disc", flat, size).sum() == pytest.approx(np.pi * 30, rel=0.1)
    assert not shape_mask("triangle", flat, size)[14:].any()
    triangle = shape_mask("triangle", box, size)
    assert triangle[27].sum() > triangle[10].sum()  # it stands on its base
    assert np.array_equal(triangle[:, 5:25], triangle[:, 5:25][:, ::-1])


def test_columns_take_their_values():
    table = make_scenes(12)
    for name, column in table.columns.items():
        values = [value for value in table.column_values(name) if value is not None]
        fitted = column.fit(values)
        if name != "image":
            assert [fitted.check(value) for value in values] == [None] * len(values)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"shapes": (3, 2)}, "shapes"),
        ({"side_px": (10, 90)}, "side_px"),
        ({"kinds": ("star",)}, "kinds"),
        ({"kinds": ()}, "kinds"),
        ({"hidden": 1.0}, "hidden"),
    ],
)
def test_looks_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        ScenesConfig(**wrong)
    with pytest.raises(ConfigError, match="at least one image"):
        make_scenes(0)
