import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.data import Table
from longspan.errors import DataError
from longspan.vision.rle import decode_runs


@pytest.fixture
def numbers():
    made = np.zeros((20, 30), np.uint8)
    made[2:5, 3:7] = 1
    made[10:12, 20:30] = 4
    made[0, 0] = 255
    return made


def test_each_number_is_a_thing(tmp_path, image, mask, numbers):
    image("a.jpg")
    image("b.jpg")
    image("c.jpg")
    mask("a_mask.png", numbers)
    mask("b_mask.png", np.zeros((20, 30)))
    table = Table.from_instance_masks(
        tmp_path / "images", tmp_path / "masks", mask_name="{stem}_mask.png", label="person", ignored=(255,)
    )
    assert table.column_values("boxes") == [
        [
            {"box": [3.0, 2.0, 7.0, 5.0], "label": "person", "ignore": False},
            {"box": [20.0, 10.0, 30.0, 12.0], "label": "person", "ignore": False},
        ],
        [],
        None,
    ]
    for thing, number in zip(table[0]["instances"], (1, 4), strict=True):
        assert np.array_equal(decode_runs(thing["rle"]["counts"], thing["rle"]["size"]), numbers == number)
    assert table.columns["instances"].vocab == ("person",)
    assert table.columns["instances"].check(table[0]["instances"]) is None


def test_bad_masks_are_named_and_missing(tmp_path, image, mask, numbers):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        image(name)
    mask("a.png", numbers[:10])
    PILImage.new("RGB", (30, 20)).save(tmp_path / "masks" / "b.png")
    path = mask("c.png", np.random.default_rng(0).integers(0, 9, (20, 30)))
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(DataError) as caught:
        Table.from_instance_masks(tmp_path / "images", tmp_path / "masks")
    found = [repr(fault) for fault in caught.value.faults]
    assert "a.png (a.jpg): the mask has 30 x 10 px, its image 30 x 20" in found[0]
    assert "b.png (b.jpg): its pixels are colours (RGB), not the numbers of objects" in found[1]
    assert "c.png (c.jpg): cannot be " in found[2]
    with pytest.warns(UserWarning, match="3 faults"):
        table = Table.from_instance_masks(tmp_path / "images", tmp_path / "masks", on_error="skip")
    assert table.column_values("instances") == table.column_values("boxes") == [None] * 3
