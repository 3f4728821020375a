import pytest
import torch
import torch.nn.functional as F

from longspan.nn.upsample import enlarge, fit


@pytest.mark.parametrize("factor", [2, 4, 8, 32])
@pytest.mark.parametrize("channels_last", [False, True])
def test_enlarging_to_a_multiple_is_torchs_bilinear_interpolation(factor, channels_last):
    maps = torch.randn(2, 3, 5, 7)
    if channels_last:
        maps = maps.contiguous(memory_format=torch.channels_last)
    wanted = F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
    got = enlarge(maps, factor, (5 * factor, 7 * factor))
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_the_gradient_is_that_of_torchs_interpolation():
    maps, weights = torch.randn(2, 3, 5, 6, requires_grad=True), torch.randn(2, 3, 20, 24)
    wanted = F.interpolate(maps, scale_factor=4, mode="bilinear", align_corners=False)
    (expected,) = torch.autograd.grad((wanted * weights).sum(), maps)
    (gradient,) = torch.autograd.grad((enlarge(maps, 4, (20, 24)) * weights).sum(), maps)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_other_sizes_leave_every_place_where_it_was():
    maps = torch.randn(1, 2, 5, 6)
    whole = enlarge(maps, 4, (20, 24))
    assert enlarge(maps, 4, (17, 21)).equal(whole[:, :, :17, :21])
    wider = enlarge(maps, 4, (23, 26))
    torch.testing.assert_close(wider[:, :, :20, :24], whole)
    torch.testing.assert_close(wider[:, :, 20:, :24], whole[:, :, 19:20].expand(-1, -1, 3, -1))
    torch.testing.assert_close(wider[:, :, :, 24:], wider[:, :, :, 23:24].expand(-1, -1, -1, 2))


def test_a_ramp_stays_a_ramp_whatever_the_stride_leaves_out():
    """Places of stride 8 that hold their pixel's column, as an unpadded backbone leaves 14 of them for 120 px."""
    places = 8 * torch.arange(14.0) + 3.5
    ramp = enlarge(places.expand(1, 1, 11, 14), 8, (90, 120))[0, 0, 40]
    torch.testing.assert_close(ramp[4:108], torch.arange(4.0, 108))


def test_fit_cuts_off_or_fills_up_with_zeros_below_and_to_the_right():
    maps = torch.ones(1, 1, 3, 4)
    assert fit(maps, (3, 4)).equal(maps)
    assert fit(maps, (2, 3)).shape == (1, 1, 2, 3)
    filled = fit(maps, (4, 3))
    assert filled.shape == (1, 1, 4, 3)
    assert filled[0, 0, 3].sum() == 0
    assert filled.sum() == 9
    assert enlarge(maps, 1, (5, 4)).sum() == 12


def test_in_bfloat16_too():
    maps = torch.randn(1, 3, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        got = enlarge(maps, 2, (8, 8))
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), enlarge(maps, 2, (8, 8)), rtol=0.02, atol=0.02)
