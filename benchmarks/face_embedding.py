"""A face embedding of one's own, trained with ArcFace on a few hundred people, for people who did not train.

Run: OMP_NUM_THREADS=1 python benchmarks/face_embedding.py [--seeds 0 1 2] [--vectors FILE]

Needs the data sets lfw-faces-half and att-faces and the weights of MobileFaceNet, MTCNN and MobileNetV2. Writes
benchmarks/results/face_embedding.json.

Labeled Faces in the Wild: ResNet-20 from random weights and MobileNetV2 from ImageNet, both at 64 px, learn the people
of folds 2, 3 and 4 with two photos or more; verified are the official pairs of folds 0 and 1, each at the threshold of
the other.
AT&T: the network learns one half of the people and identifies the other half, who are enrolled with one to five
photos; the error is that of the nearest mean over their other photos, averaged over ten draws of the enrolled ones.
Beside them eigenfaces (principal components of the same training photos, whitened) and the published MobileFaceNet.
"""

import argparse
import json
import platform
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import longspan as ls
from longspan.datasets.people import lfw_pairs
from longspan.metrics.verification import equal_error_rate, fold_accuracies
from longspan.people import face_detector, face_embedder
from longspan.vision.align import Align

OUT = Path(__file__).parent / "results" / "face_embedding.json"
TESTED = (0, 1)
SIZE = (64, 64)
COMPONENTS = 60
DRAWS = 10


def arcface(weights, epochs):
    """A recipe for vectors of 128 numbers."""
    augment = ls.Augment(rotate_deg=8, scale=0.08, shift=0.05, flip=True, brightness=0.2, contrast=0.2)
    phase = ls.Phase(epochs=epochs, lr=3e-3 if weights is None else 1e-3)
    return ls.Recipe(
        "resnet20" if weights is None else "mobilenet_v2", weights=weights, phases=(phase,), average=0.99,
        heads={"person": ls.Embed(margin=0.3)},
        config=ls.TrainConfig(batch_size=32, weight_decay=0.05, clip_norm=5.0, augment=augment, keep="last"),
    )  # fmt: skip


def trained(table, weights, epochs, seed):
    """A function from photos to unit vectors, and the minutes that it took to learn."""
    begun = time.perf_counter()
    task = ls.Task(table.split(valid=0), inputs="image", targets="person", size_px=SIZE, allow_leaks=True)
    predictor = arcface(weights, epochs).train(task, seed=seed).predictor()
    minutes = (time.perf_counter() - begun) / 60

    def embed(images):
        found = predictor.predict(ls.Table.from_arrays({"image": images}, {"image": table.columns["image"]}))
        return np.asarray([each["person"] for each in found], np.float32)

    return embed, minutes


def eigenfaces(images):
    """The same by principal components of grey photos, each brought to mean 0 and deviation 1."""

    def values(some):
        rows = np.stack([np.asarray(Image.open(i).convert("L").resize((48, 48)), np.float64).ravel() for i in some])
        return (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)

    known = values(images)
    mean = known.mean(0)
    _, deviations, axes = np.linalg.svd(known - mean, full_matrices=False)
    axes = axes[:COMPONENTS] / deviations[:COMPONENTS, None]

    def embed(some):
        found = (values(some) - mean) @ axes.T
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    return embed


def verified(embed, pairs):
    """Accuracy over the tested folds, each at the threshold of the other, and the equal error rate."""
    images = sorted({image for _, _, a, b in pairs for image in (a, b)})
    vectors = dict(zip(images, embed(images), strict=True))
    scores = np.array([float(vectors[a] @ vectors[b]) for _, _, a, b in pairs])
    same, folds = np.array([p[1] for p in pairs]), np.array([p[0] for p in pairs])
    accuracies, _ = fold_accuracies(scores, same, folds)
    return {"accuracy": float(accuracies.mean()), "eer": equal_error_rate(scores, same)}


def identified(vectors, people):
    """Rank-1 error by the number of enrolled photos."""
    random, people = np.random.default_rng(0), np.asarray(people)
    wrong = {k: [] for k in range(1, 6)}
    for _ in range(DRAWS):
        orders = {person: random.permutation(np.flatnonzero(people == person)) for person in np.unique(people)}
        probes = np.concatenate([order[5:] for order in orders.values()])
        for k in wrong:
            means = np.stack([vectors[order[:k]].mean(0) for order in orders.values()])
            means /= np.linalg.norm(means, axis=1, keepdims=True)
            nearest = np.array([*orders])[(vectors[probes] @ means.T).argmax(1)]
            wrong[k].append(float((nearest != people[probes]).mean()))
    return {str(k): float(np.mean(each)) for k, each in wrong.items()}


def pretrained(images, aligned):
    """MobileFaceNet on photos, found and aligned by MTCNN unless they are aligned already."""
    embedder, crops = face_embedder(), []
    find, align = face_detector("mtcnn", min_face_px=30), Align()
    for image in images:
        pixels = np.asarray(Image.open(image).convert("RGB"))
        if aligned:
            crops.append(pixels[:112])
            continue
        faces = find(pixels)
        best = max(faces, key=lambda face: face["score"]) if faces else None
        whole = np.asarray(Image.fromarray(pixels).resize((112, 112)))
        crops.append(whole if best is None else align(pixels, best["points"]))
    return embedder.many(crops)


def spread(runs):
    """Mean of each figure over trainings, and lowest and highest where there are several."""
    rows = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        if isinstance(values[0], dict):
            rows[name] = spread(values)
        else:
            rows[name] = {
                "mean": round(float(np.mean(values)), 4),
                **({"low": round(min(values), 4), "high": round(max(values), 4)} if len(values) > 1 else {}),
            }
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--trial", action="store_true", help="learn folds 3 and 4, verify fold 2, and write nothing")
    given = parser.parse_args()
    torch.set_num_threads(1)
    pairs, lfw = lfw_pairs(ls.datasets.fetch("lfw-faces-half")), ls.datasets.load("lfw-faces-half")
    folds, names = lfw.column_values("fold"), lfw.column_values("person")
    photos = Counter(names)
    learnt = (3, 4) if given.trial else (2, 3, 4)
    train = lfw.filter(lambda row: row["fold"] in learnt and photos[row["person"]] > 1).select("image", "person")
    train = train.with_column("person", ls.Category())
    if given.trial:
        pairs = [pair for pair in pairs if pair[0] == 2]
        pairs = [(place % 2, *pair[1:]) for place, pair in enumerate(pairs)]
        for weights in (None, "imagenet"):
            embed, minutes = trained(train, weights, given.epochs, given.seeds[0])
            print(weights, verified(embed, pairs), f"{minutes:.1f} minutes", flush=True)
        return
    pairs = [pair for pair in pairs if pair[0] in TESTED]
    att = ls.datasets.load("att-faces")
    who, files = np.array(att.column_values("person")), np.array(att.column_values("image"))
    people = np.unique(who)
    halves = [np.isin(who, people[::2]), np.isin(who, people[1::2])]
    results = {
        "command": f"python benchmarks/face_embedding.py --seeds {' '.join(map(str, given.seeds))}",
        "python": platform.python_version(), "torch": torch.__version__, "epochs": given.epochs,
        "people who train": len({*train.column_values("person")}), "photos that train": len(train),
        "pairs": len(pairs), "processor": platform.processor() or platform.machine(), "lfw": {}, "att": {},
    }  # fmt: skip
    print(results, len(folds), flush=True)

    def keep(data, way, runs):
        results[data][way] = spread(runs)
        OUT.write_text(json.dumps(results, indent=1) + "\n")
        print(data, way, results[data][way], flush=True)

    def att_errors(embed_of_half):
        found = []
        for tested, learning in (halves, halves[::-1]):
            vectors = embed_of_half(learning)(list(files[tested]))
            found.append(identified(vectors, who[tested]))
        return {k: float(np.mean([each[k] for each in found])) for k in found[0]}

    keep("lfw", "eigenfaces", [verified(eigenfaces(train.column_values("image")), pairs)])
    keep("att", "eigenfaces", [att_errors(lambda half: eigenfaces(files[half]))])
    keep("lfw", "MobileFaceNet, published", [verified(lambda images: pretrained(images, True), pairs)])
    keep("att", "MobileFaceNet, published", [att_errors(lambda half: lambda images: pretrained(images, False))])
    for way, weights in (("from scratch", None), ("from ImageNet", "imagenet")):
        own, on_att = [], []
        for seed in given.seeds:
            embed, minutes = trained(train, weights, given.epochs, seed)
            own.append({**verified(embed, pairs), "minutes": minutes})
            keep("lfw", way, own)

            def of_half(half, seed=seed, weights=weights):
                some = att.take(np.flatnonzero(half)).with_column("person", ls.Category())
                return trained(some, weights, 2 * given.epochs, seed)[0]

            on_att.append(att_errors(of_half))
            keep("att", way, on_att)


if __name__ == "__main__":
    main()
