"""Log-mel spectrograms and MFCC of a minute of noise, longspan beside librosa, on one thread.

Run: OMP_NUM_THREADS=1 python benchmarks/mel_speed.py
"""

import json
import os
import platform
import statistics
import time
from pathlib import Path

import librosa
import numpy as np
import torch

import longspan as ls

SECONDS, RATE, ROUNDS = 60, 16_000, 9
MELS = 64
FEATURES = {"log-mel": ls.AudioFeatures(mels=MELS), "MFCC": ls.AudioFeatures(mels=MELS, mfcc=13)}


def theirs(name, clip):
    """The same features of a second of sound, by librosa."""
    power = librosa.feature.melspectrogram(
        y=clip, sr=RATE, n_fft=512, hop_length=160, win_length=400, n_mels=MELS, fmin=20, pad_mode="constant"
    )
    decibels = librosa.power_to_db(power)
    return decibels if name == "log-mel" else librosa.feature.mfcc(S=decibels, n_mfcc=13)


def timed(functions):
    """Median seconds of each, called in turn."""
    taken = {name: [] for name in functions}
    for turn in range(ROUNDS + 1):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            if turn:
                taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(each) for name, each in taken.items()}


def main():
    torch.set_num_threads(1)
    wave = np.random.default_rng(0).normal(0, 0.1, SECONDS * RATE).astype(np.float32)
    batch = torch.from_numpy(wave.reshape(SECONDS, RATE))
    lengths = torch.full((SECONDS,), RATE)
    out = {
        "command": "OMP_NUM_THREADS=1 python benchmarks/mel_speed.py", "python": platform.python_version(),
        "torch": torch.__version__, "librosa": librosa.__version__, "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1), "clips": SECONDS, "seconds_per_clip": 1, "rounds": ROUNDS,
    }  # fmt: skip
    for name, features in FEATURES.items():
        taken = timed(
            {
                "longspan": lambda features=features: features.compute(batch, lengths, RATE),
                "librosa": lambda name=name: [theirs(name, clip) for clip in batch.numpy()],
            }
        )
        ours = features.compute(batch[:1], lengths[:1], RATE)[0, 0].numpy()
        out[name] = {
            "longspan_seconds": round(taken["longspan"], 4), "librosa_seconds": round(taken["librosa"], 4),
            "times_real_time": round(SECONDS / taken["longspan"]),
            "speed_against_librosa": round(taken["librosa"] / taken["longspan"], 2),
            "largest_difference": float(np.abs(ours - theirs(name, batch[0].numpy())).max()),
        }  # fmt: skip
    path = Path(__file__).parent / "results" / "mel_speed.json"
    path.write_text(json.dumps(out, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(out, indent=2))


if __name__ == "__main__":
    main()
