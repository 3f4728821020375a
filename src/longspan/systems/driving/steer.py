"""Steering of a real small car from single frames of its camera: an offline task, split by run."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.systems.vision_common import parse_size

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["STEER", "SteerOptions"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SteerOptions:
    """Options of steer."""

    data: str = "drive-rc"
    """drive-rc, or a folder in the layout of Udacity's simulator; its last fifth of runs is then the test part."""
    model: str = "pilot_net"
    """Any network of `longspan models` that reads images."""
    weights: str = "none"
    """Initial weights: imagenet, none, or a file."""
    size: str = "96x128"
    """Height and width of the network's input."""
    epochs: int = 20
    """Passes over the training frames."""
    lr: float = 2e-3
    """Peak learning rate."""
    batch_size: int = 32
    """Frames per step."""
    weight_decay: float = 0.05
    """Weight decay."""
    criterion: Literal["squared", "absolute", "huber"] = "squared"
    """The loss."""
    mirror: bool = True
    """Train on mirrored frames too, with the opposite steering."""
    seeds: int = 3
    """Trainings; figures are means over them."""
    limit: int | None = None
    """Use only this many training frames, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.model, self.weights)
        check_at_least(
            epochs=(self.epochs, 1), batch_size=(self.batch_size, 1), seeds=(self.seeds, 1), limit=(self.limit, 20)
        )
        check_above_zero(lr=self.lr)
        if self.weight_decay < 0:
            raise ConfigError(f"--weight-decay must be at least 0, got {self.weight_decay:g}.")
        parse_size(self.size)


def _run(options: SteerOptions, run: SystemRun) -> None:
    with tempfile.TemporaryDirectory(prefix="mirrored-") as folder:
        _train_and_measure(options, run, Path(folder))


def _train_and_measure(options: SteerOptions, run: SystemRun, mirrored: Path) -> None:
    table = _recording(options, run)
    part = np.array(table.column_values("part"))
    train = np.flatnonzero(part == "train")
    if options.limit is not None:
        train = train[: options.limit]
    held_out = table.take(np.flatnonzero(part != "train"))
    frames = table.take(train)
    rows = frames.concat(_mirrored(frames, mirrored)) if options.mirror else frames
    # The runs go round the same track, so frames of different runs look alike: that is the task.
    task = ls.Task(
        rows.concat(held_out).split(column="part", seed=run.seed), inputs="image", targets="angle",
        size_px=parse_size(options.size), allow_leaks=True,
    )  # fmt: skip
    run.say(
        f"{len(frames):,} training frames{' and their mirror images' if options.mirror else ''}, {len(task.valid):,} "
        f"for validation and {len(task.split.vault):,} of another run for testing."
    )
    started = time.perf_counter()
    learners, found = [], []
    for number in range(options.seeds):
        learner = _train(task, options, 1000 * run.seed + number, quiet=run.quiet)
        learners.append(learner)
        measured = learner.evaluate("test", reason=f"steer: seed {number}")
        valid = learner.evaluate()
        found.append({"valid": valid, "test": measured})
        run.say(f"seed {number}: R2 {valid['r2']:.3f} on validation frames, {measured['r2']:.3f} on test frames")
    seconds = time.perf_counter() - started
    test_rows = held_out.take(np.flatnonzero(np.array(held_out.column_values("part")) == "test"))
    test = np.array(test_rows.column_values("angle"), float)
    said = [[row["angle"] for row in each.predictor().predict(test_rows.select("image"))] for each in learners]
    together = np.mean(np.array(said, float), axis=0)
    mean = float(np.mean(np.array(frames.column_values("angle"), float)))
    mae, r2 = ([each["test"][name] for each in found] for name in ("mae", "r2"))
    metrics = {
        "R2 on the test run": float(np.mean(r2)),
        "lowest R2 of a seed": min(r2),
        "highest R2 of a seed": max(r2),
        "R2 of the mean of all networks": _r2(together, test),
        "mean absolute error": float(np.mean(mae)),
        "mean absolute error of the training mean": float(np.abs(test - mean).mean()),
        "R2 on validation frames": float(np.mean([each["valid"]["r2"] for each in found])),
        "frames per second": _rate(learners[0], held_out),
    }
    run.finish(
        learners[0], metrics, train_seconds=seconds, options=asdict(options), details={"seeds": found},
        report=lambda: _report(learners[0], test_rows),
    )  # fmt: skip


def _r2(predicted: np.ndarray, true: np.ndarray) -> float:
    return float(1 - ((predicted - true) ** 2).sum() / ((true - true.mean()) ** 2).sum())


def _recording(options: SteerOptions, run: SystemRun) -> ls.Table:
    if options.data == "drive-rc":
        return ls.datasets.load("drive-rc", tell=run.say).select("image", "angle", "run", "part")
    from longspan.datasets.driving.recordings import read_udacity

    table = read_udacity(options.data)
    runs = np.array(table.column_values("run"))
    order = list(dict.fromkeys(runs.tolist()))
    if len(order) < 3:
        raise ConfigError(
            f"--data {options.data} has {len(order)} runs, told by pauses of two seconds; training, validation and "
            "testing need one each at least. Frames of one run must not be on both sides."
        )
    held = max(1, len(order) // 5)
    part_of = {each: "train" for each in order} | {each: "valid" for each in order[-2 * held : -held]}
    part_of |= {each: "test" for each in order[-held:]}
    return ls.Table.from_arrays(
        {
            "image": table.column_values("image"), "angle": table.column_values("steering"), "run": runs.tolist(),
            "part": [part_of[each] for each in runs],
        },
        {"image": ls.Image(channels=3, resize="stretch"), "angle": ls.Number(), "run": ls.Category(),
         "part": ls.Category()},
    )  # fmt: skip


def _mirrored(table: ls.Table, folder: Path) -> ls.Table:
    """The same frames seen in a mirror, as files in `folder`: whoever steers left there steers right here."""
    from PIL import Image as PILImage

    from longspan.vision.image_io import read_pixels

    images = []
    for number, image in enumerate(table.column_values("image")):
        images.append(str(folder / f"{number}.png"))
        pixels = np.asarray(read_pixels(image, "RGB", 1 << 24))
        PILImage.fromarray(np.ascontiguousarray(pixels[:, ::-1])).save(images[-1], compress_level=1)
    cells = {name: table.column_values(name) for name in ("run", "part")}
    angles = [-angle for angle in table.column_values("angle")]
    return ls.Table.from_arrays({"image": images, "angle": angles, **cells}, dict(table.columns))


def _train(task: ls.Task, options: SteerOptions, seed: int, *, quiet: bool) -> ls.Learner:
    small = ls.PilotNetConfig(batch_norm=True, padding=True, dropout=0.3)
    learner = ls.Learner(
        task,
        small if options.model == "pilot_net" else options.model,
        weights=None if options.weights == "none" else options.weights,
        heads={"angle": ls.Regress(criterion=options.criterion)},
        config=ls.TrainConfig(
            batch_size=options.batch_size,
            weight_decay=options.weight_decay,
            clip_norm=5.0,
            augment=ls.Augment(shift=0.04, brightness=0.15, contrast=0.3, rotate_deg=2, scale=0.05),
        ),
        callbacks=[ls.WeightAverage(0.98)],
        seed=seed,
        progress=not quiet,
    )
    learner.run([ls.Phase(epochs=options.epochs, lr=options.lr,
                          backbone_lr_mult=1.0 if options.weights == "none" else 0.3)])  # fmt: skip
    return learner


def _rate(learner: ls.Learner, table: ls.Table) -> float:
    """Predictions a second, one frame at a time, reading the file included."""
    predictor = learner.predictor()
    frames = table.select("image")
    predictor.predict(frames.take([0]))
    started = time.perf_counter()
    for row in range(16):
        predictor.predict(frames.take([row % len(frames)]))
    return 16 / (time.perf_counter() - started)


def _report(learner: ls.Learner, test: ls.Table) -> Document:
    from matplotlib.figure import Figure

    from longspan.train.reports.learner_report import compose_report

    predicted = [each["angle"] for each in learner.predictor().predict(test.select("image"))]

    def begin(page: Document) -> None:
        page.section("Steering over the test run").text(
            "The driver's angle and the network's, frame by frame. An offline figure: it does not say how the car "
            "would drive, as its own steering would change what it sees next."
        )
        figure = Figure(figsize=(9, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot(test.column_values("angle"), label="driver", linewidth=1)
        axes.plot(predicted, label="network", linewidth=1)
        axes.set_xlabel("frame")
        axes.set_ylabel("steering angle, -1 to 1")
        axes.legend()
        page.figure(figure, label="Steering over the test run")

    return compose_report(learner, title="Steer: a real small car", begin=begin)


STEER = System(
    name="steer",
    summary="Steers a real small car from its camera: PilotNet and others as an offline task, split by run.",
    needs="the data set drive-rc (18 MB, or a 3 MB copy) or a recording of yours, and a few minutes",
    options=SteerOptions,
    run=_run,
)
