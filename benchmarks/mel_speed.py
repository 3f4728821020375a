"""Log-mel spectrograms of one minute of noise, longspan beside librosa, on one thread.

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


def timed(function):
    function()
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        function()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main():
    torch.set_num_threads(1)
    wave = np.random.default_rng(0).normal(0, 0.1, SECONDS * RATE).astype(np.float32)
    batch = torch.from_numpy(wave.reshape(SECONDS, RATE))
    lengths = torch.full((SECONDS,), RATE)
    features = ls.AudioFeatures(mels=64)

    def theirs():
        for clip in batch.numpy():
            power = librosa.feature.melspectrogram(
                y=clip, sr=RATE, n_fft=512, hop_length=160, win_length=400, n_mels=64, fmin=20, pad_mode="constant"
            )
            librosa.power_to_db(power)

    ours = timed(lambda: features.compute(batch, lengths, RATE))
    other = timed(theirs)
    difference = float(
        np.abs(
            features.compute(batch[:1], lengths[:1], RATE)[0, 0].numpy()
            - librosa.power_to_db(
                librosa.feature.melspectrogram(
                    y=batch[0].numpy(), sr=RATE, n_fft=512, hop_length=160, win_length=400, n_mels=64, fmin=20,
                    pad_mode="constant",
                )
            )
        ).max()
    )  # fmt: skip
    out = {
        "command": "OMP_NUM_THREADS=1 python benchmarks/mel_speed.py", "python": platform.python_version(),
        "torch": torch.__version__, "librosa": librosa.__version__, "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1), "clips": SECONDS, "seconds_per_clip": 1, "rounds": ROUNDS,
        "longspan_seconds": round(ours, 4), "librosa_seconds": round(other, 4),
        "times_real_time": round(SECONDS / ours), "speed_against_librosa": round(other / ours, 2),
        "largest_difference_db": difference,
    }  # fmt: skip
    path = Path(__file__).parent / "results" / "mel_speed.json"
    path.write_text(json.dumps(out, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(out, indent=2))


if __name__ == "__main__":
    main()
