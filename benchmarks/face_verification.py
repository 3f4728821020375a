"""MobileFaceNet on Labeled Faces in the Wild: verification and open-set identification, and what each stage is worth.

Run: OMP_NUM_THREADS=1 python benchmarks/face_verification.py [--frames 1000] [--photos N] [--vectors FILE]

Needs the data sets lfw-faces-half and coco128 and the weights of MobileFaceNet and MTCNN. Writes
benchmarks/results/face_verification.json. Each face is embedded once; --vectors keeps the vectors of the aligned crops.

The photos of the pack are cut out and aligned, so what align and detect are worth is measured on made-up frames: each
crop, turned by up to 25 degrees and at 60 to 160 % of its size, is pasted at any place into a photo without people of
320 x 240 px.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import longspan as ls
from longspan.datasets.people import lfw_pairs
from longspan.metrics.verification import (
    choose_threshold,
    equal_error_rate,
    error_rates,
    fold_accuracies,
    identification,
    rank_accuracy,
)
from longspan.people import face_detector, face_embedder
from longspan.vision.align import Align

OUT = Path(__file__).parent / "results" / "face_verification.json"


def squeezed(pixels, box=None):
    """The part of an image in a box, or all of it, as 112 x 112, whatever its shape."""
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((112, 112), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0))


def verified(vectors, pairs):
    """Accuracy over folds, EER, and both errors at a threshold that the other folds give, each person once."""
    first = np.stack([vectors[a] for _, _, a, _ in pairs])
    second = np.stack([vectors[b] for _, _, _, b in pairs])
    scores = (first * second).sum(1)
    same, folds = np.array([p[1] for p in pairs]), np.array([p[0] for p in pairs])
    accuracies, thresholds = fold_accuracies(scores, same, folds)
    return {
        "pairs": len(pairs), "accuracy": round(float(accuracies.mean()), 4),
        "standard deviation over folds": round(float(accuracies.std(ddof=1)), 4),
        "by fold": [round(float(each), 4) for each in accuracies],
        "thresholds": [round(float(each), 3) for each in thresholds],
        "eer": round(equal_error_rate(scores, same), 4),
    }  # fmt: skip


def people_of(pairs):
    return [Path(a).parent.name for _, _, a, _ in pairs], [Path(b).parent.name for _, _, _, b in pairs]


def measured_errors(vectors, pairs):
    """FAR and FRR in the even folds at thresholds that the odd ones give, by allowed rate."""
    scores = np.array([float(vectors[a] @ vectors[b]) for _, _, a, b in pairs])
    same, odd = np.array([p[1] for p in pairs]), np.array([p[0] % 2 == 1 for p in pairs])
    first, second = people_of(pairs)
    found = {}
    for allowed in (0.1, 0.01):
        threshold = choose_threshold(scores[odd], same[odd], far=allowed)
        even = np.flatnonzero(~odd)
        rates = error_rates(scores[even], [first[i] for i in even], [second[i] for i in even], threshold)
        found[f"at most {allowed:g} on other people"] = rates.to_json()
    return found


def open_set(vectors, table):
    """Enrolled: the first photo of everybody with two or more; probes: all others, and everybody with one photo."""
    by_person = {}
    for image, person, fold in zip(*(table.column_values(n) for n in ("image", "person", "fold")), strict=True):
        by_person.setdefault((fold, person), []).append(image)
    result = {}
    for allowed in (0.01, 0.001):
        # The threshold comes from folds 0 and 1, whose people are in no other fold, as large a gallery as is measured.
        parts = {"chosen": (0, 1), "measured": (2, 3, 4)}
        entries = {}
        for name, folds in parts.items():
            known = {k: v for k, v in by_person.items() if k[0] in folds and len(v) > 1}
            alone = {k: v for k, v in by_person.items() if k[0] in folds and len(v) == 1}
            gallery = [person for _, person in known]
            means = np.stack([vectors[photos[0]] for photos in known.values()])
            probes = [(person, photo) for (_, person), photos in known.items() for photo in photos[1:]]
            probes += [(person, photos[0]) for (_, person), photos in alone.items()]
            similarities = np.stack([vectors[photo] for _, photo in probes]) @ means.T
            entries[name] = (similarities, [person for person, _ in probes], gallery)
        similarities, names, gallery = entries["chosen"]
        strangers = np.array([name not in {*gallery} for name in names])
        top = similarities.max(1)
        threshold = (
            choose_threshold(top[strangers], np.zeros(strangers.sum(), bool), far=allowed)
            if (strangers.sum() * allowed >= 1)
            else None
        )
        if threshold is None:
            result[f"FAR {allowed:g}"] = f"{int(strangers.sum())} strangers are too few to choose this threshold"
            continue
        similarities, names, gallery = entries["measured"]
        found = identification(similarities, names, gallery, threshold)
        known = [i for i, name in enumerate(names) if name in {*gallery}]
        ranks = {
            f"rank-{k}": rank_accuracy(similarities[known], [names[i] for i in known], gallery, k).to_json()
            for k in (1, 5)
        }
        result[f"FAR {allowed:g} on other people"] = {"enrolled": len(gallery), **found.to_json(), **ranks}
    return result


def similarities(vectors, table):
    """Quantiles of two people (first photos), and how often two photos of a person are below some thresholds."""
    rows = {}
    for image, person in zip(table.column_values("image"), table.column_values("person"), strict=True):
        rows.setdefault(person, []).append(vectors[image])
    first = np.stack([each[0] for each in rows.values()])
    others = (first @ first.T)[np.triu_indices(len(first), 1)]
    same = np.array([each[0] @ other for each in rows.values() for other in each[1:]])
    return {
        "two people": {f"{q:g}": round(float(np.quantile(others, q)), 3) for q in (0.5, 0.99, 0.999, 0.9999, 0.99999)},
        "of one person, below": {f"{t:g}": round(float((same < t).mean()), 4) for t in (0.3, 0.4, 0.5)},
        "people": len(first), "pairs of one person": len(same),
    }  # fmt: skip


def frame_of(pixels, ground, random, size=(320, 240)):
    """A crop, turned and made smaller or larger, somewhere in a photo without people of this width and height."""
    face = Image.fromarray(pixels).convert("RGBA")
    scale = random.uniform(0.6, 1.6)
    face = face.resize((round(face.width * scale), round(face.height * scale)), Image.Resampling.BILINEAR)
    face = face.rotate(random.uniform(-25, 25), Image.Resampling.BICUBIC, expand=True)
    frame = Image.fromarray(ground).resize(size).convert("RGBA")
    left = int(random.integers(0, max(1, frame.width - face.width)))
    top = int(random.integers(0, max(1, frame.height - face.height)))
    frame.alpha_composite(face, (left, top))
    return np.asarray(frame.convert("RGB"))


def grounds():
    """Photos without people, of the validation part of coco128."""
    table = ls.datasets.load("coco128")
    photos = [
        image for image, boxes in zip(table.column_values("image"), table.column_values("boxes"), strict=True)
        if boxes is not None and all(box["label"] != "person" for box in boxes)
    ]  # fmt: skip
    return [np.asarray(Image.open(photo).convert("RGB")) for photo in photos]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=1000, help="pairs on made-up frames")
    parser.add_argument("--photos", type=int, help="only the first photos by name, and the pairs among them")
    parser.add_argument("--vectors")
    given = parser.parse_args()
    torch.set_num_threads(1)
    table, root = ls.datasets.load("lfw-faces-half"), ls.datasets.fetch("lfw-faces-half")
    table = table if given.photos is None else table.take(range(given.photos))
    there = {*table.column_values("image")}
    pairs = [pair for pair in lfw_pairs(root) if pair[2] in there and pair[3] in there]
    embedder, find, align = face_embedder(), face_detector("mtcnn", min_face_px=30), Align()
    images = table.column_values("image")
    crops = {image: np.asarray(Image.open(image).convert("RGB")) for image in images}
    if given.vectors and Path(given.vectors).is_file():
        vectors = dict(zip(images, np.load(given.vectors), strict=True))
    else:
        vectors = dict(zip(images, embedder.many([crops[i][:112] for i in images]), strict=True))
        if given.vectors:
            np.save(given.vectors, np.stack([vectors[i] for i in images]))
    results = {
        "command": f"python benchmarks/face_verification.py --frames {given.frames}"
        + ("" if given.photos is None else f" --photos {given.photos}"),
        "photos": len(table), "similarities": similarities(vectors, table), "model": embedder.model,
        "python": platform.python_version(), "torch": torch.__version__,
        "as aligned in the pack": verified(vectors, pairs),
        "errors by person": measured_errors(vectors, pairs),
        "open set": open_set(vectors, table),
    }  # fmt: skip
    print(json.dumps(results, indent=1), flush=True)
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    if not given.frames:
        return
    chosen = [pair for fold in range(5) for pair in [p for p in pairs if p[0] == fold and p[1]][: given.frames // 10]]
    chosen += [
        pair for fold in range(5) for pair in [p for p in pairs if p[0] == fold and not p[1]][: given.frames // 10]
    ]
    needed = sorted({image for _, _, a, b in chosen for image in (a, b)})
    random, photos = np.random.default_rng(0), grounds()
    ways = {"find, align, embed": [], "find, embed (no align)": [], "embed the whole frame": []}
    lost = 0
    for image in needed:
        frame = frame_of(crops[image], photos[int(random.integers(len(photos)))], random)
        faces = find(frame)
        whole = squeezed(frame)
        ways["embed the whole frame"].append(whole)
        if not faces:  # as a turnstile would: it cannot be compared, which costs like a vector of chance
            lost += 1
            ways["find, align, embed"].append(whole)
            ways["find, embed (no align)"].append(whole)
            continue
        best = max(faces, key=lambda face: face["score"])
        ways["find, align, embed"].append(align(frame, best["points"]))
        x0, y0, x1, y1 = best["box"]
        box = (max(0, x0), max(0, y0), min(frame.shape[1], x1), min(frame.shape[0], y1))
        ways["find, embed (no align)"].append(squeezed(frame, box))
    results["made-up frames"] = {"photos": len(needed), "no face found": lost}
    for way, faces in ways.items():
        found = dict(zip(needed, embedder.many(faces), strict=True))
        results["made-up frames"][way] = verified(found, chosen)  # pyright: ignore
    results["made-up frames"]["the same pairs, aligned in the pack"] = verified(vectors, chosen)  # pyright: ignore
    print(json.dumps(results["made-up frames"], indent=1))
    OUT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
