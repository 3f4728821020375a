"""Strongest patches of images and sounds, and purity on a planted case."""

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.explain.learned_layers import LayerPatches, sound_place
from longspan.report import Document


@pytest.fixture(scope="module")
def squares():
    """A network that tells a bright square from a dark one, and rows with both somewhere on a grey ground."""
    rng = np.random.default_rng(0)
    images = rng.integers(90, 130, (60, 24, 24), dtype=np.uint8)
    classes = np.arange(60) % 2
    places = rng.integers(0, 17, (60, 2))
    for image, bright, (top, left) in zip(images, classes, places, strict=True):
        image[top : top + 7, left : left + 7] = 255 if bright else 0
    table = ls.Table.from_arrays(
        {"image": images, "bright": classes.tolist()}, {"image": ls.Image(), "bright": ls.Category()}
    )
    task = ls.Task(table.split(valid=0.25, seed=0), "image", "bright", allow_leaks=True)
    learner = ls.Learner(task, "lenet5", seed=0, config=ls.TrainConfig(batch_size=16), device="cpu", progress=False)
    return learner.fit_one_cycle(4, lr=3e-3).predictor(), table, places


@pytest.fixture(scope="module")
def layers(squares):
    model, table, _ = squares
    return ls.explain.learned_layers(model, table, channels=3, patches=4)


def test_a_patch_is_where_its_channel_is_strongest(squares, layers):
    model, table, _ = squares
    images = np.stack(list(table.column_values("image")))
    ((_, column),) = model.inputs.items()
    prepared = column.prepare(torch.from_numpy(images)[..., None], None)
    backbone = model.network.get_submodule("backbone")
    for layer in layers:
        maps = []
        hook = backbone.get_submodule(layer.name).register_forward_hook(lambda _, __, out, m=maps: m.append(out))
        with torch.no_grad():
            backbone(prepared)
        hook.remove()
        seen, shown = layer.field, layer.channels[0]
        channel = maps[0][:, shown.channel].numpy()
        best = np.sort(channel.max(axis=(1, 2)))[::-1][:4]
        np.testing.assert_allclose(shown.activations, best, rtol=1e-4)
        row = shown.rows[0]
        place = np.unravel_index(channel[row].argmax(), channel[row].shape)
        top, left = (round(s + p * seen.stride_px) for s, p in zip((seen.top_px, seen.left_px), place, strict=True))
        patch = shown.patches[0][..., 0]
        assert patch.shape == (seen.height_px, seen.width_px)
        inner = images[row][max(top, 0) : top + patch.shape[0], max(left, 0) : left + patch.shape[1]]
        begin = (max(-top, 0), max(-left, 0))
        np.testing.assert_array_equal(
            patch[begin[0] : begin[0] + inner.shape[0], begin[1] : begin[1] + inner.shape[1]], inner
        )


def test_deep_channels_are_purer_than_random_ones_and_chance(layers):
    assert [layer.name for layer in layers] == ["s2", "c3", "s4"]  # from the image upwards
    assert all(layer.purity.chance == pytest.approx((30 * 29 * 2) / (60 * 59)) for layer in layers)
    last = layers[-1].purity
    assert last.trained > last.chance
    assert last.interval[0] < last.trained < last.interval[1]


def test_the_model_stays_and_the_same_seed_gives_the_same(squares):
    model, table, _ = squares
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    state = torch.get_rng_state()
    one, again = (ls.explain.learned_layers(model, table, channels=1, patches=3, rows=20, seed=5) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    assert [each.purity for each in one] == [each.purity for each in again]
    assert one[0].channels[0].rows == again[0].channels[0].rows


def test_sheets_stand_in_the_page(squares, tmp_path):
    model, table, _ = squares
    page = tmp_path / "page.html"
    ls.explain.write_explanation(page, model, table, layers=True)
    text = page.read_text()
    assert "What each layer learned" in text
    assert "random weights" in text
    assert Document("x").to_html() not in text


def test_what_cannot_be_shown_is_told(squares):
    model, table, _ = squares
    with pytest.raises(UnknownNameError, match="Did you mean"):
        ls.explain.learned_layers(model, table, layers=[ls.explain.learned_layers(model, table)[0].name + "x"])
    with pytest.raises(ConfigError, match="patches at least 2, got 6 and 1"):
        ls.explain.learned_layers(model, table, patches=1)
    with pytest.raises(ConfigError, match="There are 2 rows, but 9 patches"):
        ls.explain.learned_layers(model, table.take(np.arange(2)))


@pytest.fixture(scope="module")
def tones():
    """A network that tells a high tone from a low one, each somewhere in noise, and the moments where they begin."""
    rng = np.random.default_rng(0)
    rate_hz, length, classes = 8000, 4000, np.arange(48) % 2
    begins = rng.integers(200, 2600, 48)
    waves = rng.normal(0, 200, (48, length))
    for wave, high, begin in zip(waves, classes, begins, strict=True):
        wave[begin : begin + 1000] += 8000 * np.sin(np.arange(1000) * 2 * np.pi * (2400 if high else 500) / rate_hz)
    column = ls.Audio(rate_hz=rate_hz, seconds=0.5, features=ls.AudioFeatures(mels=24, hop_ms=20, window_ms=40))
    table = ls.Table.from_arrays(
        {"sound": waves.astype(np.int16), "high": classes.tolist()}, {"sound": column, "high": ls.Category()}
    )
    task = ls.Task(table.split(valid=0.25, seed=0), "sound", "high", allow_leaks=True)
    learner = ls.Learner(task, "lenet5", seed=0, config=ls.TrainConfig(batch_size=16), device="cpu", progress=False)
    return learner.fit_one_cycle(6, lr=3e-3).predictor(), table, begins


def test_of_sounds_the_patches_are_stretches_of_time_and_bands_of_frequency(tones):
    model, table, _ = tones
    layers = ls.explain.learned_layers(model, table, channels=4, patches=4)
    purity = layers[-1].purity
    assert purity is not None
    assert purity.trained > purity.chance
    layer, ((_, column),) = layers[0], model.inputs.items()
    waves = torch.from_numpy(np.stack(list(table.column_values("sound"))))
    spectrograms = column.prepare(waves, None)
    maps = []
    backbone = model.network.get_submodule("backbone")
    hook = backbone.get_submodule(layer.name).register_forward_hook(lambda _, __, out: maps.append(out))
    with torch.no_grad():
        backbone(spectrograms)
    hook.remove()
    for channel in layer.channels:
        for row, place, patch in zip(channel.rows, channel.places, channel.patches, strict=True):
            found = maps[0][row, channel.channel]
            up, along = np.unravel_index(int(found.argmax()), found.shape)
            seen = layer.field
            left, top = seen.left_px + along * seen.stride_px, seen.top_px + up * seen.stride_px
            begin = max(left, 0) * 0.02  # frames of 20 ms
            assert float(place.split(" to ")[0]) == pytest.approx(begin, abs=0.006)
            assert patch.shape[:2] == (seen.height_px, seen.width_px)
            # The same place of the spectrogram, drawn upside down, so that low frequencies are at the bottom.
            inside = spectrograms[row, 0, int(max(top, 0)) : int(top + seen.height_px)]
            inside = inside[:, int(max(left, 0)) : int(left + seen.width_px)].flip(0).numpy()
            drawn = patch[..., 0].astype(float)
            rows = slice(max(0, int(top + seen.height_px) - 24), patch.shape[0] - int(max(-top, 0)))
            drawn = drawn[rows, int(max(-left, 0)) :][:, : inside.shape[1]]
            assert np.corrcoef(drawn.ravel(), inside.ravel())[0, 1] > 0.95  # the loudest are clipped


def test_of_sounds_low_frequencies_are_at_the_bottom_and_bands_have_their_edges(tones):
    model, table, _ = tones
    ((_, column),) = model.inputs.items()
    low = sound_place(column, (0, 0, 1, 5))
    assert low == "0.00 to 0.10 s, 20 to " + low.rsplit(" ", 2)[1] + " Hz"
    assert sound_place(column, (-4, -3, 30, 200)) == "0.00 to 0.52 s, 20 to 4,000 Hz"
    import librosa

    edges = librosa.mel_frequencies(n_mels=26, fmin=20, fmax=4000)
    found = np.array(column.features.band_edges_hz(8000))
    np.testing.assert_allclose(found, np.stack([edges[:-2], edges[2:]], axis=1), rtol=1e-6)
    # A high tone lights the upper half of its spectrogram, as drawn.
    layer = ls.explain.learned_layers(model, table, layers=["s4"], channels=8, patches=3, rows=48)[0]
    for channel in layer.channels:
        for patch, place in zip(channel.patches, channel.places, strict=True):
            assert patch.shape[0] <= 24
            assert " s, " in place


def test_sheets_of_sounds_say_when_and_at_which_frequencies(tones, tmp_path):
    model, table, _ = tones
    found = ls.explain.write_explanation(tmp_path / "page.html", model, table, layers=True)
    text = (tmp_path / "page.html").read_text()
    assert "stretches of spectrograms" in text
    assert "bands x" in text
    first = found.layers[0]
    assert isinstance(first, LayerPatches)
    assert first.channels[0].places[0] in text


def test_trees_have_no_layers(loans):
    with pytest.raises(ConfigError, match="only single networks can"):
        ls.explain.learned_layers(loans[0], loans[1])
