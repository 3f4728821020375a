import numpy as np
import pytest
from PIL import Image as PILImage
from PIL import ImageOps

from longspan.columns import Category, Image
from longspan.data.table import Table
from longspan.errors import DataError, UnknownNameError


def _photo(seed, size=(90, 70)):
    """Smooth random colours, as photos are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return PILImage.fromarray(coarse).resize(size, PILImage.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path):
    """Twenty photos, of them four as changed copies under other names; `part` by name."""
    for number in range(16):
        _photo(number).save(tmp_path / f"train_{number}.png")
    _photo(0).save(tmp_path / "test_100.jpg", quality=50)
    _photo(1).resize((45, 35)).save(tmp_path / "test_101.png")
    ImageOps.mirror(_photo(2)).save(tmp_path / "test_102.jpg", quality=90)
    _photo(99).save(tmp_path / "test_103.png")
    return Table.from_files(tmp_path, r"(?P<part>train|test)_\d+\.(png|jpg)")


def test_photos_of_all_sizes_are_compared_without_a_task(photos):
    split = photos.split(column="part", valid=0)
    found = {(leak.name.rsplit("/")[-1], leak.other_name.rsplit("/")[-1], leak.kind) for leak in split.leaks().pairs}
    assert found == {
        ("train_0.png", "test_100.jpg", "near-identical"),
        ("train_1.png", "test_101.png", "near-identical"),
        ("train_2.png", "test_102.jpg", "mirrored"),
    }
    assert split.vault.openings == []


def test_images_that_cannot_be_read_are_refused_by_name_or_left_out(photos, tmp_path):
    (tmp_path / "train_3.png").write_bytes(b"no image")
    split = photos.split(column="part", valid=0)
    with pytest.raises(DataError, match=r"train_3\.png"):
        split.leaks()
    assert len(split.leaks(on_error="skip")) == 3


def test_every_image_input_is_looked_at_but_a_pattern_that_all_rows_fraction_says_nothing():
    rng = np.random.default_rng(0)
    left, right = (rng.integers(0, 256, (60, 12, 12), dtype=np.uint8) for _ in range(2))
    right[50] = right[3]
    pattern = np.repeat(left[:1], 60, axis=0)
    columns = {"left": Image(), "right": Image(), "pattern": Image(), "part": Category()}
    parts = ["train"] * 40 + ["test"] * 20
    table = Table.from_arrays({"left": left, "right": right, "pattern": pattern, "part": parts}, columns)
    (leak,) = table.split(column="part", valid=0).leaks().pairs
    assert (leak.row, leak.other_row, leak.kind, leak.column) == (3, 50, "identical", "right")
    assert "column 'right'" in leak.name
    # Where all images of two rows are the same, they are one sample, the shared one included.
    left[50] = left[3]
    table = Table.from_arrays({"left": left, "right": right, "pattern": pattern, "part": parts}, columns)
    assert len(table.split(column="part", valid=0).leaks()) == 1
    # Alone, it is all there is to a sample.
    assert len(table.split(column="part", valid=0).leaks("pattern")) == 20


def test_unknown_columns_are_refused(photos):
    with pytest.raises(UnknownNameError, match="Did you mean 'image'"):
        photos.split().leaks("imgae")
