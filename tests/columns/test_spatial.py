"""Annotations follow their image: augmenting both equals drawing the augmented shapes, within a pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage
from PIL import ImageDraw

from longspan.columns import Boxes, Image, Instances, Mask, Spatial
from longspan.vision import ResizeTransform
from longspan.vision.augment import Augment
from longspan.vision.augment_params import AugmentParams

LABEL = "shape"


def drawn(polygon, size_px, fine=8) -> np.ndarray:
    """A white shape on black, `(H, W)` uint8, antialiased; drawn by Pillow."""
    big = PILImage.new("L", (size_px[1] * fine, size_px[0] * fine))
    ImageDraw.Draw(big).polygon([(x * fine - 0.5, y * fine - 0.5) for x, y in polygon], fill=255)
    return np.asarray(big.reduce(fine))


def warped(points, augment_params: AugmentParams) -> np.ndarray:
    """Where points in edge coordinates go, by the inverse of the first matrix, which looks from output to input."""
    matrix = np.vstack([augment_params.matrix[0].double().numpy(), [0, 0, 1]])
    there = np.linalg.inv(matrix) @ np.vstack([points.T - 0.5, np.ones(len(points))])
    return there[:2].T + 0.5


def shown(augment_params: AugmentParams, size_px) -> np.ndarray:
    """The pixels `(H, W)` that look into the frame: nothing is known of what lies beyond."""
    height, width = size_px
    y, x = np.mgrid[0:height, 0:width]
    at = augment_params.matrix[0].double().numpy() @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    return ((at >= 0) & (at <= [[width - 1], [height - 1]])).all(0).reshape(height, width)


def far_off(shape, polygon, looked_at) -> float:
    """How far from the outline the farthest pixel centre is that lies on the wrong side of it."""
    height, width = shape.shape
    y, x = np.mgrid[0:height, 0:width] + 0.5
    distance = np.full(shape.shape, np.inf)
    inside = np.zeros(shape.shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
        along = along.clip(0, 1)
        distance = np.minimum(distance, np.hypot(x0 + along * (x1 - x0) - x, y0 + along * (y1 - y0) - y))
        if y0 != y1:
            inside ^= ((y0 <= y) != (y1 <= y)) & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) < x)
    return float(distance[(inside != shape) & looked_at].max(initial=0))


def zoom_of(augment_params: AugmentParams) -> float:
    """How many pixels long a pixel gets at most, but at least 1."""
    return max(1.0, *np.linalg.svd(np.linalg.inv(augment_params.matrix[0, :, :2].double().numpy()), compute_uv=False))


augments = st.builds(
    Augment,
    rotate_deg=st.sampled_from([0.0, 20.0, 180.0]),
    shear_deg=st.sampled_from([0.0, 15.0]),
    shift=st.sampled_from([0.0, 0.2]),
    scale=st.sampled_from([0.0, 0.2]),
    crop=st.sampled_from([1.0, 0.6]),
    flip=st.booleans(),
    fill=st.just(0.0),
)


@settings(max_examples=60, deadline=None)
@given(
    source=st.tuples(st.integers(50, 90), st.integers(50, 90)),
    reduced=st.none() | st.tuples(st.floats(0.5, 1), st.floats(0.5, 1)),
    how=st.sampled_from(["crop", "stretch", "pad"]),
    middle=st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8)),
    half=st.tuples(st.floats(0.1, 0.35), st.floats(0.1, 0.35)),
    turn=st.floats(0, 3),
    corners=st.integers(3, 9),
    augment=augments,
    seed=st.integers(0, 1000),
)
def test_augmenting_image_and_annotations_equals_drawing_the_augmented_shape(
    source, reduced, how, middle, half, turn, corners, augment, seed
):
    angles = np.arange(corners) / corners * 2 * np.pi + turn
    polygon = np.stack([middle[0] + half[0] * np.cos(angles), middle[1] + half[1] * np.sin(angles)], axis=1)
    polygon = (polygon * source[::-1]).clip(0, source[::-1])
    frame = source if reduced is None else (round(source[0] * reduced[0]), round(source[1] * reduced[1]))
    picture = drawn(polygon, source)
    image = Image(size_px=frame, channels=1, resize=how, mean=(0.0,), std=(1.0,))
    transform = image.context_of(picture)
    augment_params = augment.draw(torch.tensor([seed]), epoch=0, seed=0, size_px=frame)
    expected = warped(transform.points_to_frame(polygon), augment_params)

    def follow(column, value):
        encoded = column.encode_in(value, transform)
        return column.prepare(torch.from_numpy(encoded)[None], augment_params)[0]

    seen = image.prepare(torch.tensor(image.encode(picture))[None], augment_params)[0, 0].numpy() > 0.5
    classes = follow(Mask(vocab=("ground", LABEL)).bind(image), (picture > 127).astype(np.uint8)).numpy()
    instances = Instances(vocab=(LABEL,), max_instances=2).bind(image)
    packed = follow(instances, [{"label": LABEL, "polygons": [polygon.ravel().tolist()]}])

    # A pixel of the source, or of the frame, is so large where the shape ends up.
    zoom = zoom_of(augment_params)
    pixel = zoom if frame == source else zoom * 2**0.5
    known = shown(augment_params, frame)
    assert far_off(seen, expected, known) <= pixel
    assert far_off(classes == 1, expected, known) <= pixel
    things = instances.masks_of(packed[None])[0].numpy()
    assert not things[1].any()
    if things[0].any():
        assert far_off(things[0], expected, known) <= pixel
    else:  # dropped: less than a tenth of it is left
        assert (classes == 1).sum() <= 0.13 * drawn(expected - expected.min(0), (400, 400)).sum() / 255 + 3


@settings(max_examples=60, deadline=None)
@given(
    source=st.tuples(st.integers(50, 90), st.integers(50, 90)),
    reduced=st.tuples(st.floats(0.5, 1.5), st.floats(0.5, 1.5)),
    how=st.sampled_from(["crop", "stretch", "pad"]),
    middle=st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8)),
    half=st.tuples(st.floats(0.1, 0.3), st.floats(0.1, 0.3)),
    augment=augments,
    seed=st.integers(0, 1000),
)
def test_an_augmented_box_is_the_one_around_the_augmented_rectangle(source, reduced, how, middle, half, augment, seed):
    box = np.concatenate([np.subtract(middle, half), np.add(middle, half)]).clip(0, 1) * [*source[::-1], *source[::-1]]
    corners = box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
    frame = (round(source[0] * reduced[0]), round(source[1] * reduced[1]))
    picture = drawn(corners, source)
    image = Image(size_px=frame, channels=1, resize=how, mean=(0.0,), std=(1.0,))
    transform = image.context_of(picture)
    augment_params = augment.draw(torch.tensor([seed]), epoch=0, seed=0, size_px=frame)

    column = Boxes(vocab=("object",), max_boxes=2).bind(image)
    encoded = torch.from_numpy(column.encode_in([box.tolist()], transform))[None]
    moved = column.decode(column.prepare(encoded, augment_params)[0])
    ends = [*frame[::-1], *frame[::-1]]
    framed = transform.boxes_to_frame(box[None])[0]
    kept = framed.clip(0, ends)
    around = warped(kept[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2), augment_params)
    turned = np.concatenate([around.min(0), around.max(0)])
    left = turned.clip(0, ends)
    if not moved:
        assert min(fraction(kept, framed), fraction(left, turned)) < 0.101 or np.min(left[2:] - left[:2]) < 1.001
        return
    np.testing.assert_allclose(moved[0]["box"], left, atol=2e-3)
    assert min(fraction(kept, framed), fraction(left, turned)) > 0.099
    if np.array_equal(turned, left):  # no corner is cut off, so the image touches all four sides
        seen = image.prepare(torch.tensor(image.encode(picture))[None], augment_params)[0, 0].numpy() > 0.5
        y, x = np.nonzero(seen)
        bright = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
        # The tip of a turned corner is thin: where it is brighter than half, it is a pixel further in.
        assert np.abs(left - bright).max() <= 1.5 * max(1.0, *transform.scale) * zoom_of(augment_params)


def fraction(part, whole) -> float:
    """How much of a box is left."""
    return float(np.prod((part[2:] - part[:2]).clip(0)) / max(np.prod(whole[2:] - whole[:2]), 1e-9))


@pytest.mark.parametrize(
    "column", [Mask(vocab=("a", "b")), Boxes(vocab=("a",), max_boxes=3), Instances(vocab=("a",), max_instances=3)]
)
def test_every_kind_takes_the_frame_of_its_image(column):
    assert isinstance(column, Spatial)
    framed = column.bind(Image(size_px=(8, 12), channels=3, resize="pad"))
    assert (framed.size_px, framed.resize) == ((8, 12), "pad")
    assert column.size_px is None
    assert type(column).from_json(framed.to_json()) == framed
    value = np.zeros((8, 12), np.uint8) if isinstance(column, Mask) else []
    assert np.array_equal(framed.encode(value), framed.encode_in(value, ResizeTransform((8, 12), (8, 12), "pad")))
