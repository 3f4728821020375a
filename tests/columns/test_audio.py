"""Recordings as a column: lengths, images and sequences, statistics, augmentation, copies."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import torch

import longspan as ls
from longspan.audio import AudioAugment, AudioFeatures, segment
from longspan.columns import Audio, ImageSpec, SequenceSpec
from longspan.columns.ragged import Ragged, pad
from longspan.errors import ConfigError, DataError

RATE = 8000
LIBROSA = np.load(Path(__file__).parents[1] / "files/librosa.npz")
GENERATOR = np.random.default_rng(0)


def noise(seconds, level=3000):
    """Noise whose level goes up and down, as speech does."""
    count = round(seconds * RATE)
    envelope = np.interp(
        np.arange(count),
        np.arange(0, count + 400, 400),
        GENERATOR.uniform(0, 1, 1 + -(-count // 400) + 1)[: len(np.arange(0, count + 400, 400))],
    )
    return (GENERATOR.normal(0, level, count) * envelope).clip(-32768, 32767).astype(np.int16)


LONG, SHORT = noise(1.0), noise(0.4)


def test_rate_and_length_are_learned_from_headers(tmp_path):
    soundfile.write(tmp_path / "a.wav", LONG, RATE)
    soundfile.write(tmp_path / "b.flac", SHORT, 16_000)
    paths = [str(tmp_path / "a.wav"), str(tmp_path / "b.flac"), str(tmp_path / "gone.wav")]
    with pytest.warns(
        UserWarning, match=r"several sampling rates: 8,000 Hz \(1\), 16,000 Hz \(1\). .* lowest, 8,000 Hz"
    ):
        fitted = Audio().fit(paths)
    assert (fitted.rate_hz, fitted.seconds) == (RATE, 1.0)
    assert fitted.encode(paths[0]).shape == (RATE,)
    assert Audio(layout="sequence", rate_hz=RATE).fit(paths).seconds is None
    with pytest.raises(DataError, match=r"No training recording can be opened:\n.*gone.wav: there is no such file"):
        Audio().fit([paths[2]])
    with pytest.raises(ConfigError, match=r"do not say their rate: Audio\(rate_hz=16000\)"):
        Audio().fit([LONG])


def test_recordings_that_are_cut_to_ten_seconds_are_counted(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(11.0), RATE)
    soundfile.write(tmp_path / "b.wav", SHORT, RATE)
    paths = [str(tmp_path / name) for name in ("a.wav", "b.wav")]
    with pytest.warns(UserWarning, match=r"1 of 2 recordings are longer than 10 s; their middle is read"):
        assert Audio().fit(paths).seconds == 10
    assert Audio(seconds=12).fit(paths).seconds == 12


def test_shorter_recordings_stand_in_silence_and_longer_ones_lose_their_ends():
    column = Audio(rate_hz=RATE, seconds=0.5, refuse=())
    assert np.array_equal(column.encode(LONG), LONG[2000:6000])
    encoded = column.encode(SHORT)
    assert np.array_equal(encoded[400:3600], SHORT)
    assert not encoded[:400].any()
    assert not encoded[3600:].any()


def test_an_image_is_the_log_mel_spectrogram_of_librosa():
    column = Audio(rate_hz=RATE, seconds=0.5, normalise="none", features=AudioFeatures(mels=40, f_min_hz=0))
    image = column.prepare(torch.from_numpy(LIBROSA["wave_8000"])[None])[0, 0]
    np.testing.assert_allclose(image.numpy(), LIBROSA["decibels_8000"], atol=1e-4)
    assert column.spec() == ImageSpec(1, (40, 51)) == ImageSpec(1, tuple(image.shape))


def test_training_rows_get_mean_0_and_spread_1():
    column = Audio(rate_hz=RATE, seconds=1.0, features=AudioFeatures(mels=20, deltas=1))
    batch = torch.from_numpy(np.stack([noise(1.0, level) for level in (500, 2000, 8000)]))
    fitted = column.fit_encoded([batch[:2], batch[2:]])
    assert not fitted.needs_encoded
    prepared = fitted.prepare(batch)
    assert prepared.shape == (3, 2, 20, 101)
    torch.testing.assert_close(prepared.mean((0, 3)), torch.zeros(2, 20), atol=1e-3, rtol=0)
    torch.testing.assert_close(prepared.std((0, 3), correction=0), torch.ones(2, 20), atol=1e-2, rtol=0)


@pytest.mark.parametrize("normalise", ["training", "utterance", "running", "none"])
def test_a_sequence_does_not_depend_on_its_batch(normalise):
    column = Audio(rate_hz=RATE, layout="sequence", normalise=normalise, features=AudioFeatures(mels=20))
    batch = pad([torch.from_numpy(LONG), torch.from_numpy(SHORT)])
    column = column.fit_encoded([batch])
    prepared = column.prepare(batch)
    assert isinstance(prepared, Ragged)
    assert prepared.lengths.tolist() == [101, 41]
    assert column.spec() == SequenceSpec(20, rate_hz=100)
    alone = column.prepare(pad([torch.from_numpy(SHORT)]))
    torch.testing.assert_close(prepared.values[1, :41], alone.values[0], atol=1e-3, rtol=0)
    assert not prepared.values[1, 41:].any()


def test_what_is_refused_says_why():
    column = Audio(rate_hz=RATE, layout="sequence", refuse=("silent", "clipped"), longest_s=0.5)
    assert "silent" in column.check(np.zeros(800, np.int16))
    assert "clipped" in column.check((np.sin(np.arange(800) / 5).astype(np.float32) * 9).clip(-1, 1))
    assert "lasts 1.0 s, more than the 0.5 s" in column.check(LONG)
    short = Audio(rate_hz=RATE, layout="sequence", features=AudioFeatures(centred=False))
    assert "less than one frame" in short.check(LONG[:100])
    assert column.check(SHORT) is None


def test_the_scale_of_the_speech_embedding():
    column = Audio.for_speech_embedding(seconds=1.0)
    wave = torch.from_numpy(GENERATOR.integers(-9000, 9000, 16_000, np.int16))
    image = column.prepare(wave[None])[0, 0]
    # Source: metadata of the weights: |rfft(frame * window)|^2 @ mel, 10 log10, floor at max - 80, x / 10 + 2.
    window = np.pad(np.hanning(401)[:400], 56)
    frames = np.lib.stride_tricks.sliding_window_view(wave.numpy().astype(np.float64), 512)[::160] * window
    mel = LIBROSA["filters_3"]
    decibels = 10 * np.log10(np.maximum(np.abs(np.fft.rfft(frames)) ** 2 @ mel.T, 1e-10))
    wanted = np.maximum(decibels, decibels.max() - 80) / 10 + 2
    np.testing.assert_allclose(image.numpy(), wanted.T, atol=2e-4)


def test_augmentation_is_drawn_for_each_row_and_epoch():
    column = Audio(rate_hz=RATE, seconds=1.0, normalise="none")
    config = AudioAugment(shift_s=0.1, noise=1.0, time_masks=1)
    batch = torch.from_numpy(np.stack([LONG, LONG]))
    params = column.draw_params(config, torch.tensor([3, 4]), 2, 0)
    changed = column.prepare(batch, params)
    assert not torch.equal(changed[0], changed[1])
    again = column.prepare(batch[1:], column.draw_params(config, torch.tensor([4]), 2, 0))
    torch.testing.assert_close(again[0], changed[1])
    assert torch.equal(batch[0], torch.from_numpy(LONG))


def test_faster_sequences_are_shorter():
    column = Audio(rate_hz=RATE, layout="sequence", normalise="none")
    params = column.draw_params(AudioAugment(speed=0.5), torch.arange(4), 0, 0)
    prepared = column.prepare(pad([torch.from_numpy(LONG)] * 4), params)
    wanted = [1 + round(RATE / speed) // 80 for speed in params.speed.tolist()]
    assert prepared.lengths.tolist() == wanted
    assert prepared.values.shape[1] == max(wanted)


def test_options_that_cannot_be():
    for options, what in [
        ({"rate_hz": 10}, "rate_hz"), ({"seconds": 0}, "seconds"), ({"layout": "picture"}, "layout"),
        ({"normalise": "x"}, "normalise"), ({"refuse": ("loud",)}, "refuse"), ({"channel": -1}, "channel"),
        ({"seconds": 1.0, "layout": "sequence"}, "keep their length"), ({"mean": (0.0,)}, "go together"),
        ({"mean": (math.nan,) * 64, "std": (1.0,) * 64}, "finite"),
        ({"mean": (0.0,) * 64, "std": (0.0,) * 64}, "above 0"),
    ]:  # fmt: skip
        with pytest.raises(ConfigError, match=what):
            Audio(**options)
    assert Audio.from_words("1.5s") == Audio(seconds=1.5)
    assert Audio.from_words("sequence") == Audio(layout="sequence")
    assert Audio.from_words("1.5,channel:1,refuse:none,longest:90") == Audio(
        seconds=1.5, channel=1, refuse=(), longest_s=90.0
    )
    assert Audio.from_words("sequence, refuse:silent+clipped").refuse == ("silent", "clipped")
    assert Audio.from_words("channel:mean") == Audio()
    for words in ("long", "channel:left", "chanel:1", "refuse", "longest:", "1.5,"):
        with pytest.raises(ConfigError, match=r"is not understood\. Write audio"):
            Audio.from_words(words)


def test_clipped_recordings_are_told_and_used(tmp_path):
    loud = np.clip(20 * LONG.astype(np.int32), -32768, 32767).astype(np.int16)
    sounds = [(LONG // (row + 2)).astype(np.int16) for row in range(8)]
    sounds[5] = loud
    for layout, lengths in (("image", None), ("sequence", 4000)):
        cells = {"audio": [each[:lengths] if row % 2 else each for row, each in enumerate(sounds)], "n": list(range(8))}
        column = Audio(rate_hz=RATE, layout=layout)
        table = ls.Table.from_arrays(
            {"n": cells["n"], "part": ["train"] * 7 + ["valid"]}, {"n": ls.Number(), "part": ls.Category()}
        ).with_column("audio", column, cells["audio"])
        task = ls.Task(table.split(column="part"), "audio", "n", allow_leaks=True)
        with pytest.warns(UserWarning, match=r"in 1 of the 7 training rows more than 1 % of the samples are clipped"):
            task.prepare()


def test_a_cell_shows_a_spectrogram_and_a_player():
    shown = Audio(rate_hz=RATE).show_html(LONG)
    assert "data:image/png;base64," in shown
    assert "<audio controls" in shown
    assert Audio().show_html("gone.wav") == "(there is no such file)"


def test_tables_hold_files_parts_and_arrays(tmp_path):
    soundfile.write(tmp_path / "talk.wav", LONG, RATE)
    frame = pl.DataFrame({"file": ["talk.wav"] * 2, "start": [0.1, 0.5], "end": [0.3, 1.0]})
    frame.write_csv(tmp_path / "rows.csv")
    table = ls.Table.from_csv(tmp_path / "rows.csv")
    table = table.with_column("sound", Audio(), lambda row: segment(row["file"], row["start"], row["end"]))
    column = Audio(layout="sequence").fit(table["sound"])
    assert [len(column.encode(value)) for value in table["sound"]] == [1600, 4000]
    held = ls.Table.from_arrays({"sound": [LONG, SHORT, None]}, {"sound": Audio(rate_hz=RATE)})
    assert np.array_equal(held.value(1, "sound"), SHORT)
    assert held.value(2, "sound") is None
    alike = ls.Table.from_arrays({"sound": np.stack([LONG, LONG])}, {"sound": Audio(rate_hz=RATE)})
    assert np.array_equal(alike.value(1, "sound"), LONG)


def test_copies_on_both_sides_of_a_split_are_found(tmp_path):
    originals = [noise(1.0) for _ in range(6)]
    for number, samples in enumerate(originals):
        soundfile.write(tmp_path / f"{number}.wav", samples, RATE)
    quiet = np.concatenate([np.zeros(2000, np.int16), (originals[1] * 0.4).astype(np.int16), np.zeros(900, np.int16)])
    soundfile.write(tmp_path / "6.opus", quiet, RATE, format="OGG", subtype="OPUS")
    soundfile.write(tmp_path / "7.wav", originals[2], RATE)
    table = ls.Table.from_arrays(
        {"sound": [str(tmp_path / f"{n}.wav") for n in range(6)] + [str(tmp_path / "6.opus"), str(tmp_path / "7.wav")],
         "word": list("abababaa"), "part": ["train"] * 6 + ["valid"] * 2},
        {"sound": Audio(layout="sequence"), "word": ls.Category(), "part": ls.Category()},
    )  # fmt: skip
    split = table.split(column="part")
    pairs = {(pair.row, pair.other_row): pair.kind for pair in split.leaks("sound", "word").pairs}
    assert pairs == {(1, 6): "near-identical", (2, 7): "identical"}
    with pytest.raises(ls.LongspanError, match="near-identical"):
        ls.Task(split, inputs="sound", targets="word").prepare()
