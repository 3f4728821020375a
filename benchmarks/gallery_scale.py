"""A gallery of up to 1,000,000 people: time of a search, memory, and how rank-1 and false accepts change.

Run: OMP_NUM_THREADS=1 python benchmarks/gallery_scale.py --vectors VECTORS.npy

VECTORS.npy are those that benchmarks/face_verification.py --vectors keeps, of lfw-faces-half. Everybody with two photos
or more is enrolled by the first and looked for by the second; people with one photo are strangers. The others of the
gallery are made up: directions with the mean and covariance of real vectors, so that two of them are about as alike as
real people are (the file records both distributions).

False accepts of larger galleries are also extrapolated from people alone: a stranger is let in if the most similar of n
enrolled people is above the threshold, and if each of them is so with the same chance, the fraction of strangers let in
is 1 - (1 - p)^n. From galleries of some of the people, drawn 200 times, to that of all: the check.

Searches are those of `Gallery`, from its file; a frame of 640 x 480 px with one face goes through `Door` on two threads
with 10,000 enrolled. Run it on an idle machine. Writes benchmarks/results/gallery_scale.json.
"""

import argparse
import json
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from face_verification import frame_of, grounds
from PIL import Image

import longspan as ls
from longspan.people import Gallery, face_embedder
from longspan.people.door import Door
from longspan.people.gallery_file import GalleryFile
from longspan.people.gallery_index import ApproximateIndex
from longspan.people.robust import normalised

OUT = Path(__file__).parent / "results" / "gallery_scale.json"
FALSE_ACCEPTS = 0.01
FRAMES_AT = 10_000


def made_up(real, count, seed=0):
    """Unit vectors with the mean and covariance of real ones."""
    random = np.random.default_rng(seed)
    spread = np.linalg.cholesky(np.cov(real.T) + 1e-6 * np.eye(real.shape[1])).T.astype(np.float32)
    parts = []
    for start in range(0, count, 100_000):
        drawn = random.normal(size=(min(100_000, count - start), real.shape[1])).astype(np.float32)
        parts.append(normalised(drawn @ spread + real.mean(0)))
    return np.concatenate(parts)


def similar(vectors, pairs=200_000, seed=1):
    """Quantiles of the similarity of two people."""
    random = np.random.default_rng(seed)
    a, b = random.integers(0, len(vectors), (2, pairs))
    scores = (vectors[a] * vectors[b]).sum(1)[a != b]
    return {f"{q:g}": round(float(np.quantile(scores, q)), 4) for q in (0.5, 0.99, 0.999, 0.9999)}


def top(probes, gallery):
    """Similarity and place of the most similar of a gallery, for each probe."""
    best, place = np.full(len(probes), -np.inf), np.zeros(len(probes), np.int64)
    for start in range(0, len(gallery), 1 << 17):
        scores = probes @ gallery[start : start + (1 << 17)].T
        better = scores.max(1) > best
        place[better] = scores.argmax(1)[better] + start
        best = np.maximum(best, scores.max(1))
    return best, place


def stored(folder, vectors, model):
    """A gallery file of these people, written at once."""
    path = Path(folder) / f"{len(vectors)}.sqlite"
    Gallery.create(path, model=model, dim=vectors.shape[1], threshold=0.5).close()
    file = GalleryFile.open(path, None)
    with file.change() as cursor:
        for number, vector in enumerate(vectors):
            file.add_person(cursor, f"{number:016x}", f"person {number}", vector)
    file.close()
    return path


def milliseconds(call, given):
    """Median time of a call."""
    times = []
    for each in given:
        started = time.perf_counter()
        call(each)
        times.append(time.perf_counter() - started)
    return round(1000 * float(np.median(times)), 2)


def law_of_extremes(unknown, enrolled, draws=200):
    """False accepts with all enrolled people, measured, and foretold from galleries of some of them."""
    scores = unknown @ enrolled.T
    random, found = np.random.default_rng(0), {}
    count = len(enrolled)
    for allowed in (0.01, 0.05):
        threshold = float(np.quantile(scores.max(1), 1 - allowed))
        above = scores >= threshold
        rows = {"threshold": round(threshold, 4), f"measured with {count}": round(float(above.any(1).mean()), 4)}
        for some in (count // 8, count // 4, count // 2):
            rates = [above[:, random.choice(count, some, replace=False)].any(1).mean() for _ in range(draws)]
            rate = float(np.mean(rates))
            rows[f"measured with {some}"] = round(rate, 4)
            rows[f"foretold for {count} from {some}"] = round(1 - (1 - rate) ** (count / some), 4)
        rate = float(above.any(1).mean())
        rows |= {
            f"foretold for {size}": round(1 - (1 - rate) ** (size / count), 4) for size in (1000, 10_000, 1_000_000)
        }
        found[f"{allowed:g} of strangers with {count} people"] = rows
    return found


def frames(path, table, count=40):
    """Milliseconds from a frame to a decision on two threads, and how many frames show a face."""
    torch.set_num_threads(2)
    random, photos = np.random.default_rng(0), grounds()
    shown = []
    for image in table.column_values("image")[:count]:
        crop = np.asarray(Image.open(image).convert("RGB"))
        ground = np.asarray(Image.fromarray(photos[int(random.integers(len(photos)))]).resize((640, 480)))
        shown.append(frame_of(crop, ground, random, (640, 480)))
    with Gallery.open(path) as gallery:
        door = Door(gallery)
        decisions = [door.look(frame) for frame in shown[:4]]  # the first ones choose kernels
        found = milliseconds(lambda frame: decisions.append(door.look(frame)), shown)
    torch.set_num_threads(1)
    return {
        "frames": count, "with a face": sum(each.box is not None for each in decisions[4:]),
        "ms a frame, median": found, "frames a second": round(1000 / found, 1), "threads": 2,
    }  # fmt: skip


def measured_index(gallery, probes):
    """The approximate index of these people: what its own recall says, and its recall on photos looked for."""
    index, started = ApproximateIndex(), time.perf_counter()
    index.build(gallery)
    built = time.perf_counter() - started
    started = time.perf_counter()
    for probe in probes[:200]:
        index.search(probe[None], 2)
    took, found = time.perf_counter() - started, index.search(probes, 1)[1][:, 0]
    return {
        "people": len(gallery), "recall": index.recall,
        "recall on photos": round(float((found == top(probes, gallery)[1]).mean()), 4),
        "rank-1": round(float((found == np.arange(len(probes))).mean()), 4), "seconds to build": round(built, 1),
        "ms a search": round(1000 * took / 200, 3),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", required=True)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument(
        "--index", type=int, default=100_000, help="people in the approximate index; a million take long"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(given, folder)


def measure(given, folder):
    """All of it; gallery files stand in `folder` for a while."""
    torch.set_num_threads(1)
    embedder = face_embedder()
    table = ls.datasets.load("lfw-faces-half")
    vectors, people = np.load(given.vectors), table.column_values("person")
    first, second, strangers, seen = [], [], [], {}
    for row, person in enumerate(people):
        seen.setdefault(person, []).append(row)
    for rows in seen.values():
        (first if len(rows) > 1 else strangers).append(rows[0])
        if len(rows) > 1:
            second.append(rows[1])
    enrolled, probes, unknown = vectors[first], vectors[second], vectors[strangers]
    everybody = np.concatenate([enrolled, unknown])
    crowd = made_up(everybody, given.most - len(enrolled))
    results = {
        "command": "python benchmarks/gallery_scale.py --vectors VECTORS.npy", "python": platform.python_version(),
        "numpy": np.__version__, "torch": torch.__version__,
        "real people enrolled": len(enrolled), "strangers": len(unknown),
        "similarity of two people, quantiles": {"real": similar(everybody), "made up": similar(crowd)}, "sizes": {},
        "law of extremes, people alone": law_of_extremes(unknown, enrolled),
    }  # fmt: skip
    alone = np.sort(top(unknown, enrolled)[0])[::-1]
    for size in (len(enrolled), 1000, 10_000, 100_000, given.most):
        gallery = np.concatenate([enrolled, crowd[: size - len(enrolled)]])
        best, place = top(probes, gallery)
        known, false = place == np.arange(len(probes)), top(unknown, gallery)[0]
        threshold = float(np.quantile(false, 1 - FALSE_ACCEPTS))
        path = stored(folder, gallery, embedder.model)
        started = time.perf_counter()
        with Gallery.open(path) as opened:
            opened.identify(probes[0])
            loaded = time.perf_counter() - started
            took = milliseconds(opened.identify, probes[:50])
        results["sizes"][str(size)] = {
            "rank-1": round(float(known.mean()), 4), "threshold at 1 % of strangers": round(threshold, 4),
            "known at that threshold": round(float((known & (best >= threshold)).mean()), 4),
            "strangers accepted at the threshold of the smallest": round(
                float((false >= alone[int(len(alone) * FALSE_ACCEPTS)]).mean()), 4
            ),
            "ms a search, exact, median": took, "s to open": round(loaded, 2),
            "MB of vectors": round(gallery.nbytes / 1e6, 1), "MB of the file": round(path.stat().st_size / 1e6, 1),
        }  # fmt: skip
        if size == FRAMES_AT:
            results["frame to decision"] = frames(path, table)
            print(results["frame to decision"], flush=True)
        path.unlink()
        print(size, results["sizes"][str(size)], flush=True)
    results["index"] = measured_index(np.concatenate([enrolled, crowd[: given.index - len(enrolled)]]), probes)
    results["peak MB of the process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    print(results["index"], flush=True)


if __name__ == "__main__":
    main()
