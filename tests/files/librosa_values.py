"""Writes `librosa.npz`: what librosa 0.11 computes from one recording, so that no test waits for its compiler.

python tests/files/librosa_values.py

A slow test of `tests/audio/test_features.py` compares the file with the installed librosa. Of a short-time transform
every seventh bin is kept; frames, windows and phases show in any of them.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("librosa.npz")
RATE = 16_000
TRANSFORMS = ((512, 160, 400), (512, 128, None), (400, 100, 399), (1024, 441, 640))
"""n_fft, hop, window."""
FILTERS = (
    (16_000, 512, 40, 20, None),
    (8000, 256, 32, 0, None),
    (48_000, 2048, 128, 50, 20_000),
    (16_000, 512, 32, 60, 3800),
)
"""Rate, n_fft, bands, lowest and highest frequency."""


def compute():
    """Values by name; `wave` and `wave_8000` are the recordings they are computed from."""
    import librosa

    rising = np.linspace(0.001, 0.2, RATE)
    wave = (np.random.default_rng(0).normal(size=RATE) * rising).astype(np.float32)[: RATE // 2]
    short = (wave[: RATE // 4] * 32768).clip(-32768, 32767).astype(np.int16)
    values = {
        "wave": wave,
        "wave_8000": short,
        "frames": librosa.util.frame(wave, frame_length=400, hop_length=160)[::7],
    }
    for number, (n_fft, hop, window) in enumerate(TRANSFORMS):
        for centred in (False, True):
            transform = librosa.stft(
                wave, n_fft=n_fft, hop_length=hop, win_length=window, center=centred, pad_mode="constant"
            )
            values[f"stft_{number}_{int(centred)}"] = transform[::7]
    for number, (rate, n_fft, mels, low, high) in enumerate(FILTERS):
        values[f"filters_{number}"] = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=mels, fmin=low, fmax=high)
    power = librosa.feature.melspectrogram(
        y=wave, sr=RATE, n_fft=512, hop_length=160, win_length=400, n_mels=64, fmin=20, pad_mode="constant"
    )
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(power), n_mfcc=13)
    values |= {
        "mel": power,
        "decibels": librosa.power_to_db(power),
        "decibels_unlimited": librosa.power_to_db(power, top_db=None),
        "mfcc": mfcc,
        "delta_1": librosa.feature.delta(mfcc),
        "delta_2": librosa.feature.delta(mfcc, order=2),
    }
    power = librosa.feature.melspectrogram(
        y=short.astype(np.float32) / 32768, sr=8000, n_fft=256, hop_length=80, win_length=200, n_mels=40,
        pad_mode="constant",
    )  # fmt: skip
    return values | {"decibels_8000": librosa.power_to_db(power)}


if __name__ == "__main__":
    np.savez_compressed(FILE, **compute())
    print(f"{FILE}: {FILE.stat().st_size / 1024:.0f} KB")
