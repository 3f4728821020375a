"""Images come back from a page as they went in."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from longspan.errors import ConfigError, ShapeError
from longspan.report import CaptionedImage, contact_sheet
from longspan.report.images import data_uri


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.parametrize("shape", [(28, 28), (28, 20, 1), (32, 32, 3), (16, 16, 4)])
def test_small_images_are_kept_bit_for_bit(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    uri = data_uri(image)
    assert uri.startswith("data:image/png;base64,")
    np.testing.assert_array_equal(decoded(uri), image.reshape(shape[:2]) if shape[2:] == (1,) else image)


def test_photographs_are_shrunk():
    ys, xs = np.mgrid[:600, :900]
    image = np.stack([xs * 255 // 900, ys * 255 // 600, xs * 0 + 90], axis=-1).astype(np.uint8)
    uri = data_uri(image)
    assert uri.startswith("data:image/jpeg;base64,")
    back = decoded(uri)
    assert back.shape == (240, 360, 3)
    assert np.abs(back[100, 100].astype(int) - image[250, 250]).max() < 6
    assert len(uri) < 20_000


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ShapeError, match="must be uint8"):
        CaptionedImage(image)


def test_a_contact_sheet_holds_every_image_and_caption():
    images = [
        CaptionedImage(np.full((8, 8), 20 * k, np.uint8), f"digit ${k}", "good", "a very long remark " * 3)
        for k in range(7)
    ]
    sheet = contact_sheet(images, title="batch")
    assert len(sheet.axes) == 7
    assert [np.asarray(axes.images[0].get_array())[0, 0] for axes in sheet.axes] == [20 * k for k in range(7)]
    words = [text.get_text() for axes in sheet.axes for text in axes.texts]
    assert r"digit \$3" in words
    assert any(word.endswith("…") for word in words)
    legend = [(f"class {number}", (number, 0, 255)) for number in range(9)]
    keyed = contact_sheet(images, legend=legend)
    assert [text.get_text() for text in keyed.axes[-1].texts] == [word for word, _ in legend]
    assert keyed.axes[-1].lines[3].get_color() == "#0300ff"
    assert keyed.get_figheight() > contact_sheet(images).get_figheight()
    with pytest.raises(ConfigError, match="at least one image"):
        contact_sheet([])
    with pytest.raises(ConfigError, match="at least one column"):
        contact_sheet(images, columns=0)


def test_a_row_of_a_contact_sheet_is_as_high_as_its_highest_image():
    wide, high = CaptionedImage(np.zeros((100, 400), np.uint8)), CaptionedImage(np.zeros((300, 200), np.uint8))
    sheet = contact_sheet([wide, wide, wide, high], columns=2, cell_px=200)
    points = sheet.get_figheight() * 72
    heights = [axes.get_position(original=True).height * points for axes in sheet.axes]
    assert heights[2] == pytest.approx(4 * heights[0])
    bottoms = [axes.get_position(original=True).y0 * points for axes in sheet.axes]
    assert bottoms[2] + heights[2] < bottoms[0]
    assert bottoms[2] > 0
