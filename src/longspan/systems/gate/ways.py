"""The ways from an entrance frame to a person: stages, stages left out, and one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PILImage

import longspan as ls
from longspan.systems.gate.entrance_frames import FRAME, Frame, Photos, frames_of
from longspan.systems.result import SystemRun

if TYPE_CHECKING:
    from longspan.people import FaceEmbedder
    from longspan.systems.gate.turnstile import TurnstileOptions

__all__ = [
    "END_TO_END", "POINTS_KNOWN", "STAGED", "WAYS", "WITHOUT_ALIGN", "WITHOUT_DETECT", "embed_all", "frame_network",
    "probabilities", "similarities",
]  # fmt: skip

STAGED, POINTS_KNOWN = "in stages", "points known"
WITHOUT_ALIGN, WITHOUT_DETECT, END_TO_END = "without align", "without detect", "end to end"
WAYS = (STAGED, POINTS_KNOWN, WITHOUT_ALIGN, WITHOUT_DETECT, END_TO_END)
_HIDDEN = -1.0  # similarity where there is no face: nobody is similar
_BATCH, _LEAST_STEPS = 32, 200


def embed_all(
    ways: Sequence[str],
    enrolled: Photos,
    frames: Mapping[str, list[Frame]],
    grounds: Sequence[np.ndarray],
    seed: int,
    most: int,
) -> dict[str, dict[str, Any]]:
    """Vectors of all frames by way; each enrolled photo is seen on a frame of its own."""
    if not ways:
        return {}
    from longspan.people import face_detector, face_embedder
    from longspan.vision.align import Align

    embedder, find, align = face_embedder(), face_detector("mtcnn", min_face_px=30), Align()
    random = np.random.default_rng([seed, 19])
    first = {name: several[:most] for name, several in enrolled.items()}
    every = {"enrolled": frames_of(first, grounds, random), **frames}
    faces = {name: [_largest(find(each.pixels)) for each in several] for name, several in every.items()}

    def seen(way: str, frame: Frame, face: dict[str, Any] | None) -> np.ndarray | None:
        if way == WITHOUT_DETECT:
            return _squeezed(frame.pixels)
        if way == POINTS_KNOWN:
            return _aligned(align, frame.pixels, frame.points)
        if face is None:
            return None
        if way == WITHOUT_ALIGN:
            x0, y0, x1, y1 = face["box"]
            box = (max(0.0, x0), max(0.0, y0), min(float(FRAME[1]), x1), min(float(FRAME[0]), y1))
            return _squeezed(frame.pixels, box)
        return _aligned(align, frame.pixels, face["points"])

    found: dict[str, dict[str, Any]] = {}
    for way in ways:
        found[way] = {}
        for name, several in every.items():
            crops = [seen(way, frame, face) for frame, face in zip(several, faces[name], strict=True)]
            found[way][name] = ([frame.person for frame in several], _vectors(embedder, crops))
    return found


def similarities(embedded: Mapping[str, Any], people: Sequence[str], count: int) -> dict[str, np.ndarray]:
    """`(N, P)` for each group of frames: the cosine with the mean of a person's first `count` vectors."""
    from longspan.people.robust import normalised

    by_person: dict[str, list[np.ndarray | None]] = {}
    for name, vector in zip(*embedded["enrolled"], strict=True):
        by_person.setdefault(name, []).append(vector)
    dim = next(len(each) for several in by_person.values() for each in several if each is not None)
    means = np.zeros((len(people), dim), np.float32)
    for place, name in enumerate(people):
        there = [each for each in by_person[name][:count] if each is not None]
        if there:  # somebody of whom no photo shows a face is never recognised
            means[place] = normalised(np.mean(there, axis=0)[None])[0]
    found = {}
    for group, (_, vectors) in embedded.items():
        if group != "enrolled":
            found[group] = np.stack([np.full(len(people), _HIDDEN) if v is None else means @ v for v in vectors])
    return found


def frame_network(
    enrolled: Photos, grounds: Sequence[np.ndarray], count: int, options: TurnstileOptions, run: SystemRun
) -> ls.Learner:
    """From the whole frame to one of the people: made-up frames of their first `count` photos."""
    random = np.random.default_rng([run.seed, 20, count])
    first = {name: several[:count] for name, several in enrolled.items()}
    frames = [frame for _ in range(options.frames) for frame in frames_of(first, grounds, random)]
    cells = {"image": np.stack([each.pixels for each in frames]), "person": [each.person for each in frames]}
    table = ls.Table.from_arrays(cells, {"image": ls.Image(resize="stretch"), "person": ls.Category()})
    size = (options.size_px, options.size_px)
    task = ls.Task(table.split(valid=0), inputs="image", targets="person", size_px=size, allow_leaks=True)
    augment = ls.Augment(flip=True, scale=0.1, brightness=0.1, contrast=0.2)
    learner = ls.Learner(
        task, options.backbone, weights=None if options.weights == "none" else options.weights,
        heads={"person": ls.Classify(label_smoothing=0.05)}, callbacks=[ls.WeightAverage(0.98)],
        config=ls.TrainConfig(batch_size=_BATCH, clip_norm=5.0, augment=augment), seed=run.seed, progress=not run.quiet,
    )  # fmt: skip
    batches = -(-len(frames) // _BATCH)
    epochs = max(options.epochs, -(-_LEAST_STEPS // batches))
    everything = ls.Phase(epochs=epochs, lr=options.lr, backbone_lr_mult=0.5)
    # Random new layers would first spoil what a pretrained network knows.
    learner.run([everything] if options.weights == "none" else [ls.Phase(epochs=1, lr=2e-3, frozen=1.0), everything])
    return learner


def probabilities(learner: ls.Learner, frames: Sequence[Frame], people: Sequence[str]) -> np.ndarray:
    """`(N, P)`: of each frame, by the network, that it is each of the people."""
    table = ls.Table.from_arrays(
        {"image": np.stack([each.pixels for each in frames])}, {"image": ls.Image(resize="stretch")}
    )
    predicted = [each.probabilities or {} for each in learner.predict(table)]
    return np.array([[each[name] for name in people] for each in predicted])


def _largest(faces: list[dict[str, Any]]) -> dict[str, Any] | None:
    return max(faces, key=lambda face: face["score"], default=None)


def _aligned(align: Callable[..., Any], pixels: np.ndarray, points: Mapping[str, Any]) -> np.ndarray | None:
    try:
        return align(pixels, points)
    except ValueError:
        return None


def _squeezed(pixels: np.ndarray, box: tuple[float, float, float, float] | None = None) -> np.ndarray:
    """A part of an image as 112 x 112, whatever its shape."""
    image = PILImage.fromarray(pixels)
    return np.asarray(image.resize((112, 112), PILImage.Resampling.BILINEAR, box=box, reducing_gap=2.0))


def _vectors(embedder: FaceEmbedder, crops: Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
    there = [crop for crop in crops if crop is not None]
    vectors = iter(embedder.many(there))
    return [None if crop is None else next(vectors) for crop in crops]
