"""Frames, mel bands, MFCC and their changes, against librosa's values in `tests/files/librosa.npz`."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from longspan.audio import AudioFeatures, cepstrum, deltas, mel_filters, mel_spectrogram, power_to_db
from longspan.audio.framing import frame, frame_count, stft
from longspan.audio.normalise import normalise_running, normalise_utterance
from longspan.errors import ConfigError, UnknownNameError

RATE = 16_000
WAVE = (np.random.default_rng(0).normal(size=RATE) * np.linspace(0.001, 0.2, RATE)).astype(np.float32)
FILES = Path(__file__).parents[1] / "files"
LIBROSA = np.load(FILES / "librosa.npz")
SOUND = LIBROSA["wave"]
MADE = runpy.run_path(str(FILES / "librosa_values.py"))


def close(ours, theirs, tolerance=1e-4):
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=0, atol=tolerance)


@pytest.mark.slow  # the compiler of librosa takes half a minute
def test_the_file_holds_what_librosa_computes():
    computed = MADE["compute"]()
    assert computed.keys() == set(LIBROSA)
    for name, values in computed.items():
        assert values.dtype == LIBROSA[name].dtype, name
        close(values, LIBROSA[name], 1e-5)


@pytest.mark.parametrize("number", range(len(MADE["TRANSFORMS"])))
@pytest.mark.parametrize("centred", [True, False])
def test_the_short_time_transform_is_librosas(number, centred):
    n_fft, hop, window = MADE["TRANSFORMS"][number]
    theirs = LIBROSA[f"stft_{number}_{int(centred)}"]
    ours = stft(torch.from_numpy(SOUND)[None], n_fft, hop, window, centred=centred)[0]
    assert ours.shape == (n_fft // 2 + 1, theirs.shape[1])
    assert ours.shape[1] == frame_count(len(SOUND), n_fft, hop, centred=centred)
    close(ours[::7].numpy(), theirs)


def test_frames_are_librosas():
    close(frame(torch.from_numpy(SOUND), 400, 160).T[::7], LIBROSA["frames"], 0)


@pytest.mark.parametrize("number", range(len(MADE["FILTERS"])))
def test_the_filters_are_librosas(number):
    rate, n_fft, mels, low, high = MADE["FILTERS"][number]
    close(mel_filters(rate, n_fft, mels, low, high), LIBROSA[f"filters_{number}"], 1e-6)


def test_log_mel_and_mfcc_are_librosas():
    sound, mfcc = torch.from_numpy(SOUND)[None], LIBROSA["mfcc"]
    ours = mel_spectrogram(sound, RATE, n_fft=512, hop=160, window=400, mels=64, f_min_hz=20)
    close(ours[0], LIBROSA["mel"])
    close(power_to_db(ours)[0], LIBROSA["decibels"])
    close(power_to_db(ours, range_db=None)[0], LIBROSA["decibels_unlimited"])
    close(cepstrum(power_to_db(ours), 13)[0], mfcc, 2e-4)
    features = AudioFeatures(mfcc=13, deltas=2).compute(sound, torch.tensor([len(SOUND)]), RATE)[0]
    close(features[0], mfcc, 2e-4)
    close(features[1], LIBROSA["delta_1"])
    close(features[2], LIBROSA["delta_2"])


@pytest.mark.parametrize(("order", "width"), [(1, 9), (2, 9), (1, 3), (2, 5)])
def test_deltas_are_the_derivative_of_a_fitted_polynomial(order, width):
    from scipy.signal import savgol_filter  # takes seconds to import

    values = np.random.default_rng(1).normal(size=(3, 40))
    theirs = savgol_filter(values, width, polyorder=order, deriv=order, mode="interp")
    close(deltas(torch.from_numpy(values), order, width), theirs, 1e-9)


def test_deltas_of_few_frames():
    line = torch.arange(5.0)[None]
    assert torch.allclose(deltas(line), torch.ones(1, 5))
    assert deltas(torch.ones(2, 1)).tolist() == [[0], [0]]
    assert deltas(torch.ones(2, 2), 2).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ConfigError, match="odd width"):
        deltas(line, 1, 4)


@pytest.mark.parametrize("settings", [{}, {"centred": False}, {"mfcc": 13, "deltas": 2}, {"range_db": None}])
def test_a_row_does_not_depend_on_the_padding_of_others(settings):
    features = AudioFeatures(mels=40, **settings)
    lengths = torch.tensor([RATE, 9000, 5555])
    waves = torch.zeros(3, RATE)
    for row, length in enumerate(lengths):
        waves[row, :length] = torch.from_numpy(WAVE[:length])
    together = features.compute(waves, lengths, RATE)
    counts = features.frame_counts(lengths, RATE)
    for row, length in enumerate(lengths):
        alone = features.compute(waves[row : row + 1, :length], lengths[row : row + 1], RATE)[0]
        assert alone.shape[-1] == counts[row] == features.num_frames(int(length), RATE)
        torch.testing.assert_close(together[row, :, :, : counts[row]], alone, rtol=0, atol=2e-3)
        assert not together[row, :, :, counts[row] :].any()


def test_settings_that_cannot_be():
    with pytest.raises(ConfigError, match=r"mels must be .* at least 1.*deltas must be 0, 1 or 2"):
        AudioFeatures(mels=0, deltas=3)
    with pytest.raises(ConfigError, match="mfcc must be at most mels = 20"):
        AudioFeatures(mels=20, mfcc=30)
    with pytest.raises(ConfigError, match="more than frames of 256 samples can resolve"):
        AudioFeatures(mels=200).check(8000)
    with pytest.raises(ConfigError, match="half the rate"):
        AudioFeatures(f_max_hz=8000).check(8000)
    with pytest.raises(UnknownNameError, match="Did you mean 'mels'"):
        AudioFeatures.from_json({"mel": 3})
    assert AudioFeatures.from_json(AudioFeatures(mfcc=13).to_json()) == AudioFeatures(mfcc=13)


def test_normalisation_over_an_utterance():
    generator = np.random.default_rng(2)
    values, lengths = generator.normal(3, 5, size=(2, 30, 4)).astype(np.float32), [30, 12]
    ours = normalise_utterance(torch.from_numpy(values), torch.tensor(lengths))
    for row, length in enumerate(lengths):
        part = values[row, :length]
        close(ours[row, :length], (part - part.mean(0)) / part.std(0), 1e-5)
        assert not ours[row, length:].any()
    assert not normalise_utterance(torch.ones(1, 5, 2), torch.tensor([5])).any()


def test_running_normalisation_looks_back_and_never_ahead():
    values = np.random.default_rng(3).normal(3, 5, size=(1, 50, 2)).astype(np.float32)
    ours = normalise_running(torch.from_numpy(values), torch.tensor([50]), window=10)
    for step in (1, 5, 9, 10, 30, 49):
        part = values[0, max(0, step - 9) : step + 1].astype(np.float64)
        close(ours[0, step], (values[0, step] - part.mean(0)) / part.std(0), 1e-4)
    changed = values.copy()
    changed[0, 30:] = 99
    again = normalise_running(torch.from_numpy(changed), torch.tensor([50]), window=10)
    assert torch.equal(again[0, :30], ours[0, :30])
    with pytest.raises(ConfigError, match="at least 1 frame"):
        normalise_running(torch.from_numpy(values), torch.tensor([50]), window=0)
