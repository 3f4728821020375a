import io
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image as PILImage
from PIL import ImageOps

import longspan as ls
from longspan.columns import Image
from longspan.errors import ConfigError, DataError
from longspan.vision import AugmentParams, image_io
from longspan.vision.image_io import MAX_PIXELS, read_pixels


def ramp(height, width, channels=3):
    """A smooth image, different along both sides and in every channel."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), (x + y) * 255 / max(width + height - 2, 1)]
    return np.stack(planes[:channels], axis=-1).round().astype(np.uint8)


def saved(path, image, **options):
    image.save(path, **options)
    return str(path)


def png_header(width, height):
    """A PNG that claims a size and holds next to no pixel."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 4))


COLOUR = Image(size_px=(8, 8), channels=3)
GREY = Image(size_px=(8, 8), channels=1)


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["path", "text", "bytes", "pillow", "array", "tensor"])
def test_every_form_of_one_image_gives_the_same_pixels(tmp_path, form):
    pixels = ramp(8, 8)
    path = saved(tmp_path / "a.png", PILImage.fromarray(pixels))
    forms = {
        "path": tmp_path / "a.png",
        "text": path,
        "bytes": (tmp_path / "a.png").read_bytes(),
        "pillow": PILImage.fromarray(pixels),
        "array": pixels,
        "tensor": torch.from_numpy(pixels),
    }
    encoded = COLOUR.encode(forms[form])
    assert encoded.dtype == np.uint8
    assert np.array_equal(encoded, pixels)
    assert np.array_equal(COLOUR.decode(encoded), pixels)


def test_grey_arrays_come_with_or_without_their_axis():
    pixels = ramp(8, 8, 1)
    assert np.array_equal(GREY.encode(pixels), pixels)
    assert np.array_equal(GREY.encode(pixels[..., 0]), pixels)
    assert GREY.decode(pixels).shape == (8, 8)


def test_a_grey_array_for_a_colour_column_is_repeated():
    pixels = ramp(8, 8, 1)
    assert np.array_equal(COLOUR.encode(pixels[..., 0]), pixels.repeat(3, axis=2))


def test_colour_read_as_grey_follows_pillow():
    pixels = ramp(8, 8)
    expected = np.asarray(PILImage.fromarray(pixels).convert("L"))
    assert np.array_equal(GREY.encode(pixels)[..., 0], expected)


def test_a_palette_gives_its_colours(tmp_path):
    image = PILImage.fromarray(ramp(8, 8)).quantize(16)
    path = saved(tmp_path / "p.png", image)
    assert image.mode == "P"
    assert np.array_equal(COLOUR.encode(path), np.asarray(image.convert("RGB")))


@pytest.mark.filterwarnings("ignore:.*transparent parts")
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_see_through_parts_show_white(tmp_path, mode):
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, 4:, 3] = 255  # black on the right, nothing on the left
    if mode == "RGB":  # one colour of an RGB file may stand for nothing
        pixels = np.full((8, 8, 3), 9, np.uint8)
        pixels[:, 4:] = 0
        path = saved(tmp_path / "a.png", PILImage.fromarray(pixels), transparency=(9, 9, 9))
    elif mode == "P":
        image = PILImage.new("P", (8, 8), 0)
        image.putpalette([9, 9, 9, 0, 0, 0])
        image.paste(1, (4, 0, 8, 8))
        path = saved(tmp_path / "a.png", image, transparency=0)
    else:
        path = saved(tmp_path / "a.png", PILImage.fromarray(rgba).convert(mode))
    encoded = COLOUR.encode(path)
    assert (encoded[:, :4] == 255).all()
    assert (encoded[:, 4:] == 0).all()


@pytest.mark.filterwarnings("ignore:.*transparent parts")
def test_half_see_through_is_blended_with_white():
    rgba = np.full((8, 8, 4), (0, 0, 0, 128), np.uint8)
    assert np.allclose(COLOUR.encode(rgba), 127, atol=1)


def test_sixteen_bits_are_scaled_by_their_type_and_not_by_the_brightest_pixel(tmp_path):
    values = ramp(8, 8, 1)[..., 0].astype(np.uint16) * 257
    path = saved(tmp_path / "a.png", PILImage.fromarray(values))
    with PILImage.open(path) as image:
        assert image.mode.startswith("I")
    assert np.array_equal(GREY.encode(path)[..., 0], ramp(8, 8, 1)[..., 0])
    for white in (25700, 51400):  # a dark image stays darker than a bright one
        dark = saved(tmp_path / "dark.png", PILImage.fromarray(np.full((8, 8), white, np.uint16)))
        assert (GREY.encode(dark) == white // 257).all()


def test_floating_point_images_run_from_0_to_1_or_are_refused(tmp_path):
    half = saved(tmp_path / "half.tif", PILImage.fromarray(np.full((8, 8), 0.4, np.float32)))
    assert (GREY.encode(half) == 102).all()
    wide = saved(tmp_path / "wide.tif", PILImage.fromarray(np.full((8, 8), 300.0, np.float32)))
    with pytest.raises(ValueError, match="floating-point values run from 300 to 300, but 0 is read as black and 1 as"):
        GREY.encode(wide)
    large = saved(tmp_path / "large.tif", PILImage.fromarray(np.full((8, 8), 70_000, np.int32)))
    with pytest.raises(ValueError, match="32-bit values run from 70000 to 70000"):
        GREY.encode(large)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright_as_their_exif_note_says(tmp_path, orientation):
    image = PILImage.fromarray(ramp(8, 16))
    exif = PILImage.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", image, exif=exif)
    with PILImage.open(path) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    column = Image().fit([path])
    assert column.size_px == upright.shape[:2]
    assert np.array_equal(column.encode(path), upright)


@pytest.mark.filterwarnings("ignore:.*Only the first of each")
def test_only_the_first_frame_of_several_is_read(tmp_path):
    frames = [PILImage.fromarray(np.full((8, 8), grey, np.uint8)) for grey in (10, 200)]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert (COLOUR.encode(path) == 10).all()


def test_cmyk_jpeg_follows_pillow(tmp_path):
    path = saved(tmp_path / "a.jpg", PILImage.fromarray(ramp(8, 8)).convert("CMYK"))
    with PILImage.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(COLOUR.encode(path), expected)


# --- resizing --------------------------------------------------------------------------------------------------------


def test_crop_cuts_the_middle_of_the_longer_side():
    pixels = ramp(8, 24)
    assert np.array_equal(COLOUR.encode(pixels), pixels[:, 8:16])


def test_crop_of_another_scale_equals_pillow_fit():
    image = PILImage.fromarray(ramp(60, 90))
    expected = np.asarray(ImageOps.fit(image, (30, 40), PILImage.Resampling.BILINEAR))
    found = Image(size_px=(40, 30), channels=3).encode(image)
    assert found.shape == (40, 30, 3)
    assert np.abs(found.astype(int) - expected).max() <= 2


def test_stretch_equals_pillow_resize():
    image = PILImage.fromarray(ramp(20, 12))
    expected = np.asarray(image.resize((16, 10), PILImage.Resampling.BILINEAR))
    assert np.array_equal(Image(size_px=(10, 16), channels=3, resize="stretch").encode(image), expected)


def test_pad_equals_pillow_pad_and_fills_with_black():
    image = PILImage.fromarray(np.maximum(ramp(20, 10), 1))
    expected = np.asarray(ImageOps.pad(image, (16, 16), PILImage.Resampling.BILINEAR))
    found = Image(size_px=(16, 16), channels=3, resize="pad").encode(image)
    assert np.array_equal(found, expected)
    assert not found[:, :4].any()
    assert found[:, 4:12].all()


@pytest.mark.parametrize("how", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3, 7)])
def test_odd_shapes_become_the_size_asked_for(how, size):
    column = Image(size_px=(9, 5), channels=3, resize=how)
    assert column.encode(np.full((*size, 3), 7, np.uint8)).shape == (9, 5, 3)


def test_a_large_jpeg_read_at_a_smaller_scale_of_its_own_looks_the_same(tmp_path):
    image = PILImage.fromarray(ramp(256, 512))
    path = saved(tmp_path / "a.jpg", image, quality=95)
    expected = np.asarray(ImageOps.fit(image, (32, 32), PILImage.Resampling.BILINEAR)).astype(int)
    assert np.abs(Image(size_px=(32, 32), channels=3).encode(path) - expected).max() <= 6


def test_a_large_jpeg_is_not_decoded_whole(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.jpg", PILImage.fromarray(ramp(256, 256)))
    sizes = []
    transpose = ImageOps.exif_transpose

    def seen(image, **options):
        transposed = transpose(image, **options)
        sizes.append(image.size)
        return transposed

    monkeypatch.setattr(ImageOps, "exif_transpose", seen)
    Image(size_px=(32, 32), channels=3).encode(path)
    assert sizes == [(32, 32)]


def test_the_callers_own_image_stays_as_it_is(tmp_path):
    path = saved(tmp_path / "a.jpg", PILImage.fromarray(ramp(256, 256)))
    with PILImage.open(path) as image:
        Image(size_px=(8, 8), channels=1).encode(image)
        Image().show_html(image)
        assert (image.size, image.mode) == ((256, 256), "RGB")
        assert np.asarray(image).shape == (256, 256, 3)  # still open


# --- learning channels and size --------------------------------------------------------------------------------------


def test_channels_and_size_are_learnt_from_headers(tmp_path):
    grey = saved(tmp_path / "g.png", PILImage.fromarray(ramp(6, 9, 1)[..., 0]))
    colour = saved(tmp_path / "c.png", PILImage.fromarray(ramp(6, 9)))
    learnt = Image().fit([grey, grey])
    assert (learnt.size_px, learnt.channels, learnt.shape) == ((6, 9), 1, (6, 9, 1))
    assert Image().fit([grey, colour]).channels == 3
    assert Image(channels=1).fit([grey, colour]).channels == 1


def test_different_sizes_need_size_px():
    images = [ramp(6, 9), ramp(9, 6)]
    with pytest.raises(ConfigError, match=r"different sizes \(6x9, 9x6 pixels ...\). Pass size_px="):
        Image().fit(images)
    assert Image(size_px=(4, 4)).fit(images).channels == 3


def test_images_that_cannot_be_opened_teach_nothing_and_stop_nothing(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    bad = [str(tmp_path / "bad.png")] * 100
    assert Image().fit([*bad, ramp(6, 9)]).size_px == (6, 9)


def test_if_no_image_can_be_opened_all_are_named(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError) as caught:
        Image().fit([str(tmp_path / "empty.png"), str(tmp_path / "gone.png")])
    assert [fault.what for fault in caught.value.faults] == ["the file is empty", "the file does not exist"]
    assert str(tmp_path / "gone.png") in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size_px": (0, 4)}, "at least 1 pixel"),
        ({"size_px": (4, 4, 3)}, "height, width"),
        ({"channels": 2}, "1 .grey. or 3"),
        ({"resize": "zoom"}, "'crop', 'stretch' or 'pad'"),
        ({"mean": (0.5,)}, "go together"),
        ({"mean": (0.5,), "std": (0.0,)}, "above 0"),
        ({"mean": ("x",), "std": (0.5,)}, "finite numbers"),
        ({"mean": (0.5,), "std": (float("inf"),)}, "finite numbers"),
        ({"size_px": (8.5, 8)}, "height, width"),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        Image(**options)


def test_one_number_is_the_side_of_a_square():
    assert Image(size_px=24).size_px == (24, 24)


# --- faults ----------------------------------------------------------------------------------------------------------


def test_faults_are_told_apart(tmp_path):
    good = io.BytesIO()
    PILImage.effect_noise((128, 128), 50).save(good, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(good.getvalue()[:-1000])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello " * 100)
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "bomb.png").write_bytes(png_header(60_000, 60_000))
    (tmp_path / "head.png").write_bytes(png_header(8, 8))
    assert "truncated" in COLOUR.check(str(tmp_path / "cut.jpg"))
    assert COLOUR.check(str(tmp_path / "empty.jpg")) == "the file is empty"
    assert COLOUR.check(str(tmp_path / "text.jpg")) == "this is not an image in a format that can be read"
    assert COLOUR.check(str(tmp_path / "folder.jpg")) == "this is a folder, not an image"
    assert COLOUR.check(str(tmp_path / "gone.jpg")) == "the file does not exist"
    assert "pixels" in COLOUR.check(str(tmp_path / "bomb.png"))
    assert COLOUR.check(str(tmp_path / "head.png")) is not None
    assert "cannot be opened" in COLOUR.check("x" * 5000)
    assert "cannot be opened" in COLOUR.check("a\0b.png")
    assert COLOUR.check(tmp_path / "gone.jpg") == "the file does not exist"
    assert COLOUR.check(ramp(4, 4)) is None


def test_an_image_is_read_by_its_content_not_its_name(tmp_path):
    PILImage.fromarray(ramp(8, 8)).save(tmp_path / "a.jpg", "PNG")
    assert np.array_equal(COLOUR.encode(tmp_path / "a.jpg"), ramp(8, 8))


def test_a_bomb_is_refused_by_its_header_even_where_pillow_was_told_not_to_care(tmp_path, monkeypatch):
    monkeypatch.setattr(PILImage, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "bomb.png").write_bytes(png_header(60_000, 60_000))
    assert COLOUR.check(tmp_path / "bomb.png") == f"the image claims 60000 x 60000 pixels, more than {MAX_PIXELS:,}"


@pytest.mark.parametrize("cut", [10, 50, 120, 200, 300])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_file_cut_anywhere_is_a_value_error_or_read_and_nothing_else(kind, cut):
    whole = io.BytesIO()
    PILImage.fromarray(ramp(32, 32)).save(whole, kind)
    fault = COLOUR.check(whole.getvalue()[:cut])
    assert fault is None or fault.startswith(("cannot be", "this is not an image"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((8, 8), np.float32), "must be uint8"),
        (np.zeros((5, 8, 8), np.uint8), "several images are a list"),
        (np.zeros((2, 8, 8, 3), np.uint8), "several images are a list"),
        (np.zeros((0, 8, 3), np.uint8), "no pixel"),
        (3, "not int"),
        (None, "not NoneType"),
    ],
)
def test_values_that_are_no_images_say_what_would_do(value, words):
    with pytest.raises(ValueError, match=words):
        COLOUR.encode(value)


# --- for networks and people -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size_px", [(8, 8), (300, 320)])  # both at once; one after the other
def test_prepare_normalises_by_channel(size_px):
    column = Image(size_px=size_px, channels=3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    batch = torch.from_numpy(np.stack([ramp(*size_px), 255 - ramp(*size_px)]))
    expected = (batch.double() / 255 - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([0.5, 0.6, 0.7])
    found = column.prepare(batch)
    assert found.shape == (2, 3, *size_px)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected.permute(0, 3, 1, 2).float())


def test_prepare_with_draws_that_change_nothing_changes_nothing():
    column = Image(size_px=(8, 8), channels=1, mean=(0.4,), std=(0.3,))
    batch = torch.from_numpy(ramp(8, 8, 1)[None])
    eye = AugmentParams(torch.eye(2, 3)[None], torch.ones(1), torch.zeros(1))
    torch.testing.assert_close(column.prepare(batch, eye), column.prepare(batch), atol=1e-4, rtol=0)
    torch.testing.assert_close(column.prepare(batch, AugmentParams.identity(1)), column.prepare(batch), atol=0, rtol=0)


def test_prepare_leaves_the_stored_pixels_alone():
    column = Image(size_px=(8, 8), channels=1, mean=(0.4,), std=(0.3,))
    batch = torch.from_numpy(ramp(8, 8, 1)[None])
    before = batch.clone()
    column.prepare(batch, AugmentParams(torch.eye(2, 3)[None], torch.full((1,), 1.5), torch.zeros(1)))
    assert torch.equal(batch, before)


def test_a_mirrored_draw_mirrors_the_image():
    column = Image(size_px=(8, 8), channels=1, mean=(0.0,), std=(1.0,))
    batch = torch.from_numpy(ramp(8, 8, 1)[None])
    mirror = AugmentParams(
        torch.tensor([[[-1.0, 0, 7], [0, 1, 0]]]), torch.ones(1), torch.zeros(1), "flip", colour=False
    )
    torch.testing.assert_close(column.prepare(batch, mirror), column.prepare(batch).flip(-1))


def test_a_cell_shows_a_thumbnail_with_its_pixels_inside(tmp_path):
    cell = Image().show_html(ramp(200, 300))
    assert cell.startswith('<img alt="" src="data:image/png;base64,')
    (tmp_path / "a<b.png").write_text("nothing")
    assert Image().show_html(tmp_path / "a<b.png") == "(this is not an image in a format that can be read)"


@pytest.mark.filterwarnings("ignore:.*transparent parts")
@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "F"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_changed_strip_by_strip_are_those_changed_as_a_whole(tmp_path, monkeypatch, mode, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (37, 23, 4)).astype(np.uint8)
    image = PILImage.fromarray(pixels).convert(mode) if mode not in ("I;16", "F") else None
    if mode == "F":
        image = PILImage.fromarray(pixels[..., 0].astype(np.float32) / 255)
    image = image or PILImage.fromarray(pixels[..., 0].astype(np.uint16) * 200)
    whole = Image(size_px=16, channels=channels).pixels(image)
    monkeypatch.setattr(image_io, "_STRIP_PIXELS", 23 * 5)
    assert np.array_equal(Image(size_px=16, channels=channels).pixels(image), whole)


def test_enormous_images_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(image_io, "_ENORMOUS_PIXELS", 100)
    running, most, convert = [0], [0], image_io._to_mode

    def watched(image, mode):
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.02)
        running[0] -= 1
        return convert(image, mode)

    monkeypatch.setattr(image_io, "_to_mode", watched)
    path = saved(tmp_path / "a.png", PILImage.fromarray(ramp(16, 16)))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Image(size_px=(8, 8), channels=3).encode(path), range(6)))
    assert most[0] == 1


def test_a_frame_that_no_network_could_take_is_refused():
    with pytest.raises(ConfigError, match="more than the 16,777,216 pixels"):
        Image(size_px=(100_000, 100_000))


def test_frames_and_pages_behind_the_first_are_told(tmp_path):
    frames = [PILImage.fromarray(np.full((16, 16), level, np.uint8)) for level in (10, 200)]
    for name in ("a.gif", "a.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.warns(UserWarning, match="Only the first of each is used"):
            pixels = Image().as_input().fit([str(tmp_path / name)]).pixels(str(tmp_path / name))
        assert pixels.max() == 10
    frames[0].save(tmp_path / "one.tif")
    Image().as_input().fit([str(tmp_path / "one.tif")]).pixels(str(tmp_path / "one.tif"))


def test_sixteen_bits_of_which_few_are_used_are_told(tmp_path):
    for name, level in (("dark.png", 4095), ("bright.png", 60_000)):
        PILImage.fromarray(np.full((16, 16), level, np.uint16)).save(tmp_path / name)
    column = Image().as_input().fit([str(tmp_path / "bright.png")])
    with pytest.warns(UserWarning, match="less than an eighth"):
        dark = column.pixels(str(tmp_path / "dark.png"))
    assert (dark.max(), column.pixels(str(tmp_path / "bright.png")).max()) == (16, 233)


def png(depth, colours, rows, transparent):
    """A PNG file by hand: Pillow writes no 16 bits with a transparent value."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), depth, colours, 0, 0, 0)
    code = ">H" if depth == 16 else ">B"
    pixels = b"".join(b"\0" + b"".join(struct.pack(code, v) for pixel in row for v in pixel) for row in rows)
    said = [] if transparent is None else [chunk(b"tRNS", b"".join(struct.pack(">H", v) for v in transparent))]
    parts = [chunk(b"IHDR", header), *said, chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (png(16, 4, [[(51400, 65535)] * 4, [(51400, 0)] * 4], None), (200, 255)),
        (png(16, 6, [[(51400, 51400, 51400, 65535)] * 4, [(0, 0, 0, 0)] * 4], None), (200, 255)),
        (png(16, 0, [[(51400,)] * 4, [(300,)] * 4], (300,)), (200, 255)),
        (png(16, 2, [[(51400,) * 3] * 4, [(300, 301, 302)] * 4], (300, 301, 302)), (200, 255)),
        (png(8, 0, [[(200,)] * 4, [(7,)] * 4], (7,)), (200, 255)),
    ],
)
def test_what_is_transparent_is_white_and_told_whatever_is_stored_there(content, seen):
    with pytest.warns(UserWarning, match="Some images have transparent parts. They are read as white"):
        pixels = np.asarray(read_pixels(content, "L", 4))
    assert (pixels[0, 0], pixels[1, 0]) == seen


def test_transparent_parts_are_told_once_for_a_table_with_their_number(tmp_path):
    opaque = np.full((8, 8, 4), 255, np.uint8)
    clear = opaque.copy()
    clear[:4, :, 3] = 0
    files = []
    for number, pixels in enumerate((opaque, clear, clear, opaque)):
        pixels[..., :3] -= number  # no two alike
        saved(tmp_path / f"{number}.png", PILImage.fromarray(pixels))
        files.append(f"{number}.png")
    table = ls.Table.from_frame(pl.DataFrame({"photo": files, "y": [0, 1, 0, 1]}), {"photo": Image()}, root=tmp_path)
    with pytest.warns(UserWarning, match="transparent") as told:
        ls.Task(table.split(valid=0), "photo", "y").prepare()
    found = [str(each.message) for each in told if "transparent" in str(each.message)]
    assert len(found) == 1
    assert found[0].startswith("Column 'photo': 2 of 4 images have transparent parts. They are read as white")


def test_what_lies_in_place_of_an_image_is_named(tmp_path):
    (tmp_path / "a.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (tmp_path / "b.png").write_text("<html>Sign in</html>")
    assert "a pointer of Git LFS" in str(Image(size_px=8, channels=3).check(str(tmp_path / "a.png")))
    assert "a web page" in str(Image(size_px=8, channels=3).check((tmp_path / "b.png").read_bytes()))
