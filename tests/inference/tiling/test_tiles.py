import numpy as np
import pytest
import torch
from torch.nn import functional as F

from longspan.errors import ConfigError, ShapeError
from longspan.inference.tiling.tiles import segment_tiled


def image(height, width):
    return torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(5)).to(torch.uint8)


def by_pixel(tiles):
    """Two classes, from the colour of each pixel alone."""
    values = tiles.permute(0, 3, 1, 2).float() / 255
    return torch.cat([values[:, :1], values[:, 1:2] * 0.5], dim=1)


def blurred(tiles):
    """A network that sees 9 pixels around and nothing beyond the tile: wrong near its edges."""
    values = tiles.permute(0, 3, 1, 2).float()[:, :1] / 255
    return torch.cat([F.avg_pool2d(values, 9, stride=1, padding=4), values], dim=1)


@pytest.mark.parametrize("size", [(50, 70), (16, 20), (17, 200), (33, 21)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_what_depends_on_each_pixel_alone_is_the_same_as_in_one_piece(size, overlap):
    whole = image(*size)
    tiled = segment_tiled(by_pixel, whole, (16, 20), overlap=overlap, batch_size=3)
    assert tiled.shape == (2, *size)
    torch.testing.assert_close(tiled, by_pixel(whole[None])[0])


def test_the_middle_of_a_tile_counts_and_not_its_edge():
    whole = image(96, 96)
    tiled, wanted = segment_tiled(blurred, whole, (64, 64), overlap=0.5), blurred(whole[None])[0]
    inner = (slice(None), slice(8, 88), slice(8, 88))
    assert (tiled - wanted)[inner].abs().max() < 0.06
    cut = torch.cat([blurred(whole[None, :48])[0], blurred(whole[None, 48:])[0]], dim=1)
    assert (cut - wanted)[inner].abs().max() > 3 * (tiled - wanted)[inner].abs().max()


def test_there_is_no_seam_where_tiles_disagree():
    """Each tile says something else everywhere; the answer passes from one to the next without a jump."""
    calls = iter(range(100))

    def of_its_own(tiles):
        return torch.stack([torch.full((1, 40, 40), float(next(calls) % 2)) for _ in tiles])

    tiled = segment_tiled(of_its_own, image(40, 200), (40, 40), overlap=0.5)
    steps = (tiled[0, :, 1:] - tiled[0, :, :-1]).abs()
    assert tiled.max() - tiled.min() > 0.9
    assert steps.max() <= 0.06


def test_tiles_overlap_by_at_least_what_was_asked_and_cover_everything():
    tops = []

    def note(tiles):
        tops.extend(tiles[:, 0, 0, 0].tolist())
        return torch.ones(len(tiles), 1, 10, 10)

    rows = torch.arange(37, dtype=torch.uint8)[:, None, None].expand(37, 10, 3)
    assert segment_tiled(note, rows, (10, 10), overlap=0.3).eq(1).all()
    assert (tops[0], tops[-1]) == (0, 27)
    assert max(np.diff(tops)) <= 7
    assert len(tops) == 5


def test_an_image_smaller_than_a_tile_is_filled_up_with_its_mirror_image():
    seen = []

    def note(tiles):
        seen.append(tiles)
        return by_pixel(tiles)

    whole = image(3, 12)
    assert segment_tiled(note, whole, (8, 10)).shape == (2, 3, 12)
    assert seen[0].shape == (2, 8, 10, 3)
    np.testing.assert_array_equal(seen[0][0].numpy(), np.pad(whole[:, :10], ((0, 5), (0, 0), (0, 0)), mode="reflect"))
    assert segment_tiled(by_pixel, image(1, 1), (8, 10)).shape == (2, 1, 1)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="overlap must be at least 0 and below 1"):
        segment_tiled(by_pixel, image(9, 9), (8, 8), overlap=1.0)
    with pytest.raises(ConfigError, match="tile_px must be"):
        segment_tiled(by_pixel, image(9, 9), (0, 8))
    with pytest.raises(ConfigError, match="batch_size must be"):
        segment_tiled(by_pixel, image(9, 9), (8, 8), batch_size=0)
    with pytest.raises(ShapeError, match=r"\(height, width, channels\), got \(9, 9\)"):
        segment_tiled(by_pixel, image(9, 9)[..., 0], (8, 8))
    with pytest.raises(ShapeError, match=r"gives \(4, 2, 4, 8\) for 4 tiles of 8 x 8 px; \(4, K, 8, 8\) is needed"):
        segment_tiled(lambda tiles: by_pixel(tiles)[:, :, ::2], image(9, 9), (8, 8))


def test_a_model_segments_an_image_larger_than_those_of_its_training(tmp_path):
    import longspan as ls
    from longspan.datasets import ScenesConfig, make_scenes

    scenes = make_scenes(8, seed=1, config=ScenesConfig(size_px=(32, 32), side_px=(8, 16)))
    task = ls.Task(scenes.split(valid=2), inputs="image", targets="mask")
    heads = {"mask": ls.Segment(width=4)}
    learner = ls.Learner(task, "squeezenet1_1", heads=heads, progress=False, config=ls.TrainConfig(batch_size=3))
    predictor = learner.fit(1).predictor()
    large = make_scenes(1, seed=2).value(0, "image")  # 64 x 64
    whole, tiled = predictor.predict(large), predictor.predict(large, tiles=True)
    assert whole["mask"].shape == tiled["mask"].shape == (64, 64)
    small = scenes.value(0, "image")  # one tile: the image itself
    assert (predictor.predict(small)["mask"] == predictor.predict(small, tiles=True)["mask"]).all()
    assert len(predictor.predict([small, large], tiles=True)) == 2
    with pytest.raises(ls.LongspanError, match="exclude each other"):
        predictor.predict(small, tiles=True, views=2)
    with pytest.raises(ls.LongspanError, match=r"nix.jpg: the file does not exist"):
        predictor.predict("nix.jpg", tiles=True)
    both = ls.Task(scenes.split(valid=2), inputs="image", targets=["mask", "boxes"])
    other = ls.Learner(both, "squeezenet1_1", heads=heads, progress=False)
    with pytest.raises(ls.LongspanError, match="one image and predict one mask"):
        other.predictor().predict(small, tiles=True)
