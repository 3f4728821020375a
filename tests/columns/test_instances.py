"""Things with masks: runs and polygons, packed, warped, drawn."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import longspan as ls
from longspan.columns import Image, Instances, column_from_json
from longspan.errors import ConfigError, DataError, ShapeError
from longspan.vision import ResizeTransform
from longspan.vision.augment_params import AugmentParams, warp_masks
from longspan.vision.instance_encoding import _from_bits, _to_bits, areas, boxes_in, masks_in, packed, tight_boxes
from longspan.vision.rle import encode_runs

MASK = np.zeros((12, 20), bool)
MASK[3:9, 2:7] = MASK[5, 7:11] = True
CAT = {"box": [2.0, 3.0, 11.0, 9.0], "label": "cat", "rle": {"size": [12, 20], "counts": encode_runs(MASK)}}
SQUARE = {"label": "dog", "polygons": [[10, 2, 16, 2, 16, 8, 10, 8]], "ignore": True}
COLUMN = Instances(vocab=("cat", "dog"), max_instances=4, size_px=(12, 20))


def full_square() -> np.ndarray:
    mask = np.zeros((12, 20), bool)
    mask[2:8, 10:16] = True
    return mask


# --- packing ---------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(count=st.integers(0, 3), height=st.integers(1, 9), width=st.integers(1, 20), seed=st.integers(0, 9))
def test_boxes_and_masks_are_packed_and_unpacked(count, height, width, seed):
    random = torch.Generator().manual_seed(seed)
    boxes = torch.rand(2, count, 6, generator=random)
    masks = torch.rand(2, count, height, width, generator=random) > 0.5
    rows = packed(boxes, masks)
    assert rows.shape == (2, count, 24 + height * -(-width // 8))
    assert torch.equal(boxes_in(rows), boxes)
    assert torch.equal(masks_in(rows, (height, width)), masks)
    bits = np.packbits(masks.numpy(), axis=-1)
    assert np.array_equal(rows[..., 24:].numpy().ravel(), bits.ravel())


@pytest.mark.parametrize("width", [1, 7, 8, 13, 16])
def test_packing_by_torch_gives_the_bytes_of_numpy(width):
    masks = torch.rand(3, 5, width) > 0.5
    bits = torch.from_numpy(np.packbits(masks.numpy(), axis=-1))
    assert torch.equal(_to_bits(masks), bits)
    assert torch.equal(_from_bits(bits, width), masks)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_bytes():
    batch = torch.from_numpy(np.stack([COLUMN.encode([CAT, SQUARE]), COLUMN.encode([]), COLUMN.encode([SQUARE])]))
    matrix = torch.tensor([[0.8, -0.3, 3.03], [0.3, 0.8, -2.02]]).repeat(3, 1, 1)
    for geometry in ("flip", "affine"):
        augment_params = AugmentParams(matrix, torch.ones(3), torch.zeros(3), geometry=geometry)
        moved = COLUMN.prepare(batch.cuda(), augment_params.to("cuda"))
        assert torch.equal(moved.cpu(), COLUMN.prepare(batch, augment_params))
        assert torch.equal(COLUMN.masks_of(moved).cpu(), COLUMN.masks_of(moved.cpu()))


def test_tight_boxes_hold_the_mask_and_nothing_more():
    masks = torch.zeros(3, 6, 9, dtype=torch.bool)
    masks[0, 2:4, 3:8] = masks[1] = True
    assert tight_boxes(masks).tolist() == [[3, 2, 8, 4], [0, 0, 9, 6], [0, 0, 0, 0]]
    assert areas(masks).tolist() == [10, 54, 0]


# --- reading ---------------------------------------------------------------------------------------------------------


def test_runs_and_polygons_become_masks_with_tight_boxes_and_come_back():
    encoded = COLUMN.encode([CAT, SQUARE])
    assert encoded.shape == COLUMN.shape == (4, 24 + 12 * 3)
    assert encoded.dtype == np.uint8
    batch = torch.from_numpy(encoded)[None]
    assert COLUMN.boxes_of(batch)[0].tolist() == [[2, 3, 11, 9, 0, 0], [10, 2, 16, 8, 1, 1], [0] * 6, [0] * 6]
    masks = COLUMN.masks_of(batch)[0].numpy()
    assert np.array_equal(masks[0], MASK)
    assert np.array_equal(masks[1], full_square())
    assert not masks[2:].any()
    first, second = COLUMN.decode(encoded)
    assert first == CAT
    assert second["rle"]["counts"] == encode_runs(full_square())
    assert COLUMN.decode(torch.from_numpy(COLUMN.encode([CAT]))) == [CAT]
    assert COLUMN.decode(COLUMN.encode([])) == []


def test_cocos_compressed_strings_are_read():
    coco = pytest.importorskip("faster_coco_eval.core.mask")
    written = coco.encode(np.asfortranarray(MASK.astype(np.uint8)))
    for counts in (written["counts"], written["counts"].decode()):
        thing = {"label": "cat", "rle": {"size": [12, 20], "counts": counts}}
        assert COLUMN.decode(COLUMN.encode([thing])) == [CAT]


def test_masks_go_into_the_frame_and_what_is_cut_off_is_dropped():
    column = Instances(vocab=("dog",), max_instances=5, size_px=(12, 12))
    transform = ResizeTransform((12, 20), (12, 12), "crop")  # columns 4 to 16
    things = [
        {"label": "dog", "polygons": [[x0, 0, x1, 0, x1, 12, x0, 12]]} for x0, x1 in ((0, 4), (0, 5), (0, 8), (10, 20))
    ]
    kept = column.decode(column.encode_in(things, transform))
    assert [each["box"] for each in kept] == [[0, 0, 1, 12], [0, 0, 4, 12], [6, 0, 12, 12]]
    wide = [{"label": "dog", "polygons": [[0, 0, 4.4, 0, 4.4, 12, 0, 12]]}]
    assert column.decode(column.encode_in(wide, transform)) == []


def test_vocabulary_and_room_are_learnt():
    column = Instances().fit([[CAT], [], [SQUARE, CAT]])
    assert column.vocab == ("cat", "dog")
    assert column.max_instances == 12
    assert column.fit([]) is column
    with pytest.raises(DataError, match=r"Instances need at least one object.*Instances\(vocab=\.\.\.\)"):
        Instances().fit([[]])


def test_settings_are_checked_and_survive_json():
    assert column_from_json(json.loads(json.dumps(COLUMN.to_json()))) == COLUMN
    with pytest.raises(ConfigError, match="max_instances must be at least 1"):
        Instances(max_instances=0)
    with pytest.raises(ConfigError, match="names 'a' twice"):
        Instances(vocab=("a", "a"))


# --- faults ----------------------------------------------------------------------------------------------------------


def runs(size, counts):
    return {"label": "cat", "rle": {"size": size, "counts": counts}}


@pytest.mark.parametrize(
    ("thing", "fault"),
    [
        ({"polygons": [[1, 0, 3, 2]]}, "polygon 0 has 2 points; at least 3 make an area"),
        ({"polygons": [[1, 0, 3, 2, 5, 6, 7]]}, "polygon 0 has 7 numbers; x and y must take turns"),
        ({"polygons": [[1, 0, 3, 2, 5, float("inf")]]}, "polygon 0 is [1, 0, 3, 2, 5, inf]; it must be finite numbers"),
        ({"polygons": [[[1, 0], [3, 2], [5, 6]]]}, "polygon 0 is [[1, 0], [3, 2], [5, 6]]; it must be finite numbers"),
        ({"polygons": [1, 0, 3, 2, 5, 6]}, "'polygons' is one polygon, not a list of polygons"),
        ({"polygons": []}, "'polygons' is []; it must be a list of [x, y, x, y, ...]"),
        ({"polygons": "x"}, "'polygons' is 'x'; it must be a list of"),
        ({"polygons": [[1, 1, 2, 2, 3, 3]]}, "its polygons have no area"),
        ({}, "its mask is 'rle' or 'polygons', it has neither"),
        ({**CAT, **SQUARE}, "its mask is 'rle' or 'polygons', it has both"),
        (runs([2, 3], [2, 3]), "its runs sum up to 5 pixels, its mask of 2 x 3 has 6"),
        (runs([2, 3], [7, -1]), "its runs hold -1; a length is at least 0"),
        (runs([2, 3], [6]), "its mask has no pixel"),
        (runs([2, 3], [1.5, 4.5]), "'counts' of its runs is [1.5, 4.5]; it must be whole numbers, or COCO's string"),
        (runs([2, 3], "5\x01"), "the compressed runs hold '\\x01', which stands for no number"),
        (runs([2], [2, 3]), "'size' of its runs is [2]; it must be [height, width]"),
        (runs([0, 3], [2, 3]), "'size' of its runs is [0, 3]; it must be [height, width]"),
        ({"rle": [1, 2]}, "'rle' is [1, 2]; it must be a dict with 'size' [h, w] and 'counts'"),
        ({"rle": {"size": [1, 2]}}, "'rle' is {'size': [1, 2]}; it must be a dict with 'size' [h, w] and 'counts'"),
        ({**SQUARE, "segmentation": 1}, "unknown key 'segmentation'"),
        ({**SQUARE, "label": 1.5}, "1.5 (float) is not a label"),
    ],
)
def test_what_is_wrong_with_a_thing(thing, fault):
    column = Instances(max_instances=4, size_px=(2, 3))
    assert str(column.check([thing])).startswith(f"instance 0: {fault}")
    with pytest.raises(ValueError, match=r".") as caught:
        column.encode([thing])
    assert str(caught.value).startswith(f"instance 0: {fault}")


def test_all_faults_of_a_value_are_said_at_once():
    fault = COLUMN.check([{**CAT, "label": "cta"}, {"label": "cat", "polygons": [[1, 2], [1, 2, 3]]}, 3, CAT, CAT])
    assert fault == (
        "5 instances, more than the 4 allowed; Instances(max_instances=5) allows them; "
        "instance 0: class 'cta' does not occur in the training rows (nearest: 'cat'); "
        "instance 1: polygon 0 has 1 points; at least 3 make an area; "
        "instance 1: polygon 1 has 3 numbers; x and y must take turns; "
        "instance 2: 3 is not a dict with 'label' and 'rle'"
    )
    for value in (None, "x", 3):
        assert str(COLUMN.check(value)).endswith("is not a list of instances; an image with nothing in it has []")


def test_what_does_not_fit_the_image_is_a_fault():
    with pytest.raises(ValueError, match="px") as caught:
        COLUMN.encode_in([CAT, SQUARE], ResizeTransform((20, 12), (12, 20), "crop"))
    assert str(caught.value) == (
        "instance 0: its mask is 12 px high and 20 px wide, its image 20 px high and 12 px wide: one of them lies on "
        "its side; instance 1: polygon 0 reaches 4 px beyond the right of its image, which is 20 px high and 12 px "
        "wide"
    )
    slack = {"label": "cat", "polygons": [[-1, -1, 21, -1, 21, 13, -1, 13]]}
    assert COLUMN.decode(COLUMN.encode([slack]))[0]["box"] == [0, 0, 20, 12]


# --- following the image, answers, drawings ------------------------------------------------------------------------


def test_warped_masks_keep_class_and_flag_and_get_new_boxes():
    batch = torch.from_numpy(np.stack([COLUMN.encode([CAT, SQUARE]), COLUMN.encode([]), COLUMN.encode([SQUARE])]))
    assert COLUMN.prepare(batch) is batch
    assert COLUMN.prepare(batch, AugmentParams.identity(3)) is batch
    matrix = torch.tensor([[0.8, -0.3, 3.0], [0.3, 0.8, -2.0]]).repeat(3, 1, 1)
    augment_params = AugmentParams(matrix, torch.ones(3), torch.zeros(3))
    moved = COLUMN.prepare(batch, augment_params)
    assert moved.dtype == torch.uint8
    expected = warp_masks(COLUMN.masks_of(batch), augment_params, 0)
    assert torch.equal(COLUMN.masks_of(moved), expected)
    boxes = COLUMN.boxes_of(moved)
    assert torch.equal(boxes[..., :4], tight_boxes(expected))
    assert boxes[..., 4:].tolist() == COLUMN.boxes_of(batch)[..., 4:].tolist()
    for row in range(3):
        assert torch.equal(
            COLUMN.prepare(batch[row : row + 1], augment_params.take(slice(row, row + 1)))[0], moved[row]
        )


def test_mirroring_twice_gives_the_same_bytes():
    batch = torch.from_numpy(COLUMN.encode([CAT, SQUARE]))[None]
    for geometry in ("flip", "affine"):
        matrix = torch.tensor([[[-1.0, 0.0, 19.0], [0.0, 1.0, 0.0]]])
        mirror = AugmentParams(matrix, torch.ones(1), torch.zeros(1), geometry=geometry)
        moved = COLUMN.prepare(batch, mirror)
        assert np.array_equal(COLUMN.masks_of(moved)[0, 0].numpy(), MASK[:, ::-1])
        assert torch.equal(COLUMN.prepare(moved, mirror), batch)


@pytest.mark.parametrize(("shift", "left"), [(14, 2), (15, 1), (16, 0)])
def test_a_warp_drops_things_of_which_less_than_a_tenth_is_left(shift, left):
    column = Instances(vocab=("dog",), max_instances=2, size_px=(12, 20))
    batch = torch.from_numpy(column.encode([{**SQUARE, "ignore": False}]))[None]
    for zoom in (1.0, 2.0):  # a zoomed thing has four times the pixels, of which a tenth must be left
        matrix = torch.tensor([[[1 / zoom, 0.0, shift - 0.5 + 0.5 / zoom], [0.0, 1.0, 0.0]]])
        moved = column.decode(column.prepare(batch, AugmentParams(matrix, torch.ones(1), torch.zeros(1)))[0])
        assert [each["box"][2] for each in moved] == ([zoom * left] if left else [])
    taller = Instances(vocab=("dog",), max_instances=2, size_px=(12, 200))
    batch = torch.from_numpy(taller.encode([{"label": "dog", "polygons": [[0, 0, 100, 0, 100, 9, 0, 9]]}]))[None]
    for gone, kept in ((90, 1), (91, 0)):
        matrix = torch.tensor([[[1.0, 0.0, float(gone)], [0.0, 1.0, 0.0]]])
        assert (
            len(taller.decode(taller.prepare(batch, AugmentParams(matrix, torch.ones(1), torch.zeros(1)))[0])) == kept
        )


@pytest.mark.parametrize(("zoom", "gone", "kept"), [(0.5, 70, 1), (0.5, 92, 0), (2.0, 88, 1), (2.0, 94, 0)])
def test_what_is_left_is_counted_in_pixels_of_the_same_size(zoom, gone, kept):
    column = Instances(vocab=("dog",), max_instances=2, size_px=(20, 200))
    dog = {"label": "dog", "polygons": [[0, 0, 100, 0, 100, 8, 0, 8]]}
    batch = torch.from_numpy(column.encode([dog]))[None]
    matrix = torch.tensor([[[1 / zoom, 0.0, gone - 0.5 + 0.5 / zoom], [0.0, 1 / zoom, 0.5 / zoom - 0.5]]])
    assert len(column.decode(column.prepare(batch, AugmentParams(matrix, torch.ones(1), torch.zeros(1)))[0])) == kept


@pytest.mark.parametrize(("side", "end", "kept"), [(10, 50, 1), (10, 41, 0), (40, 45, 1), (40, 43, 0)])
def test_what_the_frame_leaves_is_counted_in_pixels_of_the_source(side, end, kept):
    column = Instances(vocab=("dog",), max_instances=2, size_px=(side, side))
    dog = {"label": "dog", "polygons": [[0, 0, end, 0, end, 8, 0, 8]]}
    encoded = column.encode_in([dog], ResizeTransform((20, 100), (side, side), "crop"))  # columns 40 to 60
    assert len(column.decode(encoded)) == kept


def test_answers_come_back_into_the_source_with_their_scores():
    transform = ResizeTransform((24, 60), (12, 20), "crop")  # columns 10 to 50, at half the size
    back = COLUMN.to_source([{**CAT, "score": 0.9}, {**SQUARE, "score": 0.5}], transform)
    whole = ResizeTransform((24, 60), (24, 60), "crop")
    large = Instances(vocab=("cat", "dog"), max_instances=4, size_px=(24, 60))
    again = large.decode(large.encode_in(back, whole))
    assert [each["box"] for each in again] == [[14, 6, 32, 18], [30, 4, 42, 16]]
    assert back[0]["box"] == [14, 6, 32, 18]
    assert [each["score"] for each in back] == [0.9, 0.5]
    assert "polygons" not in back[1]
    padded = ResizeTransform((4, 20), (12, 20), "pad")  # rows 4 to 8 show the image
    assert COLUMN.to_source([{"label": "dog", "polygons": [[0, 0, 5, 0, 5, 3]]}], padded) == []


def test_json_holds_the_mask():
    said = json.loads(json.dumps(COLUMN.json_value([{**CAT, "score": 0.98765}])))
    assert said == [{"label": "cat", "score": 0.9877, "box": CAT["box"], "rle": CAT["rle"]}]


def test_things_are_drawn_with_their_outlines_on_an_image_of_their_size():
    pixels = np.full((12, 20, 3), 100, np.uint8)
    drawn = COLUMN.draw(pixels, [{"label": "cat", "rle": CAT["rle"]}, SQUARE])
    assert (pixels == 100).all()
    assert (drawn != 100).any(-1)[3:9, 2:7].all()
    assert (drawn[10:] == 100).all()
    with pytest.raises(ShapeError, match="12 px high and 20 px wide, its image 24 high and 40 wide"):
        COLUMN.draw(np.zeros((24, 40, 3), np.uint8), [CAT])
    assert np.array_equal(COLUMN.draw(pixels, []), pixels)


def test_cells_count_by_label():
    assert COLUMN.show_html([SQUARE, CAT, SQUARE]) == "2 dog, 1 cat"
    assert COLUMN.show_html([]) == "nothing"


def test_instances_survive_a_table():
    rows = [[], [{"label": "cat", "rle": CAT["rle"], "polygons": None, "ignore": False}]]
    images = np.zeros((2, 12, 20, 3), np.uint8)
    table = ls.Table.from_arrays({"image": images, "things": rows}, {"image": Image(), "things": Instances()})
    assert [COLUMN.decode(COLUMN.encode(table.value(row, "things"))) for row in range(2)] == [[], [CAT]]
