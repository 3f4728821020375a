"""How alike copies and different recordings are by their fingerprints.

Run: python benchmarks/sound_leaks.py

Needs the data sets fsdd and speech-commands-test. Writes benchmarks/results/sound_leaks.json.
"""

import io
import json
import platform
from pathlib import Path

import numpy as np
import soundfile
import torch

import longspan as ls
from longspan.audio.fingerprint import fingerprints
from longspan.columns.ragged import pad


def prints(recordings, rate):
    found = []
    for start in range(0, len(recordings), 128):
        batch = pad([torch.from_numpy(each) for each in recordings[start : start + 128]])
        found.append(fingerprints(batch.values.float() / 32768, batch.lengths, rate))
    return torch.cat(found)


def copy_of(samples, rate, kbit, gain, silence_s):
    """As Opus, at another level, with silence around."""
    quiet = np.zeros(round(silence_s * rate), np.int16)
    moved = np.concatenate([quiet, (samples * gain).clip(-32768, 32767).astype(np.int16), quiet])
    file = io.BytesIO()
    level = 1 - (kbit - 6) / (510 - 6)  # libsndfile's scale for Opus
    soundfile.write(file, moved, rate, format="OGG", subtype="OPUS", compression_level=level)
    file.seek(0)
    return (soundfile.read(file)[0] * 32768).clip(-32768, 32767).astype(np.int16)


def main():
    torch.set_num_threads(1)
    results = {}
    for name, rate, rows in (("fsdd", 8000, 3000), ("speech-commands-test", 16_000, 2000)):
        table = ls.datasets.load(name)
        chosen = np.random.default_rng(0).permutation(len(table))[:rows]
        recordings = [ls.audio.read_samples(table.value(int(row), "audio"), rate) for row in chosen]
        found = prints(recordings, rate)
        alike = found @ found.T
        alike.fill_diagonal_(0)
        closest = alike.amax(dim=1)
        entry = {"recordings": rows, "without a fingerprint": int((found.norm(dim=1) == 0).sum())}
        for threshold in (0.97, 0.98, 0.985, 0.99, 0.995):
            entry[f"recordings with another above {threshold}"] = int((closest > threshold).sum())
        for kbit, gain, silence in ((24, 1.0, 0.0), (16, 0.5, 0.2)):
            copies = prints([copy_of(each, rate, kbit, gain, silence) for each in recordings[:300]], rate)
            same = (copies * found[:300]).sum(1)[found[:300].norm(dim=1) > 0]
            found_at = {str(t): round(float((same > t).float().mean()), 4) for t in (0.95, 0.97, 0.98, 0.985, 0.99)}
            entry[f"copies found, Opus {kbit} kbit/s, gain {gain}, {silence} s of silence"] = found_at
        results[name] = entry
    out = {"command": "python benchmarks/sound_leaks.py", "python": platform.python_version(),
           "torch": torch.__version__, "results": results}  # fmt: skip
    path = Path(__file__).parent / "results" / "sound_leaks.json"
    path.write_text(json.dumps(out, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
