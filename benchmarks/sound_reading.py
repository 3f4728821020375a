"""Recordings to log-mel spectrograms: longspan's passes over them beside a loop of soundfile and librosa.

Run: python benchmarks/sound_reading.py

Needs the data set librispeech-small and the packages soundfile and librosa. Its first 640 recordings, read as they come
(Ogg Opus) and as WAV files, give 64 mel bands in decibels, 100 frames a second. The peer reads a file, computes its
spectrogram, and goes on with the next, in one process or in one for each core. longspan's first pass decodes every file
into memory and computes the features of every batch; a later pass computes them again from the samples in memory, as
each epoch of a training does. All are timed in turn, five times; seconds are medians. Writes
benchmarks/results/sound_reading.json.
"""

import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import librosa
import numpy as np
import polars as pl
import soundfile
import torch
from joblib import Parallel, delayed

import longspan as ls
from longspan.audio import read_samples
from longspan.data import encode_rows

RECORDINGS, RATE, MELS, BATCH, ROUNDS = 640, 16_000, 64, 16, 5
COLUMN = ls.Audio(rate_hz=RATE, layout="sequence", features=ls.AudioFeatures(mels=MELS), normalise="none")
OUT = Path(__file__).parent / "results" / "sound_reading.json"


def spectrogram(path):
    """By soundfile and librosa."""
    samples, _ = soundfile.read(path, dtype="float32")
    power = librosa.feature.melspectrogram(
        y=samples, sr=RATE, n_fft=512, hop_length=160, win_length=400, n_mels=MELS, fmin=20, pad_mode="constant"
    )
    return librosa.power_to_db(power)


def encoded(paths):
    """All recordings, decoded into memory."""
    table = ls.Table.from_frame(pl.DataFrame({"audio": paths}), {"audio": ls.Audio(rate_hz=RATE)})
    return encode_rows(table, np.arange(len(paths)), {"audio": COLUMN}, {})


def batches(samples, count):
    """All recordings in batches of about equal length."""
    order, _ = samples.by_length(torch.arange(count))
    return samples.batches(order, BATCH)


def features(samples, count):
    """The features of all recordings, in batches."""
    return [COLUMN.prepare(batch.inputs["audio"]) for batch in batches(samples, count)]


def seconds(action, *given):
    """How long it takes, and what it gives."""
    begun = time.perf_counter()
    found = action(*given)
    return time.perf_counter() - begun, found


def measure(paths, workers):
    """Seconds of each way, by round."""

    def loop():
        return [spectrogram(path) for path in paths]

    def loops():
        return workers(delayed(spectrogram)(path) for path in paths)

    rounds = []
    for _ in range(ROUNDS):
        alone, by_core = seconds(loop)[0], seconds(loops)[0]
        reading, samples = seconds(encoded, paths)
        rounds.append(
            {
                "loop": alone,
                "loop, a process per core": by_core,
                "first pass": reading + seconds(features, samples, len(paths))[0],
                "later pass": seconds(features, samples, len(paths))[0],
                "later pass, samples alone": seconds(lambda every: [*every], batches(samples, len(paths)))[0],
            }
        )
    return {way: [each[way] for each in rounds] for way in rounds[0]}


def difference(path):
    """The largest, in decibels."""
    ours = features(encoded([path]), 1)[0]
    return float(np.abs(ours.values[0].numpy().T - spectrogram(path)).max())


def main():
    chosen = list(ls.datasets.load("librispeech-small")["audio"][:RECORDINGS])
    with tempfile.TemporaryDirectory() as folder:
        waves = [f"{folder}/{place}.wav" for place in range(len(chosen))]
        for path, wave in zip(chosen, waves, strict=True):
            soundfile.write(wave, read_samples(path, RATE), RATE, subtype="PCM_16")
        length = sum(soundfile.info(wave).frames for wave in waves) / RATE
        results = {
            "command": "python benchmarks/sound_reading.py", "python": platform.python_version(),
            "torch": torch.__version__, "librosa": librosa.__version__, "soundfile": soundfile.__version__,
            "cores": os.cpu_count(), "threads": torch.get_num_threads(), "recordings": len(waves),
            "minutes": round(length / 60, 1), "rounds": ROUNDS,
        }  # fmt: skip
        with Parallel(n_jobs=os.cpu_count()) as workers:
            for name, paths in (("Ogg Opus", chosen), ("WAV", waves)):
                spectrogram(paths[0])
                workers(delayed(spectrogram)(path) for path in paths[:16])
                features(encoded(paths[:16]), 16)
                taken = measure(paths, workers)
                loop = taken["loop"]
                results[name] = {
                    way: {
                        "seconds": round(statistics.median(each), 3),
                        "times real time": round(length / statistics.median(each)),
                        "speed against the loop": round(statistics.median(np.divide(loop, each)), 2),
                        "of rounds": [round(float(ratio), 2) for ratio in np.divide(loop, each)],
                    }
                    for way, each in taken.items()
                }
                results[name]["largest difference, dB"] = difference(paths[0])
    OUT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
