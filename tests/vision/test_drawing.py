"""Colours, outlines, captions, legends."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.errors import ShapeError
from longspan.vision.drawing import draw_boxes, draw_classes, draw_masks, image_html, legend, palette

GROUND = np.full((60, 80, 3), 100, np.uint8)


def test_the_palette_gives_each_class_its_colour_whatever_their_number():
    assert palette(80)[:11] == palette(11)
    assert len(set(palette(150))) == 150
    assert len(palette(300)) == 300
    assert palette(0) == ()


def test_the_first_twenty_colours_are_far_apart_for_the_colour_blind_too():
    blind = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])  # deuteranopia
    colours = np.array(palette(20)) / 255
    for seen in (colours, (colours**2.2 @ blind.T).clip(0, 1) ** (1 / 2.2)):
        apart = np.abs(seen[:, None] - seen[None]).sum(-1) + np.eye(20) * 9
        assert apart.min() > 0.1


def test_areas_are_tinted_outlined_and_what_is_ignored_is_left_alone():
    classes = np.zeros((60, 80), np.uint8)
    classes[20:40, 20:60] = 1
    classes[:, 70:] = 255
    drawn = draw_classes(GROUND, classes, [(255, 0, 0), (0, 0, 255)])
    assert drawn.shape == GROUND.shape
    assert (GROUND == 100).all()
    assert (drawn[:, 70:] == 100).all()
    assert drawn[5, 5].tolist() == [170, 55, 55]  # 0.45 of its own colour
    assert drawn[30, 40].tolist() == [55, 55, 170]
    assert drawn[20, 40].tolist() == [0, 0, 255]  # the outline
    assert drawn[40, 40].tolist() == [255, 0, 0]


def test_masks_may_overlap_and_be_empty():
    masks = np.zeros((3, 60, 80), bool)
    masks[0, :30], masks[1, 10:50, :40] = True, True
    drawn = draw_masks(GROUND, list(masks), [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    assert drawn[5, 60].tolist() == [170, 55, 55]
    assert drawn[40, 20].tolist() == [55, 170, 55]
    assert drawn[20, 20].tolist() == [94, 145, 30]  # green over red
    assert drawn[0, 60].tolist() == [255, 0, 0]  # the image's edge is part of the outline
    assert drawn[49, 20].tolist() == [0, 255, 0]
    assert (drawn[55] == 100).all()


def test_boxes_lie_on_their_outermost_pixels():
    drawn = draw_boxes(GROUND, np.array([[10, 20, 30, 50]]), [""], [(255, 0, 0)])
    red = (drawn == (255, 0, 0)).all(-1)
    expected = np.zeros((60, 80), bool)
    expected[20:50, 10:30] = True
    expected[21:49, 11:29] = False
    assert np.array_equal(red, expected)
    assert (drawn[~expected] == 100).all()


def test_broken_lines_have_gaps():
    drawn = draw_boxes(GROUND, np.array([[10, 20, 70, 50]]), [""], [(255, 0, 0)], dashed=[True])
    red = (drawn == (255, 0, 0)).all(-1)
    assert 0 < red[20, 10:70].sum() < 60
    assert red.sum() == red[[20, 49], 10:70].sum() + red[21:49, [10, 69]].sum()


def test_captions_stay_inside_and_apart():
    ground = np.zeros((200, 300, 3), np.uint8)
    boxes = np.array([[0, 0, 40, 40], [5, 2, 45, 42], [280, 180, 300, 200]])
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    drawn = draw_boxes(ground, boxes, ["first 0.93", "second", "a long caption"], colours)
    for colour, number in zip(colours, range(3), strict=True):
        alone = draw_boxes(ground, boxes[[number]], [""], [colour])
        more = (drawn == colour).all(-1).sum() - (alone == colour).all(-1).sum()
        assert more > 150  # the ground of its caption, none of it covered by another
    crowd = draw_boxes(ground[:20, :60], np.array([[0, 0, 60, 20]] * 50), ["word"] * 50, colours[:1] * 50)
    assert crowd.shape == (20, 60, 3)


@pytest.mark.parametrize("box", [[-5, -5, 500, 500], [79.6, 59.7, 80, 60], [200, 200, 210, 210], [3, 3, 3, 3]])
def test_boxes_at_and_beyond_the_edge_can_be_drawn(box):
    for dashed in (True, False):
        drawn = draw_boxes(GROUND, np.array([box], float), ["word"], [(255, 0, 0)], dashed=[dashed])
        assert drawn.shape == GROUND.shape


def test_nothing_to_draw_is_a_copy():
    drawn = draw_boxes(GROUND, np.zeros((0, 4)), [], [])
    assert np.array_equal(drawn, GROUND)
    assert drawn is not GROUND


@pytest.mark.parametrize("text", ["日本", "", "<b>", "line\nbreak"])
def test_captions_of_any_letters_can_be_drawn(text):
    assert draw_boxes(GROUND, np.array([[10, 20, 30, 50]]), [text], [(255, 0, 0)]).shape == GROUND.shape
    assert legend([text]).ndim == 3


def test_grey_images_become_coloured():
    for grey in (GROUND[..., 0], GROUND[..., :1]):
        assert np.array_equal(draw_classes(grey, np.full((60, 80), 255), []), GROUND)


def test_what_is_no_image_or_of_another_size_is_refused():
    with pytest.raises(ShapeError, match=r"\(H, W, 3\) uint8, got \(60, 80, 3\) float64"):
        draw_classes(GROUND / 255, np.zeros((60, 80)), [])
    with pytest.raises(ShapeError, match=r"shape \(30, 80\), the image that it is drawn on \(60, 80\)"):
        draw_classes(GROUND, np.zeros((30, 80)), [])
    with pytest.raises(ShapeError, match="mask"):
        draw_masks(GROUND, [np.zeros((30, 80), bool)], [(1, 2, 3)])


def test_a_legend_shows_every_colour_in_lines_of_its_width():
    colours = palette(12)
    narrow, wide = legend([f"class {i}" for i in range(12)], width_px=200), legend(["class"] * 12, width_px=2000)
    assert narrow.shape[1] == 200
    assert narrow.shape[0] > wide.shape[0] == 32
    for image in (narrow, wide):
        for colour in colours:
            assert (image == colour).all(-1).sum() > 100
    assert (legend(["a"], [(9, 8, 7)]) == (9, 8, 7)).all(-1).any()
    assert legend([]).shape == (32, 480, 3)


def test_images_in_html_hold_their_pixels_and_words():
    element = image_html(GROUND, 'a "b" <c>')
    assert 'alt="a &quot;b&quot; &lt;c&gt;"' in element
    inside = re.search(r"base64,([^\"]+)", element)
    assert inside
    assert np.array_equal(np.asarray(PILImage.open(io.BytesIO(base64.b64decode(inside[1])))), GROUND)
