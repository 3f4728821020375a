"""Who stands at the gate: find, align, embed and compare, against one network from the whole frame to the person."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from PIL import Image as PILImage

import longspan as ls
from longspan.errors import ConfigError, check_names
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.people import FaceEmbedder
    from longspan.report import Document

__all__ = ["TURNSTILE", "TurnstileOptions", "entrance_frame", "figures_at_gate"]

_STAGED, _MARKED = "in stages", "points known"
_NO_ALIGN, _NO_DETECT, _END_TO_END = "without align", "without detect", "end to end"
_WAYS = (_STAGED, _MARKED, _NO_ALIGN, _NO_DETECT, _END_TO_END)
_FRAME = (240, 320)
_FALSE_ACCEPTS = 0.01
_HIDDEN = -1.0  # similarity where there is no face: nobody is similar
_SHOWN = 8


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TurnstileOptions:
    """Options of turnstile."""

    people: int = 40
    """People who are enrolled; each has as many photos as are enrolled at most, and two more to be looked at."""
    photos: str = "1,2,3,5,8"
    """Photos of each person who is enrolled."""
    strangers: int = 150
    """People who are not enrolled and must be refused; as many others set the threshold."""
    ways: str = "all"
    """in stages, points known, without align, without detect, end to end; separated by commas."""
    frames: int = 6
    """Made-up frames of each enrolled photo that the network from frame to person learns from."""
    backbone: str = "squeezenet1_1"
    """Of that network; see `longspan models`."""
    weights: str = "imagenet"
    """Its initial weights: imagenet, none, or a file."""
    epochs: int = 8
    """Its passes over those frames; more where these are few, at least 120 steps."""
    lr: float = 8e-4
    """Its peak learning rate."""
    size_px: int = 112
    """Height and width of the frames that it sees."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.backbone, self.weights)
        check_at_least(
            people=(self.people, 2), strangers=(self.strangers, 20), frames=(self.frames, 1), epochs=(self.epochs, 1),
            size_px=(self.size_px, 32),
        )  # fmt: skip
        check_above_zero(lr=self.lr)
        if min(self.counts) < 1:
            raise ConfigError(f"--photos must be at least 1 each, got {self.photos!r}.")
        if self.ways != "all":
            check_names("way", [each.strip() for each in self.ways.split(",")], _WAYS)

    @property
    def counts(self) -> list[int]:
        """Numbers of photos, ascending."""
        try:
            return sorted({int(each) for each in self.photos.split(",")})
        except ValueError:
            raise ConfigError(f"--photos must be whole numbers separated by commas, got {self.photos!r}.") from None

    @property
    def chosen(self) -> list[str]:
        """Ways to measure."""
        asked = [each.strip() for each in self.ways.split(",")]
        return [way for way in _WAYS if self.ways == "all" or way in asked]


@final
@dataclass(frozen=True, slots=True)
class _Frame:
    """A made-up entrance frame and what is known of it."""

    pixels: np.ndarray
    person: str
    points: dict[str, list[float]]


def entrance_frame(
    photo: np.ndarray, points: Mapping[str, Sequence[float]], ground: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, dict[str, list[float]]]:
    """A face, turned by up to 25 degrees and at 60 to 160 % of its size, anywhere in a photo without people.

    Args:
        photo: `(H, W, 3)` uint8.
        points: Of the face, pixels of the photo.
        ground: `(H, W, 3)` uint8, brought to 240 x 320 px.
        random: For size, turn and place.

    Returns:
        The frame `(240, 320, 3)` uint8, and where the points are in it.
    """
    height, width = photo.shape[:2]
    scale, degrees = random.uniform(0.6, 1.6), random.uniform(-25, 25)
    small = (round(width * scale), round(height * scale))
    face = PILImage.fromarray(photo).convert("RGBA").resize(small, PILImage.Resampling.BILINEAR)
    turned = face.rotate(degrees, PILImage.Resampling.BICUBIC, expand=True)
    frame = PILImage.fromarray(ground).resize((_FRAME[1], _FRAME[0])).convert("RGBA")
    left = int(random.integers(0, max(1, frame.width - turned.width)))
    top = int(random.integers(0, max(1, frame.height - turned.height)))
    frame.alpha_composite(turned, (left, top))
    angle = np.deg2rad(degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    placed = {}
    for name, (x, y, *_) in points.items():
        across, down = x * small[0] / width - small[0] / 2, y * small[1] / height - small[1] / 2
        placed[name] = [
            cosine * across + sine * down + turned.width / 2 + left,
            -sine * across + cosine * down + turned.height / 2 + top,
        ]
    return np.asarray(frame.convert("RGB")), placed


def figures_at_gate(
    scores: np.ndarray, names: Sequence[str], people: Sequence[str], threshold: float
) -> dict[str, float]:
    """Named right at all (rank-1), and above the threshold (DIR); and how many strangers are let in (FAR).

    Args:
        scores: `(N, P)` of each frame for each enrolled person.
        names: `(N,)`, who is on the frame.
        people: `(P,)`, who is enrolled.
        threshold: From which on a frame is taken for the person with the highest score.
    """
    best, top = scores.argmax(axis=1), scores.max(axis=1)
    known = np.array([name in {*people} for name in names])
    right = np.array([people[place] == name for place, name in zip(best, names, strict=True)])
    return {
        "rank-1": float(right[known].mean()),
        "dir": float((right & (top >= threshold))[known].mean()),
        "far": float((top >= threshold)[~known].mean()),
    }


def _run(options: TurnstileOptions, run: SystemRun) -> None:
    from longspan.metrics.verification import wilson

    started = time.perf_counter()
    random = np.random.default_rng([run.seed, 18])
    enrolled, looked_at, others, setters = _cast(options, random)
    grounds = _grounds()
    frames = {"looked at": _frames(looked_at, grounds, random), "strangers": _frames(others, grounds, random)}
    frames["setters"] = _frames(setters, grounds, random)
    people = sorted(enrolled)
    run.say(
        f"{len(people)} people enrolled, {len(frames['looked at'])} frames of them, {len(frames['strangers'])} of "
        f"strangers; {len(frames['setters'])} of others set the threshold for {_FALSE_ACCEPTS:.0%} false accepts."
    )
    rows: list[dict[str, Any]] = []
    learner = None
    views = [way for way in options.chosen if way != _END_TO_END]
    embedded = _embed_all(views, enrolled, frames, grounds, run.seed, max(options.counts))
    for way in options.chosen:
        for count in options.counts:
            if way == _END_TO_END:
                learner = _frame_network(enrolled, grounds, count, options, run)
                scored = {name: _probabilities(learner, each, people) for name, each in frames.items()}
            else:
                scored = _similarities(embedded[way], people, count)
            threshold = float(np.quantile(scored["setters"].max(axis=1), 1 - _FALSE_ACCEPTS, method="higher")) + 1e-6
            names = [each.person for each in (*frames["looked at"], *frames["strangers"])]
            scores = np.concatenate([scored["looked at"], scored["strangers"]])
            figures = figures_at_gate(scores, names, people, threshold)
            low, high = wilson(figures["dir"] * len(frames["looked at"]), len(frames["looked at"]))
            rows.append({"way": way, "photos": count, **figures, "dir low": low, "dir high": high})
            run.say(f"{way}, {count} photos: rank-1 {figures['rank-1']:.1%}, DIR {figures['dir']:.1%}, FAR "
                    f"{figures['far']:.1%}")  # fmt: skip
    metrics = {
        f"{what}, {row['way']}, {row['photos']} photos": row[what] for row in rows for what in ("rank-1", "dir", "far")
    }
    said = _sentences(rows)
    for sentence in said:
        run.say(sentence)
    run.finish(
        learner, metrics, train_seconds=time.perf_counter() - started, options=asdict(options),
        report=_report(rows, said, options, frames["looked at"]), details={"rows": rows, "says": said},
    )  # fmt: skip


_Photos = dict[str, list[tuple[np.ndarray, dict[str, list[float]]]]]


def _cast(options: TurnstileOptions, random: np.random.Generator) -> tuple[_Photos, _Photos, _Photos, _Photos]:
    """Photos by person: of those enrolled, further ones of the same people, of strangers, of those for the threshold.

    Raises:
        ConfigError: there are not so many people with so many photos.
    """
    table = ls.datasets.load("lfw", accept_small=True)
    if "points" not in table.columns:
        raise ConfigError(
            "The turnstile is measured on the aligned faces of lfw-faces-half, which are not here: put the pack "
            "lfw_faces_half.tar.gz into the folder that LONGSPAN_DATA names."
        )
    rows: dict[str, list[int]] = {}
    for row, person in enumerate(table.column_values("person")):
        rows.setdefault(person, []).append(row)
    most = max(options.counts)
    names = [name for name in sorted(rows) if len(rows[name]) >= most + 2]
    if len(names) < options.people:
        raise ConfigError(
            f"{len(names)} people have the {most + 2} photos that --photos {options.photos} asks for, and --people is "
            f"{options.people}."
        )
    chosen = sorted(random.permutation(names)[: options.people].tolist())
    rest = [name for name in sorted(rows) if name not in {*chosen}]
    rest = random.permutation(rest).tolist()
    images, points = table.column_values("image"), table.column_values("points")

    def photo(row: int) -> tuple[np.ndarray, dict[str, list[float]]]:
        return np.asarray(PILImage.open(images[row]).convert("RGB")), points[row]

    enrolled = {name: [photo(row) for row in rows[name][:most]] for name in chosen}
    looked_at = {name: [photo(row) for row in rows[name][most : most + 2]] for name in chosen}
    strangers = {name: [photo(rows[name][0])] for name in rest[: options.strangers]}
    setters = {name: [photo(rows[name][0])] for name in rest[options.strangers : 2 * options.strangers]}
    return enrolled, looked_at, strangers, setters


def _grounds() -> list[np.ndarray]:
    """Photos without people."""
    table = ls.datasets.load("coco128")
    cells = zip(table.column_values("image"), table.column_values("boxes"), strict=True)
    empty = [image for image, boxes in cells if boxes is not None and all(each["label"] != "person" for each in boxes)]
    return [np.asarray(PILImage.open(image).convert("RGB")) for image in empty]


def _frames(photos: _Photos, grounds: Sequence[np.ndarray], random: np.random.Generator) -> list[_Frame]:
    found = []
    for person, several in photos.items():
        for pixels, points in several:
            frame, placed = entrance_frame(pixels, points, grounds[int(random.integers(len(grounds)))], random)
            found.append(_Frame(frame, person, placed))
    return found


def _embed_all(
    ways: Sequence[str],
    enrolled: _Photos,
    frames: Mapping[str, list[_Frame]],
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
    every = {"enrolled": _frames(first, grounds, random), **frames}
    faces = {name: [_largest(find(each.pixels)) for each in several] for name, several in every.items()}

    def seen(way: str, frame: _Frame, face: dict[str, Any] | None) -> np.ndarray | None:
        if way == _NO_DETECT:
            return _squeezed(frame.pixels)
        if way == _MARKED:
            return _aligned(align, frame.pixels, frame.points)
        if face is None:
            return None
        if way == _NO_ALIGN:
            x0, y0, x1, y1 = face["box"]
            box = (max(0.0, x0), max(0.0, y0), min(float(_FRAME[1]), x1), min(float(_FRAME[0]), y1))
            return _squeezed(frame.pixels, box)
        return _aligned(align, frame.pixels, face["points"])

    found: dict[str, dict[str, Any]] = {}
    for way in ways:
        found[way] = {}
        for name, several in every.items():
            crops = [seen(way, frame, face) for frame, face in zip(several, faces[name], strict=True)]
            found[way][name] = ([frame.person for frame in several], _vectors(embedder, crops))
    return found


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


def _similarities(embedded: Mapping[str, Any], people: Sequence[str], count: int) -> dict[str, np.ndarray]:
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


def _frame_network(
    enrolled: _Photos, grounds: Sequence[np.ndarray], count: int, options: TurnstileOptions, run: SystemRun
) -> ls.Learner:
    """From the whole frame to one of the people: made-up frames of their first `count` photos."""
    random = np.random.default_rng([run.seed, 20, count])
    first = {name: several[:count] for name, several in enrolled.items()}
    frames = [frame for _ in range(options.frames) for frame in _frames(first, grounds, random)]
    cells = {"image": np.stack([each.pixels for each in frames]), "person": [each.person for each in frames]}
    table = ls.Table.from_arrays(cells, {"image": ls.Image(resize="stretch"), "person": ls.Category()})
    size = (options.size_px, options.size_px)
    task = ls.Task(table.split(valid=0), inputs="image", targets="person", size_px=size, allow_leaks=True)
    augment = ls.Augment(flip=True, scale=0.1, brightness=0.1, contrast=0.2)
    learner = ls.Learner(
        task, options.backbone, weights=None if options.weights == "none" else options.weights,
        heads={"person": ls.Classify(label_smoothing=0.05)}, callbacks=[ls.WeightAverage(0.98)],
        config=ls.TrainConfig(batch_size=32, clip_norm=5.0, augment=augment), seed=run.seed, progress=not run.quiet,
    )  # fmt: skip
    epochs = max(options.epochs, -(-120 * 32 // len(frames)))
    learner.run([ls.Phase(epochs=epochs, lr=options.lr, backbone_lr_mult=0.5)])
    return learner


def _probabilities(learner: ls.Learner, frames: Sequence[_Frame], people: Sequence[str]) -> np.ndarray:
    table = ls.Table.from_arrays(
        {"image": np.stack([each.pixels for each in frames])}, {"image": ls.Image(resize="stretch")}
    )
    predicted = [each.probabilities or {} for each in learner.predict(table)]
    return np.array([[each[name] for name in people] for each in predicted])


def _sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The crossover of stages and network or its absence, the ceiling of the stages, and what each stage is worth."""
    found = {(row["way"], row["photos"]): row for row in rows}
    counts = sorted({row["photos"] for row in rows})
    said = []
    if all((way, counts[0]) in found for way in (_STAGED, _END_TO_END)):
        ahead = [n for n in counts if found[_END_TO_END, n]["rank-1"] > found[_STAGED, n]["rank-1"]]
        most = counts[-1]
        said.append(
            f"One network names more people right than the stages from {ahead[0]} photos on."
            if ahead
            else f"No crossover up to {most} photos a person: there the stages name "
            f"{found[_STAGED, most]['rank-1']:.1%} right, one network {found[_END_TO_END, most]['rank-1']:.1%}."
        )
    for way, words in (
        (_MARKED, "with perfect points, the ceiling of find and align,"),
        (_NO_ALIGN, "without align"),
        (_NO_DETECT, "without detect"),
    ):
        if (way, counts[-1]) in found and (_STAGED, counts[-1]) in found:
            here, there = found[way, counts[-1]]["rank-1"], found[_STAGED, counts[-1]]["rank-1"]
            said.append(f"{counts[-1]} photos a person: {words} {here:.1%} are named right, in stages {there:.1%}.")
    return said


def _report(
    rows: Sequence[Mapping[str, Any]], said: Sequence[str], options: TurnstileOptions, frames: Sequence[_Frame]
) -> Callable[[], Document]:
    from longspan.report import CaptionedImage, Document

    def make() -> Document:
        page = Document("turnstile", subtitle=f"{options.people} people, made-up entrance frames")
        page.section("Frame to person").text(
            f"{' '.join(said)} Rank-1: named right among those enrolled. DIR: named right above the threshold at which "
            f"{_FALSE_ACCEPTS:.0%} of other people's frames are let in; FAR: strangers that are let in there. DIR has "
            "Wilson's 95 % interval over frames."
        )
        page.table([{name: round(v, 3) if isinstance(v, float) else v for name, v in row.items()} for row in rows])
        page.section("Frames")
        page.images([CaptionedImage(each.pixels, each.person) for each in frames[:_SHOWN]], caption="Looked at")
        page.section("Settings")
        return page.settings(asdict(options)).environment()

    return make


TURNSTILE = System(
    name="turnstile",
    summary="Says who stands at a gate: find, align, embed and compare, against one network from frame to person.",
    needs="the data sets lfw-faces-half and coco128, the weights of MobileFaceNet and MTCNN, and about 20 minutes",
    options=TurnstileOptions,
    run=_run,
)
