import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.columns import Mask
from longspan.data import Table
from longspan.data.annotations import write_masks
from longspan.errors import ConfigError, DataError

COLUMN = Mask(vocab=("road", "sky"), values=(7, 3), ignored=(11, 255), colours=((1, 2, 3), (4, 5, 6)))


@pytest.fixture
def images(image):
    return [str(image(name)) for name in ("a.jpg", "s/b.jpg", "c.jpg")]


@pytest.fixture
def classes():
    made = np.random.default_rng(0).integers(0, 2, (20, 30)).astype(np.uint8)
    made[0, :5] = 255
    return made


def test_files_hold_the_stored_numbers_and_the_colours(tmp_path, images, classes):
    files = write_masks(
        tmp_path / "m", images, [classes, classes[::-1], None], column=COLUMN, images=tmp_path / "images"
    )
    assert files == [tmp_path / "m" / "a.png", tmp_path / "m" / "s" / "b.png"]
    with PILImage.open(files[0]) as written:
        assert written.mode == "P"
        numbers, colours = np.asarray(written), np.asarray(written.convert("RGB"))
    assert np.array_equal(numbers, np.select([classes == 0, classes == 1], [7, 3], 11))
    assert colours[classes == 0].tolist() == [[1, 2, 3]] * int((classes == 0).sum())
    assert colours[classes == 1].tolist() == [[4, 5, 6]] * int((classes == 1).sum())


def test_masks_come_back(tmp_path, images, classes):
    write_masks(tmp_path / "m", images, [classes, None, None], column=COLUMN, mask_name="{stem}_P.png")
    codes = dict(zip((7, 3), ("road", "sky"), strict=True))
    table = Table.from_masks(tmp_path / "images", tmp_path / "m", mask_name="{stem}_P.png", codes=codes, ignored=(11,))
    column = table.columns["mask"]
    found = column.classes(table[0]["mask"])
    names = np.array([*column.vocab, "ignored"])[np.minimum(found, 2)]
    assert np.array_equal(names, np.select([classes == 0, classes == 1], ["road", "sky"], "ignored"))
    assert table.column_values("mask")[1:] == [None, None]


def test_colours_are_those_of_drawings_unless_given(tmp_path, images, classes):
    column = Mask(vocab=("road", "sky"))
    (file,) = write_masks(tmp_path / "m", images[:1], [classes], column=column)
    with PILImage.open(file) as written:
        assert written.convert("RGB").getpixel((10, 10)) == column.palette[int(classes[10, 10])]


def test_what_cannot_be_written(tmp_path, images, classes):
    folder = tmp_path / "m"
    with pytest.raises(DataError, match="the mask holds 2, but there are only the classes 0 to 1, and 255"):
        write_masks(folder, images[:1], [np.full((20, 30), 2)], column=COLUMN)
    with pytest.raises(DataError, match="a whole-numbered array"):
        write_masks(folder, images[:1], [np.zeros((20, 30))], column=COLUMN)
    with pytest.raises(ConfigError, match="3 images and 1 masks"):
        write_masks(folder, images, [classes], column=COLUMN)
    with pytest.raises(ConfigError, match="fit it"):
        write_masks(folder, images[:1], [classes], column=Mask())
    with pytest.raises(ConfigError, match="numbers 0 to 255"):
        write_masks(folder, images[:1], [classes], column=Mask(vocab=("a", "b"), values=(0, 300)))
    for name in ("mask.png", "{stem}.jpg", "../{stem}.png"):
        with pytest.raises(ConfigError, match=r"mask_name holds {stem}"):
            write_masks(folder, images[:1], [classes], column=COLUMN, mask_name=name)
    assert not folder.exists()
    write_masks(folder, images[:1], [classes], column=COLUMN)
    with pytest.raises(DataError, match="would be overwritten"):
        write_masks(folder, images[:1], [classes], column=COLUMN)
