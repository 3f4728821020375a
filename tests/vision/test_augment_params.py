"""Images and points follow their draws."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as tv

from longspan.errors import ConfigError, ShapeError
from longspan.vision.augment_params import AugmentParams, Fill, affine_matrices, warp_images, warp_masks, warp_points


def draws_of(size_px, count=1, *, fill: Fill = "border", **changes) -> AugmentParams:
    """Draws in which every row has the given geometry."""
    given_values = {
        "rotate_deg": 0.0,
        "zoom": 1.0,
        "shift": (0.0, 0.0),
        "crop_size": (1.0, 1.0),
        "crop_offset": (0.0, 0.0),
        "flip": False,
    }
    rows = {name: torch.tensor([value] * count) for name, value in (given_values | changes).items()}
    return dataclasses.replace(
        AugmentParams.identity(count), matrix=affine_matrices(size_px, **rows), geometry="affine", fill=fill
    )


def blob(size_px, x, y, width=2.0) -> torch.Tensor:
    """A bright spot on black, (1, 1, H, W)."""
    ys, xs = torch.meshgrid(torch.arange(size_px[0]), torch.arange(size_px[1]), indexing="ij")
    return torch.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * width**2))[None, None]


def centre_of(images) -> tuple[float, float]:
    weight = images[0, 0] / images.sum()
    return float((weight.sum(0) * torch.arange(images.shape[3])).sum()), float(
        (weight.sum(1) * torch.arange(images.shape[2])).sum()
    )


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(-6, 6),
    y=st.floats(-6, 6),
    rotate=st.floats(-180, 180),
    zoom=st.floats(0.8, 1.2),
    right=st.floats(-0.1, 0.1),
    down=st.floats(-0.1, 0.1),
    kept=st.floats(0.8, 1),
    flip=st.booleans(),
)
def test_images_and_points_go_the_same_way(x, y, rotate, zoom, right, down, kept, flip):
    size_px = (64, 72)
    augment_params = draws_of(
        size_px,
        rotate_deg=rotate,
        zoom=zoom,
        shift=(right, down),
        crop_size=(kept, 1.0),
        crop_offset=((1 - kept) / 2, 0.0),
        flip=flip,
        fill=0.0,
    )
    spot = (36 + x, 32 + y)
    seen = centre_of(warp_images(blob(size_px, *spot), augment_params))
    said = warp_points(torch.tensor([[spot]]), augment_params)[0, 0]
    assert abs(seen[0] - said[0]) < 0.25
    assert abs(seen[1] - said[1]) < 0.25


@pytest.mark.parametrize(("turns", "size_px"), [(1, (16, 16)), (2, (12, 20)), (3, (15, 15))])
def test_right_angles_equal_rot90(turns, size_px):
    images = torch.rand(2, 3, *size_px)
    warped = warp_images(images, draws_of(size_px, 2, rotate_deg=90.0 * turns))
    torch.testing.assert_close(warped, torch.rot90(images, turns, (2, 3)), atol=1e-4, rtol=0)


def test_rotation_equals_torchvisions():
    images = torch.rand(1, 3, 33, 41)
    warped = warp_images(images, draws_of((33, 41), rotate_deg=17.0, fill=0.0))
    expected = tv.rotate(images, 17.0, interpolation=tv.InterpolationMode.BILINEAR)
    torch.testing.assert_close(warped[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8], atol=1e-3, rtol=0)


def test_bicubic_resampling_equals_opencvs_and_stays_in_range():
    cv2 = pytest.importorskip("cv2")
    images = torch.rand(1, 1, 24, 24).round()  # edges everywhere, beside which it overshoots
    draws = dataclasses.replace(draws_of((24, 24), zoom=2.0, fill=0.0), resample="bicubic")  # quarters of a pixel
    warped = warp_images(images, draws)
    matrix = draws.matrix[0].double().numpy()
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    raw = cv2.warpAffine(images[0, 0].numpy(), matrix, (24, 24), flags=flags)
    assert raw.max() > 1.02
    torch.testing.assert_close(warped[0, 0], torch.from_numpy(raw).clamp(0, 1), atol=1e-4, rtol=0)
    whole = warp_images((images * 255).byte(), draws)
    torch.testing.assert_close(whole.float() / 255, warped, atol=0.51 / 255, rtol=0)


def test_bicubic_keeps_texture_that_bilinear_blurs():
    texture = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    draws = draws_of((64, 64), 4, rotate_deg=7.0)

    def sharpness(resample):
        warped = warp_images(texture, dataclasses.replace(draws, resample=resample))[..., 12:-12, 12:-12]
        return float(warped.diff(dim=-1).square().mean() / texture.diff(dim=-1).square().mean())

    assert sharpness("bilinear") < 0.4
    assert sharpness("bicubic") > 1.5 * sharpness("bilinear")


def test_a_shift_moves_right_and_down_and_fills():
    images = torch.rand(1, 1, 10, 20) / 2
    warped = warp_images(images, draws_of((10, 20), shift=(0.1, 0.2)), fill=0.75)
    torch.testing.assert_close(warped[..., 2:, 2:], images[..., :-2, :-2])
    assert torch.allclose(warped[..., :2, :], torch.tensor(0.75))
    border = warp_images(images, draws_of((10, 20), shift=(0.1, 0.0)))
    torch.testing.assert_close(border[..., 0], images[..., 0])
    reflected = warp_images(images, draws_of((10, 20), shift=(0.1, 0.0)), fill="reflect")
    torch.testing.assert_close(reflected[..., :2], images[..., :2].flip(-1))


def test_zoom_and_crop_enlarge():
    doubled = draws_of((8, 8), zoom=2.0)
    cropped = draws_of((8, 8), crop_size=(0.5, 0.5))
    torch.testing.assert_close(doubled.matrix, cropped.matrix)
    corner = draws_of((8, 8), crop_size=(0.5, 0.5), crop_offset=(-0.25, 0.25))  # lower left quarter
    ramp = torch.arange(8.0).expand(8, 8) / 8
    warped = warp_images(ramp[None, None], corner)
    assert warped.max() < 0.5
    moved = warp_points(torch.tensor([[[-0.5, 3.5], [3.5, 7.5]]]), corner)
    torch.testing.assert_close(moved, torch.tensor([[[-0.5, -0.5], [7.5, 7.5]]]))


@pytest.mark.parametrize("geometry", ["affine", "flip"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_flipping_twice_gives_the_image_back(geometry, dtype):
    images = (torch.rand(4, 3, 9, 14) * 255).to(dtype)
    augment_params = dataclasses.replace(draws_of((9, 14), 4, flip=True), geometry=geometry)
    before = images.clone()
    once = warp_images(images, augment_params)
    torch.testing.assert_close(once, images.flip(-1), atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(warp_images(once, augment_params), images, atol=1e-3, rtol=1e-5)
    assert torch.equal(images, before)


def test_only_the_rows_drawn_are_flipped():
    images = torch.rand(2, 1, 5, 6)
    both = torch.cat([AugmentParams.identity(1).matrix, draws_of((5, 6), flip=True).matrix])
    warped = warp_images(images, dataclasses.replace(AugmentParams.identity(2), matrix=both, geometry="flip"))
    assert torch.equal(warped[0], images[0])
    assert torch.equal(warped[1], images[1].flip(-1))


def test_no_draws_no_work():
    images = torch.rand(3, 1, 5, 5)
    assert warp_images(images, AugmentParams.identity(3)) is images
    torch.testing.assert_close(warp_images(images, draws_of((5, 5), 3)), images)


def test_brightness_and_contrast():
    images = torch.rand(2, 3, 4, 4) * 0.2 + 0.4
    augment_params = AugmentParams(
        AugmentParams.identity(2).matrix, torch.tensor([1.5, 1.0]), torch.tensor([0.0, 0.1]), geometry="none"
    )
    warped = warp_images(images, augment_params)
    torch.testing.assert_close(warped[0].mean(), images[0].mean())
    torch.testing.assert_close(warped[0].std(), images[0].std() * 1.5)
    torch.testing.assert_close(warped[1], images[1] + 0.1)
    assert warp_images(images + 0.4, augment_params).max() <= 1


def test_uint8_equals_float():
    images = torch.randint(0, 256, (3, 3, 12, 12), dtype=torch.uint8)
    augment_params = dataclasses.replace(
        draws_of((12, 12), 3, rotate_deg=20.0), gain=torch.full((3,), 1.2), bias=torch.full((3,), 0.1), colour=True
    )
    warped = warp_images(images, augment_params)
    assert warped.dtype == torch.uint8
    expected = warp_images(images / 255, augment_params) * 255
    torch.testing.assert_close(warped.float(), expected, atol=0.51, rtol=0)


def test_large_batches_in_parts_equal_single_images(monkeypatch):
    monkeypatch.setattr("longspan.vision.augment_params._CHUNK_VALUES", 100)
    images = torch.rand(7, 3, 10, 10).to(memory_format=torch.channels_last)
    augment_params = draws_of((10, 10), 7)
    turned = draws_of((10, 10), 7, rotate_deg=30.0)
    augment_params = dataclasses.replace(
        augment_params,
        matrix=torch.where(torch.arange(7)[:, None, None] % 2 == 0, turned.matrix, augment_params.matrix),
    )
    warped = warp_images(images, augment_params)
    assert warped.is_contiguous(memory_format=torch.channels_last)
    for row in range(7):
        alone = dataclasses.replace(
            AugmentParams.identity(1), matrix=augment_params.matrix[row : row + 1], geometry="affine"
        )
        torch.testing.assert_close(warped[row : row + 1], warp_images(images[row : row + 1], alone))


def test_errors_say_what_is_wrong():
    with pytest.raises(ShapeError, match=r"\(2, C, H, W\) for as many params"):
        warp_images(torch.rand(3, 1, 4, 4), AugmentParams.identity(2))
    with pytest.raises(ShapeError, match=r"\(2, N, 2\)"):
        warp_points(torch.rand(2, 4, 3), AugmentParams.identity(2))
    with pytest.raises(ShapeError, match="gain"):
        AugmentParams(torch.eye(2, 3)[None], torch.ones(2), torch.zeros(1))
    with pytest.raises(ConfigError, match="'mirror'"):
        warp_images(torch.rand(1, 1, 4, 4), draws_of((4, 4), fill="mirror"))  # pyright: ignore[reportArgumentType]


def test_a_batch_can_be_taken_from_the_draws_of_an_epoch():
    augment_params = dataclasses.replace(draws_of((4, 4), 5, fill=0.0), gain=torch.arange(5.0), resample="bicubic")
    taken = augment_params.take(torch.tensor([3, 1]))
    assert taken.gain.tolist() == [3, 1]
    assert (len(taken), taken.geometry, taken.colour, taken.fill) == (2, "affine", False, 0.0)
    assert taken.resample == taken.to("cpu").resample == "bicubic"
    assert augment_params.take(slice(1, 3)).gain.tolist() == [1, 2]


# --- masks -----------------------------------------------------------------------------------------------------------

DTYPES = [torch.uint8, torch.bool, torch.int16, torch.int64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("turns", "size_px"), [(1, (16, 16)), (2, (12, 20)), (3, (15, 15))])
def test_masks_turned_by_right_angles_equal_rot90(dtype, turns, size_px):
    masks = torch.randint(0, 200, (2, 3, *size_px)).to(dtype)
    before = masks.clone()
    warped = warp_masks(masks, draws_of(size_px, 2, rotate_deg=90.0 * turns), fill=0)
    assert warped.dtype == dtype
    assert torch.equal(warped, torch.rot90(masks, turns, (2, 3)))
    assert torch.equal(masks, before)


@settings(max_examples=30, deadline=None)
@given(rotate=st.floats(-180, 180), zoom=st.floats(0.6, 2), right=st.floats(-0.4, 0.4), flip=st.booleans())
def test_masks_take_the_nearest_number_where_images_are_sampled(rotate, zoom, right, flip):
    size_px = (9, 14)
    augment_params = draws_of(size_px, 2, rotate_deg=rotate, zoom=zoom, shift=(right, 0.0), flip=flip)
    masks = torch.randint(0, 255, (2, 1, *size_px))
    # The places themselves, as warp_images reads them off ramps that go on outside.
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(14.0), indexing="ij")
    places = augment_params.matrix[0, :, :2] @ torch.stack([x.flatten(), y.flatten()]) + augment_params.matrix[0, :, 2:]
    seen = warp_masks(masks, augment_params, fill=-7)[0, 0].flatten()
    for (at_x, at_y), number in zip(places.T.tolist(), seen.tolist(), strict=True):
        if min(abs(at_x % 1 - 0.5), abs(at_y % 1 - 0.5)) < 1e-3:
            continue  # on the border of two pixels either will do
        inside = 0 <= round(at_x) < 14 and 0 <= round(at_y) < 9
        assert number == (masks[0, 0, round(at_y), round(at_x)] if inside else -7)


def test_masks_and_images_agree_on_the_inside_of_an_area():
    size_px = (40, 50)
    masks = torch.zeros(1, 1, *size_px, dtype=torch.uint8)
    masks[:, :, 10:30, 12:33] = 1
    augment_params = draws_of(size_px, rotate_deg=33.0, zoom=1.2, shift=(0.1, -0.1), fill=0.0)
    image = warp_images(masks.float(), augment_params)
    warped = warp_masks(masks, augment_params, fill=0)
    assert (warped[image > 0.76] == 1).all()
    assert (warped[image < 0.24] == 0).all()
    assert warped.sum() > 300


@pytest.mark.parametrize("dtype", DTYPES)
def test_outside_a_mask_is_the_fill_whatever_the_image_shows_there(dtype):
    masks = torch.ones(2, 4, 6, 8).to(dtype)
    for fill in ("border", "reflect", 0.0):
        moved = warp_masks(masks, draws_of((6, 8), 2, shift=(0.5, 0.0), fill=fill), fill=0)
        assert not moved[..., :4].any()
        assert (moved[..., 4:] == 1).all()


def test_nothing_to_do_gives_the_very_same_masks_and_mirroring_moves_whole_pixels():
    masks = torch.randint(0, 255, (2, 1, 5, 7), dtype=torch.uint8)
    assert warp_masks(masks, AugmentParams.identity(2), fill=255) is masks
    augment_params = dataclasses.replace(draws_of((5, 7), 2, flip=True), geometry="flip")
    assert torch.equal(warp_masks(masks, augment_params, fill=255), masks.flip(-1))


def test_many_masks_are_warped_as_each_alone():
    size_px = (400, 600)
    masks = torch.randint(0, 255, (7, 1, *size_px), dtype=torch.uint8)
    augment_params = draws_of(size_px, 7, rotate_deg=10.0)
    together = warp_masks(masks, augment_params, fill=255)
    for row in (0, 4, 6):
        assert torch.equal(
            warp_masks(masks[row : row + 1], augment_params.take(slice(row, row + 1)), fill=255)[0], together[row]
        )


def test_masks_for_other_rows_are_refused():
    with pytest.raises(
        ShapeError, match=r"warp_masks needs masks \(2, C, H, W\) for as many params, got \(3, 1, 4, 4\)"
    ):
        warp_masks(torch.zeros(3, 1, 4, 4), AugmentParams.identity(2), fill=0)
