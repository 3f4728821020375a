"""Masks: from files and arrays to class numbers, and what is wrong with them."""

import io
import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from longspan.columns import Image, Mask, column_from_json
from longspan.errors import ConfigError, DataError, ShapeError
from longspan.vision import ResizeTransform
from longspan.vision.augment_params import AugmentParams

STORED = np.array([[0, 7, 7, 255], [7, 0, 255, 255], [0, 0, 0, 7]], np.uint8)
CLASSES = np.array([[0, 1, 1, 255], [1, 0, 255, 255], [0, 0, 0, 1]], np.uint8)
TWO = Mask(vocab=("road", "car"), values=(0, 7), size_px=(3, 4))
SAME = ResizeTransform((3, 4), (3, 4), "crop")


def palette_file(path, stored):
    image = PILImage.frombytes("P", stored.shape[::-1], stored.tobytes())
    image.putpalette(list(range(255, -1, -1)) * 3)
    image.save(path)
    return str(path)


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ["palette", "grey", "path", "bytes", "pillow", "array", "wide", "signed", "tensor", "channel", "16 bits"]
)
def test_every_form_of_one_mask_gives_the_same_classes(tmp_path, form):
    palette = palette_file(tmp_path / "p.png", STORED)
    with PILImage.open(palette) as opened:
        assert opened.mode == "P"
        pillow = opened.copy()
    PILImage.fromarray(STORED).save(tmp_path / "g.png")
    PILImage.fromarray(STORED.astype(np.uint16)).save(tmp_path / "w.png")
    forms = {
        "palette": palette,
        "grey": str(tmp_path / "g.png"),
        "path": tmp_path / "g.png",
        "bytes": (tmp_path / "g.png").read_bytes(),
        "pillow": pillow,
        "array": STORED,
        "wide": STORED.astype(np.int64),
        "signed": STORED.astype(np.int16),
        "tensor": torch.from_numpy(STORED),
        "channel": STORED[..., None],
        "16 bits": tmp_path / "w.png",
    }
    encoded = TWO.encode(forms[form])
    assert encoded.dtype == np.uint8
    assert np.array_equal(encoded, CLASSES)
    assert TWO.check(forms[form]) is None


def test_bits_and_bools_are_numbers_too(tmp_path):
    bits = np.array([[0, 1, 1, 0]] * 3, bool)
    PILImage.fromarray(bits).save(tmp_path / "b.png")
    with PILImage.open(tmp_path / "b.png") as opened:
        assert opened.mode == "1"
    column = Mask(vocab=("no", "yes"), size_px=(3, 4))
    assert np.array_equal(column.encode(tmp_path / "b.png"), bits)
    assert np.array_equal(column.encode(bits), bits)


def test_numbers_above_a_byte_and_below_zero_can_be_classes_and_ignored():
    column = Mask(vocab=("a", "b"), values=(1000, 3), ignored=(-1, 65535), size_px=(1, 4))
    assert column.encode(np.array([[3, -1, 65535, 1000]])).tolist() == [[1, 255, 255, 0]]
    for wrong in (-2, 65536, 1 << 40, -(1 << 40), 0):
        assert f"holds {wrong} (1 pixel), first at x=2, y=0" in str(column.check(np.array([[3, 3, wrong, 3]])))


def test_colours_name_classes_and_further_ones_are_ignored(tmp_path):
    column = Mask(vocab=("sky", "road"), colours=((0, 0, 255), (128, 64, 128), (0, 0, 0)), size_px=(1, 3))
    pixels = np.array([[[128, 64, 128], [0, 0, 255], [0, 0, 0]]], np.uint8)
    PILImage.fromarray(pixels).save(tmp_path / "rgb.png")
    PILImage.fromarray(pixels).convert("RGBA").save(tmp_path / "rgba.png")
    for form in (pixels, tmp_path / "rgb.png", tmp_path / "rgba.png"):
        assert column.encode(form).tolist() == [[1, 0, 255]]
    pixels[0, 1] = (0, 1, 255)
    assert column.check(pixels) == (
        "the mask holds [0, 1, 255] (1 pixel), first at x=1, y=0: colours of no class, see Mask(colours=...)"
    )
    assert column.palette == ((0, 0, 255), (128, 64, 128))
    assert "Mask(vocab=..., colours=...)" in str(Mask(vocab=("a", "b")).check(tmp_path / "rgb.png"))


def test_a_mask_with_an_exif_note_is_turned_as_its_image_is(tmp_path):
    exif = PILImage.Exif()
    exif[0x0112] = 6
    PILImage.fromarray(STORED).save(tmp_path / "m.png", exif=exif)
    assert np.array_equal(TWO.classes(tmp_path / "m.png"), np.rot90(CLASSES, -1))


def test_the_frame_takes_the_nearest_number_and_ignores_its_padding():
    big = np.kron(STORED, np.ones((5, 5), np.uint8))
    assert np.array_equal(TWO.encode_in(big, ResizeTransform((15, 20), (3, 4), "crop")), CLASSES)
    padded = TWO.encode_in(STORED, ResizeTransform((3, 4), (8, 8), "pad"))
    assert (padded[[0, 7]] == 255).all()
    assert np.array_equal(padded[1:7:2, ::2], CLASSES)


# --- learning and settings -------------------------------------------------------------------------------------------


def test_the_numbers_of_the_training_masks_are_the_classes(tmp_path):
    path = palette_file(tmp_path / "p.png", STORED)
    column = Mask(size_px=(3, 4)).fit([path, STORED + 1, "gone.png"])  # 255 + 1 is 0 again
    assert column.vocab == column.values == (0, 1, 7, 8)
    assert Mask(ignored=(7,)).fit([STORED]).vocab == (0, 255)
    assert Mask().fit([STORED.astype(np.int32)]).vocab == (0, 7)


def test_given_labels_have_the_numbers_from_zero():
    column = Mask(vocab=("a", "b"))
    assert column.values == (0, 1)
    assert column.fit([]) is column
    assert Mask(values=(4, 2)).vocab == (4, 2)


def test_what_cannot_be_learnt_says_how_to_name_it(tmp_path):
    with pytest.raises(DataError, match=r"hold 1 classes, but there must be 2 to 255: the numbers are 7, 255; ignored"):
        Mask().fit([np.array([[7, 255]])])
    with pytest.warns(UserWarning, match="hold 0 and 255 alone"):
        assert Mask().fit([np.array([[0, 255]]), np.array([[0, 0]])]).values == (0, 255)
    with pytest.raises(DataError, match=r"hold 256 classes.*the numbers are 0\.\.255"):
        Mask(ignored=()).fit([np.arange(256).reshape(16, 16)])
    with pytest.raises(DataError, match="the numbers are none"):
        Mask().fit([])
    with pytest.raises(DataError, match=r"No training mask can be read:\n  gone.png: the file does not exist"):
        Mask().fit(["gone.png", 3])


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"vocab": ("a", "a")}, "names 'a' twice"),
        ({"vocab": ("a", "b"), "values": (1,)}, "values has 1 numbers for 2 labels"),
        ({"values": (0, 255)}, "names 255 as a class, Mask.ignored as ignored; pass ignored=()"),
        ({"values": (0, 0)}, "twice"),
        ({"values": (0, 1.5)}, "whole numbers from -32768 to 65535"),
        ({"values": (0, 70000)}, "whole numbers from -32768 to 65535"),
        ({"ignored": ("a",)}, "Mask.ignored holds whole numbers"),
        ({"colours": ((1, 2, 3),)}, "has 1 colours for 0 labels"),
        ({"vocab": ("a", "b"), "colours": ((1, 2, 3),)}, "has 1 colours for 2 labels"),
        ({"vocab": ("a", "b"), "colours": ((1, 2, 3), (1, 2, 3))}, "names a colour twice"),
        ({"vocab": ("a",), "colours": ((1, 2, 300),)}, r"whole numbers in 0..255, got \(1, 2, 300\)"),
        ({"vocab": ("a",), "colours": ("red",)}, "got 'red'"),
        ({"vocab": tuple(range(256))}, "at most 255 classes, got 256"),
        ({"size_px": (0, 4)}, r"size_px must be \(height, width\)"),
        ({"resize": "squeeze"}, "'crop', 'stretch' or 'pad', got 'squeeze'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, fault):
    with pytest.raises(ConfigError, match=fault):
        Mask(**settings)


def test_settings_survive_json():
    given = {"colours": [[1, 2, 3], [4, 5, 6]], "size_px": 9}
    column = Mask(vocab=("a", "b"), values=(3, 1), ignored=(), resize="pad", **given)  # pyright: ignore[reportArgumentType]
    again = column_from_json(json.loads(json.dumps(column.to_json())))
    assert again == column
    assert hash(again) == hash(column)
    assert isinstance(again, Mask)
    assert again.colours == ((1, 2, 3), (4, 5, 6))
    assert again.size_px == (9, 9)


# --- faults ----------------------------------------------------------------------------------------------------------


def test_all_that_is_wrong_with_a_mask_is_said_at_once():
    wrong = STORED.copy()
    wrong[1, 2], wrong[2, :2] = 9, 5
    with pytest.raises(ValueError, match="px") as caught:
        TWO.encode_in(wrong, ResizeTransform((4, 3), (3, 4), "crop"))
    assert str(caught.value) == (
        "the mask is 3 px high and 4 px wide, its image 4 px high and 3 px wide: one of them lies on its side; "
        "the mask holds 5 (2 pixels), 9 (1 pixel), first at x=2, y=1: neither a class (0, 7) nor ignored (255), "
        "see Mask(values=..., ignored=...)"
    )
    many = Mask(vocab=tuple("abcdefg"), ignored=())
    assert "neither a class (0..6) nor ignored (none is)" in str(many.check(np.array([[9, 0]])))
    assert " and 4 more, first at x=7, y=0" in str(many.check(np.arange(16)[None]))


def test_a_jpeg_is_refused(tmp_path):
    PILImage.fromarray(np.kron(STORED, np.ones((9, 9), np.uint8))).save(tmp_path / "m.jpg")
    assert "stored as JPEG, which blurs class numbers" in str(TWO.check(str(tmp_path / "m.jpg")))


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("gone.png", "the file does not exist"),
        (3, "not int"),
        (np.zeros((3, 4)), r"an array mask holds whole numbers \(h, w\), got float64 \(3, 4\)"),
        (np.zeros((2, 3, 4), np.uint8), r"got uint8 \(2, 3, 4\)"),
        (np.zeros((0, 4), np.uint8), "holds no pixel"),
        (PILImage.new("F", (4, 3)), "grey, palette or RGB image, this one is F"),
    ],
)
def test_what_is_no_mask_says_so(value, fault):
    with pytest.raises(ValueError, match=fault):
        TWO.encode(value)
    assert TWO.check(value)


# --- following the image, answers, drawings ------------------------------------------------------------------------


def test_prepare_warps_and_keeps_numbers_exact():
    batch = torch.randint(0, 200, (3, 9, 14), dtype=torch.uint8)
    column = Mask(vocab=tuple(range(200)), size_px=(9, 14))
    assert column.prepare(batch) is batch
    matrix = torch.tensor([[1.0, 0.0, 3.0], [0.0, 1.0, -2.0]]).repeat(3, 1, 1)  # looks 3 to the right, 2 up
    moved = column.prepare(batch, AugmentParams(matrix, torch.ones(3), torch.zeros(3)))
    assert moved.dtype == torch.uint8
    assert torch.equal(moved[:, 2:, :11], batch[:, :7, 3:])
    assert (moved[:, :2] == 255).all()
    assert (moved[:, :, 11:] == 255).all()


def test_answers_come_back_into_the_source():
    transform = ResizeTransform((6, 12), (6, 6), "crop")
    answer = np.arange(36, dtype=np.uint8).reshape(6, 6)
    back = TWO.to_source(answer, transform)
    assert np.array_equal(back[:, 3:9], answer)
    assert (back[:, :3] == 255).all()
    assert np.array_equal(TWO.decode(torch.from_numpy(answer)), answer)


def test_a_mask_is_drawn_from_class_numbers_or_its_file(tmp_path):
    path = palette_file(tmp_path / "p.png", STORED)
    pixels = np.full((3, 4, 3), 100, np.uint8)
    assert np.array_equal(TWO.draw(pixels, path), TWO.draw(pixels, CLASSES))
    assert (TWO.draw(pixels, CLASSES)[CLASSES == 255] == 100).all()
    assert (pixels == 100).all()
    with pytest.raises(ShapeError, match="to_source"):
        TWO.draw(pixels[:2], CLASSES)


def test_json_says_the_fraction_of_each_class():
    assert TWO.json_value(CLASSES) == {"size_px": [3, 4], "share": {"road": 0.4167, "car": 0.3333}, "ignored": 0.25}
    assert json.dumps(TWO.json_value(CLASSES))


def test_cells_show_a_small_image_or_the_fault():
    large = np.kron(STORED, np.ones((100, 100), np.uint8))
    for column in (TWO, Mask()):
        shown = column.show_html(large)
        assert shown.startswith("<img")
        assert len(shown) < 2000
    assert 'alt="road, car"' in TWO.show_html(STORED)
    assert TWO.show_html("gone.png") == "(the file does not exist)"
    assert Mask().show_html(np.array([[255]])).startswith("<img")
    assert Mask().show_html(np.array([[1 << 20]])).startswith("(Mask.values holds whole numbers")


def test_camvid_is_read_by_its_palette(data_folder):
    column = Mask(vocab=tuple(range(11)), ignored=(11,)).bind(Image(size_px=(90, 120), channels=3))
    transform = ResizeTransform((360, 480), (90, 120), "crop")
    with tarfile.open(data_folder / "camvid.tar.gz") as archive:
        labels = (member for member in archive if member.name.endswith("_P.png"))
        for member, _ in zip(labels, range(3), strict=False):
            file = archive.extractfile(member)
            assert file
            label = file.read()
            with PILImage.open(io.BytesIO(label)) as image:
                seen = np.asarray(image.resize((120, 90), PILImage.Resampling.NEAREST)).copy()
            seen[seen == 11] = 255
            assert np.array_equal(column.encode_in(label, transform), seen)


# --- what masks hold beside what was named ---------------------------------------------------------------------------


def test_an_ignored_number_that_swallows_a_class_is_refused():
    masks = [np.array([[0, 255], [255, 0]], np.uint8)] * 2
    with pytest.raises(DataError, match=r"'crack' \(number 1\) never occurs .* hold 255, which is ignored"):
        Mask(vocab=("ground", "crack")).fit(masks)
    assert Mask(vocab=("ground", "crack"), values=(0, 255), ignored=()).fit(masks).vocab == ("ground", "crack")


def test_a_class_that_never_occurs_is_reported():
    masks = [np.array([[0, 1, 255]], np.uint8), np.array([[1, 1, 0]], np.uint8)]
    with pytest.warns(UserWarning, match=r"'c' \(number 2\) never occurs in a training mask. .* 255, which is ignored"):
        Mask(vocab=("a", "b", "c")).fit(masks)
    with pytest.warns(UserWarning, match="nothing can be learned"):
        Mask(vocab=("a", "b", "c")).fit([np.array([[0, 1]], np.uint8)])


def test_grey_levels_and_blurred_numbers_are_reported():
    with pytest.warns(UserWarning, match="classes 0, 128, and 255, which is ignored"):
        Mask().fit([np.array([[0, 128, 255]], np.uint8)])
    with pytest.warns(UserWarning, match="hold 60 different numbers"):
        Mask().fit([np.arange(60, dtype=np.uint8)[None]])


def palette_mask(path, numbers, palette):
    image = PILImage.fromarray(np.asarray(numbers, np.uint8), "L").convert("L")
    image = PILImage.frombytes("P", image.size, image.tobytes())
    image.putpalette([part for colour in palette for part in colour])
    image.save(path)
    return str(path)


BLACK, RED, GREEN, WHITE = (0, 0, 0), (255, 0, 0), (0, 255, 0), (255, 255, 255)
COLOURED = Mask(vocab=("ground", "red", "green"), colours=(BLACK, RED, GREEN))


@pytest.mark.parametrize(
    ("palette", "classes"),
    [
        ((BLACK, RED, GREEN), [0, 1, 2]),
        ((BLACK, GREEN, RED), [0, 2, 1]),
        ((GREEN, BLACK, RED), [2, 0, 1]),
        ((WHITE, (9, 9, 9), (8, 8, 8)), [0, 1, 2]),  # a palette that says nothing about classes
        ((BLACK, RED, (8, 8, 8)), [0, 1, 2]),
    ],
)
def test_colours_decide_in_a_palette_mask(tmp_path, palette, classes):
    path = palette_mask(tmp_path / "m.png", [[0, 1, 2]], palette)
    assert COLOURED.classes(path).tolist() == [classes]


def test_a_palette_that_contradicts_the_colours_is_refused(tmp_path):
    path = palette_mask(tmp_path / "m.png", [[0, 1, 2]], (BLACK, GREEN, (8, 8, 8)))
    with pytest.raises(
        ValueError, match=r"its palette shows number 2 as \(8, 8, 8\), which is not the colour of a class"
    ):
        COLOURED.classes(path)


def test_ignored_numbers_of_a_palette_mask_stay_ignored(tmp_path):
    palette = [BLACK, GREEN, RED, *[BLACK] * 252, (224, 224, 192)]
    path = palette_mask(tmp_path / "m.png", [[0, 1, 255]], palette)
    assert COLOURED.classes(path).tolist() == [[0, 2, 255]]


def test_masks_of_0_and_255_beside_others_of_0_and_1_are_said():
    binary = np.array([[0, 255], [0, 255]], np.uint8)
    with pytest.warns(UserWarning, match="1 of the training masks hold only 0 and 255, and 255 is ignored"):
        Mask().fit([binary, np.array([[0, 1], [1, 1]], np.uint8)])
    Mask().fit([np.array([[0, 1], [1, 255]], np.uint8)])  # a border that is ignored
