import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image as PILImage

from longspan.columns import Category
from longspan.data.leakage.leaks import find_leaks
from longspan.data.splits.split import make_split
from longspan.data.table import Table
from longspan.errors import LeakError


class _Store:
    """Images in memory; `absent` rows have none."""

    def __init__(self, images, absent=()):
        images = np.asarray(images)
        self._images = torch.from_numpy(images if images.ndim == 4 else images[..., None])
        self._absent = torch.tensor(sorted(absent), dtype=torch.int64)

    def read(self, rows):
        return self._images[rows]

    def present(self, rows):
        return ~torch.isin(rows, self._absent)


def _split(parts):
    """Parts by word: "train", "valid" or "test" per row."""
    return make_split(Table.from_arrays({"part": parts}, {"part": Category()}), column="part", valid=0)


def _looked(parts, images, absent=(), **options):
    """Leaks among images in parts by word."""
    return find_leaks(_split(parts), {"image": _Store(images, absent)}, **options)


def _looked_at_rows(parts, cells, **options):
    """Leaks in a table of numbers, classes and texts; `cells` by column, all of them inputs unless said otherwise."""
    frame = pl.DataFrame(cells).with_columns(part=pl.Series(parts))
    split = make_split(Table.from_frame(frame), column="part", valid=0)
    return find_leaks(split, **({"inputs": [name for name in frame.columns if name != "part"]} | options))


def _images(n, side=40, seed=0):
    """Smooth random colour images, as photos are: each unlike all others."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)
    return np.stack(
        [np.asarray(PILImage.fromarray(c).resize((side, side), PILImage.Resampling.BICUBIC)) for c in coarse]
    )


def _reencoded(image, quality=50):
    buffer = io.BytesIO()
    PILImage.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(PILImage.open(buffer))


def _resized(image):
    half = PILImage.fromarray(image).resize((image.shape[1] * 2 // 3,) * 2, PILImage.Resampling.BILINEAR)
    return np.asarray(half.resize(image.shape[1::-1], PILImage.Resampling.BILINEAR))


def _brightened(image):
    return (image * 0.8 + 20).astype(np.uint8)


def _found(leaks):
    return {(leak.row, leak.other_row, leak.kind) for leak in leaks}


def test_identical_images_are_found_across_every_border_and_not_within_a_part():
    images = _images(6)
    images[[1, 3, 5]] = images[0]
    leaks = _looked(["train", "train", "train", "valid", "valid", "test"], images)
    assert _found(leaks) == {(0, 3, "identical"), (0, 5, "identical"), (3, 5, "identical")}
    assert leaks.to_json() == {
        "pairs": {
            "train/valid": {"identical": 1},
            "train/test": {"identical": 1},
            "valid/test": {"identical": 1},
        },
        "columns": [],
        "notes": [],
    }


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("change", [_reencoded, _resized, _brightened])
def test_changed_copies_are_found_and_others_are_not(change, side):
    images = _images(80, side)
    images[60:] = [change(image) for image in images[:20]]
    leaks = _looked(["train"] * 50 + ["valid"] * 30, images)
    assert _found(leaks) == {(i, 60 + i, "near-identical") for i in range(20)}


@pytest.mark.parametrize("side", [32, 64])
def test_mirrored_copies_are_found_also_re_encoded(side):
    images = _images(80, side)
    images[60:70] = images[:10, :, ::-1]
    images[70:] = [_reencoded(image[:, ::-1]) for image in images[10:20]]
    leaks = _looked(["train"] * 50 + ["valid"] * 30, images)
    assert _found(leaks) == {(i, 60 + i, "mirrored") for i in range(20)}


def test_a_symmetric_image_is_told_once_and_not_as_mirrored():
    images = _images(40)
    images[0] = images[0] // 2 + images[0, :, ::-1] // 2
    images[39] = _brightened(images[0])
    assert _found(_looked(["train"] * 30 + ["test"] * 10, images)) == {(0, 39, "near-identical")}


def test_grey_images_are_compared_too():
    images = _images(40).mean(-1).astype(np.uint8)
    images[39] = _brightened(images[3])
    assert _found(_looked(["train"] * 30 + ["test"] * 10, images)) == {(3, 39, "near-identical")}


def test_flat_images_match_only_their_equals():
    images = np.stack([np.full((40, 40), level, np.uint8) for level in (0, 0, 255, 128, 129, 1)])
    leaks = _looked(["train", "valid", "train", "train", "valid", "valid"], images)
    assert _found(leaks) == {(0, 1, "identical")}


def test_rows_without_an_image_are_not_each_others_copies():
    images = np.zeros((4, 40, 40), np.uint8)
    assert not _looked(["train", "valid"] * 2, images, absent=range(4))
    assert _found(_looked(["train", "valid"] * 2, images, absent=[0, 3])) == {(2, 1, "identical")}


def test_many_equal_images_are_as_many_leaks_and_not_their_square():
    leaks = _looked(["train"] * 50 + ["valid"] * 50, np.zeros((100, 8, 8), np.uint8))
    assert len(leaks) == 50


def test_alike_strokes_are_no_copies():
    """Hand-drawn ones correlate at 0.96 and are different samples: there are too many alike."""
    rng, y, x = np.random.default_rng(0), *np.mgrid[:28, :28]
    strokes = []
    for _ in range(400):
        slant, width = rng.normal(0, 0.15), rng.uniform(1.4, 1.9)
        wobble = np.interp(y, [0, 6, 11, 16, 21, 27], rng.normal(0, 0.5, 6))
        top, end = rng.uniform(3, 6), rng.uniform(22, 25)
        stroke = 255 * np.exp(-(((x - 14 - slant * (y - 14) - wobble) / width) ** 2)) * (y > top) * (y < end)
        strokes.append(stroke.astype(np.uint8))
    strokes = np.stack(strokes)
    flat = strokes.reshape(400, -1).astype(float)
    nearest = np.sort(np.corrcoef(flat), 1)[:, -2]
    assert np.median(nearest) > 0.95
    assert len(_looked(["train"] * 300 + ["valid"] * 100, strokes)) <= 2


def test_tiny_images_do_not_break():
    for side in (1, 3, 9):
        images = _images(30, side)
        images[29] = images[0]
        assert (0, 29, "identical") in _found(_looked(["train"] * 20 + ["valid"] * 10, images))


def test_the_vault_stays_closed():
    split = _split(["train", "test"])
    find_leaks(split, {"image": _Store(_images(2))})
    assert split.vault.openings == []


def test_the_message_names_ten_pairs_and_the_cure():
    images = _images(24)
    images[12:] = images[:12]
    leaks = _looked(["train"] * 12 + ["valid"] * 12, images, name=lambda row, column: f"photo{row}.jpg")
    message = leaks.message()
    assert "photo0.jpg (train) and photo12.jpg (valid): identical" in message
    assert "photo9.jpg" in message
    assert "photo10.jpg" not in message
    assert "... and 2 more" in message
    assert "12 identical between train/valid" in message
    for cure in ("drop", "group=", "allow_leaks=True"):
        assert cure in message
    with pytest.raises(LeakError, match=r"photo0\.jpg"):
        leaks.refuse()


def test_no_leak_is_no_error():
    leaks = _looked(["train", "valid"], _images(2))
    assert not leaks
    assert repr(leaks) == "Leaks(none)"
    leaks.refuse()


def test_equal_texts_are_leaks():
    texts = [f"this film number {i} is one I shall remember" for i in range(10)] + ["ok", "ok"]
    texts[7] = texts[2]
    parts = ["train"] * 5 + ["valid"] * 6 + ["train"]
    assert _found(_looked_at_rows(parts, {"text": texts})) == {(2, 7, "identical")}


def test_two_people_of_one_age_and_job_are_no_leak():
    rng = np.random.default_rng(0)
    cells = pl.DataFrame({"age": rng.integers(17, 90, 2000), "job": rng.choice(["a", "b", "c"], 2000)})
    assert cells.is_duplicated().sum() > 1900
    assert not _looked_at_rows(["train", "valid"] * 1000, cells)


def test_adult_census_copies_are_found_and_its_chance_twins_are_not(data_folder: Path, tmp_path):
    from longspan.datasets import unpack

    folder = unpack(data_folder / "adult_sample.tgz", tmp_path / "adult")
    frame = pl.read_csv(folder / "adult_sample" / "adult.csv").drop("salary")
    planted = frame.sample(300, seed=0)
    both = pl.concat([frame, planted])
    parts = ["train"] * len(frame) + ["valid"] * 300
    assert len({leak.other_row for leak in _looked_at_rows(parts, both)}) >= 297
    # Without the sampling weight, a tenth of all people have a twin by chance.
    halves = (["train", "valid"] * len(frame))[: len(frame)]
    coarse = frame.drop("fnlwgt")
    assert coarse.is_duplicated().sum() > 3000
    assert len(_looked_at_rows(halves, coarse)) <= 0.001 * len(frame)


def test_tiny_images_that_are_merely_alike_are_no_leaks():
    from longspan import datasets

    digits = datasets.load("digits")
    images = digits.arrays["image"]
    split = digits.split(valid=0.15, test=0.15, seed=0)
    assert not find_leaks(split, {"image": _Store(images)})
    copied = images.copy()
    copied[split.valid[0]] = np.clip(copied[split.train[0]] * 0.97 + 2, 0, 255)
    leaks = find_leaks(split, {"image": _Store(copied)})
    assert [(leak.row, leak.other_row) for leak in leaks.pairs] == [(split.train[0], split.valid[0])]
