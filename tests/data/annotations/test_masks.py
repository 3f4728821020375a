import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.data import Table
from longspan.errors import ConfigError, DataError, UnknownNameError

NUMBERS = np.zeros((20, 30), np.uint8)


@pytest.fixture
def places(tmp_path, image, mask):
    image("a.jpg")
    mask("a_P.png", NUMBERS)
    return tmp_path / "images", tmp_path / "masks"


def faults(*places, **options):
    with pytest.raises(DataError) as caught:
        Table.from_masks(*places, **options)
    return [repr(fault) for fault in caught.value.faults]


def test_masks_belong_to_images_by_their_names(places, image, mask):
    image("s/b.jpg")
    image("c.jpg")
    mask("s/b_P.png", NUMBERS)
    table = Table.from_masks(*places, mask_name="{stem}_P.png")
    assert table.column_values("image") == [str(places[0] / name) for name in ("a.jpg", "c.jpg", "s/b.jpg")]
    assert table.column_values("mask") == [str(places[1] / "a_P.png"), None, str(places[1] / "s/b_P.png")]
    assert table.columns["mask"].vocab == ()
    assert table.columns["mask"].ignored == (255,)


def test_groups_of_the_pattern_name_masks_and_become_columns(tmp_path, image, mask):
    for name in ("train/x_leftImg8bit.png", "val/y_leftImg8bit.png", "val/other.png"):
        image(name)
    for name in ("train/x_gtFine_labelIds.png", "val/y_gtFine_labelIds.png", "val/y_gtFine_color.png"):
        mask(name, NUMBERS)
    table = Table.from_masks(
        tmp_path / "images",
        tmp_path / "masks",
        pattern=r"(?P<part>\w+)/(?P<id>\w+)_leftImg8bit\.png",
        mask_name="{part}/{id}_gtFine_labelIds.png",
        image="photo",
        mask="classes",
    )
    assert table.column_values("part") == ["train", "val"]
    assert list(table.columns) == ["photo", "classes", "part", "id"]
    assert [value.rpartition("/")[2] for value in table.column_values("classes")] == [
        "x_gtFine_labelIds.png",
        "y_gtFine_labelIds.png",
    ]


def test_masks_may_lie_among_the_images(tmp_path, image, mask):
    image("a.png")
    image("b.png")
    mask("a_mask.png", NUMBERS, folder="images")
    table = Table.from_masks(tmp_path / "images", tmp_path / "images", mask_name="{stem}_mask.png")
    assert [row["image"].rpartition("/")[2] for row in table] == ["a.png", "b.png"]
    assert [row["mask"] and row["mask"].rpartition("/")[2] for row in table] == ["a_mask.png", None]


def test_codes_colours_and_what_is_ignored(places, tmp_path):
    (tmp_path / "codes.txt").write_text("Sky\nRoad\nUnlabelled\n")
    (tmp_path / "colors.txt").write_text("Sky 1 2 3\nRoad 4 5 6\nUnlabelled 0 0 0\n")
    named = {"mask_name": "{stem}_P.png"}
    column = Table.from_masks(
        *places, codes=tmp_path / "codes.txt", colours=tmp_path / "colors.txt", ignored=("Unlabelled", 255), **named
    ).columns["mask"]
    assert (column.vocab, column.values, column.ignored) == (("Sky", "Road"), (0, 1), (2, 255))
    assert column.colours == ((1, 2, 3), (4, 5, 6), (0, 0, 0))
    assert column.palette == ((1, 2, 3), (4, 5, 6))
    column = Table.from_masks(*places, codes={3: "border", 1: "pet"}, **named).columns["mask"]
    assert (column.vocab, column.values, column.ignored) == (("pet", "border"), (1, 3), (255,))


def test_a_class_stored_as_255_is_not_ignored_unasked(places):
    column = Table.from_masks(*places, mask_name="{stem}_P.png", codes={0: "no", 255: "yes"}).columns["mask"]
    assert (column.vocab, column.ignored) == (("no", "yes"), ())


def test_masks_in_colours_are_read_by_their_colours_or_refused(places, mask):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, 10:] = (4, 5, 6)
    pixels[:, 20:] = (7, 8, 9)
    PILImage.fromarray(pixels).save(places[1] / "a_P.png")
    named = {"mask_name": "{stem}_P.png"}
    assert "its pixels are colours (RGB), not numbers" in faults(*places, **named)[0]
    colours = [(0, 0, 0), (4, 5, 6), (7, 8, 9)]
    table = Table.from_masks(*places, codes=["a", "b", "c"], colours=colours, ignored=("b",), **named)
    classes = table.columns["mask"].classes(table[0]["mask"])
    assert classes[0].tolist() == [0] * 10 + [255] * 10 + [1] * 10


def test_masks_of_another_size_without_an_image_or_damaged(places, image, mask):
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        image(name)
    mask("b_P.png", np.zeros((30, 20)))
    mask("c_P.png", NUMBERS).write_bytes(b"no image")
    mask("lost_P.png", NUMBERS)
    mask("readme.png", NUMBERS)
    found = faults(*places, mask_name="{stem}_P.png")
    assert len(found) == 3
    assert "lost_P.png: no image in" in found[0]
    assert "b_P.png (b.jpg): the mask has 20 x 30 px, its image 30 x 20" in found[1]
    assert "c_P.png (c.jpg): this is not an image" in found[2]
    with pytest.warns(UserWarning, match="3 faults"):
        table = Table.from_masks(*places, mask_name="{stem}_P.png", on_error="skip")
    assert [value is None for value in table.column_values("mask")] == [False, True, True, True]


def test_names_that_fit_nothing(places):
    with pytest.raises(DataError, match=r"No image has a mask: for 'a.jpg' there should be 'a.png' .*'a_P.png', for"):
        Table.from_masks(*places)
    with pytest.raises(DataError, match=r"matches none of the 1 images below .*'a.jpg'. It must match the whole"):
        Table.from_masks(*places, pattern=r"(?P<stem>\w+)\.png")
    with pytest.raises(UnknownNameError, match=r"group .* 'sten'. Did you mean 'stem'"):
        Table.from_masks(*places, mask_name="{sten}.png")
    with pytest.raises(ConfigError, match="not a regular expression"):
        Table.from_masks(*places, pattern="(")
    with pytest.raises(ConfigError, match="put together from groups"):
        Table.from_masks(*places, mask_name="mask.png")
    with pytest.raises(ConfigError, match="leads out"):
        Table.from_masks(*places, mask_name="../{stem}.png")


def test_classes_that_cannot_be(places):
    named = {"mask_name": "{stem}_P.png"}
    with pytest.raises(UnknownNameError, match=r"class \(in ignored=\) 'Rod'. Did you mean 'Road'"):
        Table.from_masks(*places, codes=["Sky", "Road"], ignored=("Rod",), **named)
    with pytest.raises(ConfigError, match="All classes are ignored"):
        Table.from_masks(*places, codes=["Sky"], ignored=("Sky",), **named)
    with pytest.raises(ConfigError, match="1 colours for 2 classes"):
        Table.from_masks(*places, codes=["Sky", "Road"], colours=[(1, 2, 3)], **named)
    with pytest.raises(ConfigError, match="needs codes="):
        Table.from_masks(*places, ignored=("Sky",), **named)
    with pytest.raises(ConfigError, match="Two columns would be called 'image'"):
        Table.from_masks(*places, pattern=r"(?P<image>(?P<stem>.+))\.jpg", **named)


def test_endings_in_capitals_belong_to_their_images(tmp_path, image, mask):
    image("a.JPG")
    image("b.jpg")
    mask("a.png", NUMBERS)
    (tmp_path / "masks/a.png").rename(tmp_path / "masks/a.PNG")
    mask("b.png", NUMBERS)
    table = Table.from_masks(tmp_path / "images", tmp_path / "masks")
    assert table.column_values("mask") == [str(tmp_path / "masks" / name) for name in ("a.PNG", "b.png")]


def test_a_mask_with_another_ending_is_named(tmp_path, image, mask):
    image("a.jpg")
    image("b.jpg")
    mask("a.png", NUMBERS)
    mask("b.bmp", NUMBERS)
    (fault,) = faults(tmp_path / "images", tmp_path / "masks")
    assert fault.startswith("b.bmp: 'b.png' was expected for the image 'b.jpg'.")
    assert "mask_name='{stem}.bmp'" in fault


def test_jpeg_masks_are_refused_whatever_they_are_called(tmp_path, image, mask):
    image("a.jpg")
    PILImage.fromarray(NUMBERS).save(tmp_path / "x.jpg")
    (tmp_path / "masks").mkdir()
    (tmp_path / "x.jpg").rename(tmp_path / "masks/a.png")
    (fault,) = faults(tmp_path / "images", tmp_path / "masks", codes=["a", "b"])
    assert "stored as JPEG, which blurs class numbers" in fault


def test_palettes_that_contradict_each_other_are_refused(tmp_path, image):
    (tmp_path / "masks").mkdir()
    for name, palette in (("a", [0, 0, 0, 255, 0, 0]), ("b", [0, 0, 0, 0, 255, 0])):
        image(f"{name}.jpg")
        made = PILImage.frombytes("P", (30, 20), bytes([0, 1] * 300))
        made.putpalette(palette)
        made.save(tmp_path / f"masks/{name}.png")
    (fault,) = faults(tmp_path / "images", tmp_path / "masks", codes=["ground", "red"])
    assert "b.png (b.jpg): its palette shows number 1 as (0, 255, 0), but a.png shows it as (255, 0, 0)" in fault
    colours = [(0, 0, 0), (255, 0, 0), (0, 255, 0)]
    table = Table.from_masks(tmp_path / "images", tmp_path / "masks", codes=["ground", "red", "green"], colours=colours)
    column = table.columns["mask"]
    assert [int(column.classes(table.value(row, "mask")).max()) for row in (0, 1)] == [1, 2]
