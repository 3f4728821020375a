"""What three years of detectors changed: R-CNN in stages beside Faster R-CNN in one network, on the same photos."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.metrics.iou import box_iou
from longspan.pipeline.network_features import NetworkFeatures
from longspan.systems.pedestrians import penn_fudan_split
from longspan.systems.rcnn.labels import with_true_regions
from longspan.systems.rcnn.stages import join_regions, rcnn
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.systems.vision_common import VisionOptions, detector_training, sheet, train_on_places, unsure

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["RCNN_TO_FASTER", "RcnnToFasterOptions"]

_SHOWN = 6
_TIMED_PHOTOS = 16
_STANDING = (1.0, 2.0, 3.0)
"""Height to width of people who stand or walk; as in `pedestrians`."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RcnnToFasterOptions(VisionOptions):
    """What may be changed."""

    regions: int = 250
    """R-CNN: most regions that selective search proposes on a photo."""
    search_px: int = 160
    """R-CNN: longer side of the photo that is searched for regions."""
    crop_px: int = 96
    """R-CNN: side of the square that the network sees of each region."""
    tune_epochs: int = 4
    """R-CNN: passes over the regions of the training photos."""
    size: str = "320x384"
    """Faster R-CNN: height and width of the frame; photos are padded to it, not cut."""
    epochs: int = 24
    """Faster R-CNN: passes over the training photos."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        VisionOptions.__post_init__(self)
        for name, least in (("regions", 10), ("search_px", 32), ("crop_px", 32), ("tune_epochs", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}, got {getattr(self, name)}.")


@final
@dataclass(frozen=True, slots=True)
class _Way:
    """One way from a photo to boxes, trained and measured."""

    model: ls.Pipeline | ls.Predictor
    figures: dict[str, float]
    """Average precision."""
    train_seconds: float
    seconds: float
    """Of a photo: read from its file, looked at, and answered, one after another."""


def _run(options: RcnnToFasterOptions, run: SystemRun) -> None:
    split = penn_fudan_split(run.seed, options.limit)
    # Some photos show the same people a moment later: such a copy is not measured on.
    task = ls.Task(split, inputs="image", targets="boxes", size_px=options.size_px, move_leaks=True)
    task.prepare()
    photos = with_true_regions(task.table)
    known, held_out = photos.take(task.train.numpy()), photos.take(task.valid.numpy())
    run.say(f"{len(known)} photos to learn from, {len(held_out)} to measure on.")
    staged, bounds = _train_rcnn(options, run, task, known, held_out)
    pipeline = staged.model
    assert isinstance(pipeline, ls.Pipeline)
    learner, faster = _train_faster(options, run, task, held_out)
    ways = {"R-CNN": staged, "Faster R-CNN": faster}
    metrics = {f"{figure}, {name}": value for name, way in ways.items() for figure, value in way.figures.items()}
    metrics |= {f"seconds a photo, {name}": way.seconds for name, way in ways.items()}
    metrics |= {f"minutes of training, {name}": way.train_seconds / 60 for name, way in ways.items()}
    ceiling = pipeline.ceiling(held_out, seed=run.seed)
    times = _times_by_stage(pipeline, _timed(held_out))
    part = run.folder / ".rcnn.safetensors"
    try:
        pipeline.save(part)
        run.finish(
            part,
            {**metrics, **bounds},
            train_seconds=sum(way.train_seconds for way in ways.values()),
            options=asdict(options),
            report=lambda: _report(task, learner, ways, bounds, times, ceiling, held_out),
            details={"ceiling": ceiling.to_json(), "seconds by stage of R-CNN": times},
        )
    finally:
        part.unlink(missing_ok=True)


def _train_rcnn(
    options: RcnnToFasterOptions, run: SystemRun, task: ls.Task, known: ls.Table, held_out: ls.Table
) -> tuple[_Way, dict[str, float]]:
    """The pipeline and how well it does, and two figures of its parts."""
    from longspan.metrics.average_precision import value_figures

    column = task.targets["boxes"]
    assert isinstance(column, ls.Boxes)
    labels = list(column.vocab)
    started = time.perf_counter()
    pipeline = rcnn(
        labels,
        backbone=options.backbone,
        weights=options.start,
        search_px=options.search_px,
        regions=options.regions,
        crop_px=options.crop_px,
        epochs=options.tune_epochs,
        lr=options.lr,
    ).fit(known, seed=run.seed, progress=not run.quiet)
    seconds = time.perf_counter() - started
    added = pipeline.run(held_out)
    truth = held_out.column_values("boxes")
    figures = value_figures(truth, added["found"])
    margins = [added[f"margins of {label}"] for label in labels]
    still = [
        join_regions(
            held_out.value(row, "image"),
            regions,
            *(each[row] for each in margins),
            *([[0.0] * 4] * len(regions) for _ in labels),
            labels=labels,
        )
        for row, regions in enumerate(added["regions"])
    ]
    bounds = {
        "ap50, R-CNN without box regression": value_figures(truth, still)["ap50"],
        "fraction of people in a region, R-CNN": _found_fraction(held_out.column_values("regions"), added["regions"]),
    }
    return _Way(pipeline, figures, seconds, _seconds_each(pipeline, held_out)), bounds


def _train_faster(
    options: RcnnToFasterOptions, run: SystemRun, task: ls.Task, held_out: ls.Table
) -> tuple[ls.Learner, _Way]:
    from longspan.metrics.average_precision import value_figures

    trained = train_on_places(
        task,
        f"faster_rcnn:{options.backbone}",
        weights=options.start,
        heads={"boxes": ls.Detect(ratios=_STANDING, finest_stride=8, max_detections=30)},
        epochs=options.epochs,
        lr=options.lr,
        config=detector_training(options.batch_size),
        seed=run.seed,
        progress=not run.quiet,
    )
    # Answers are what is at least half sure; the figures look at all that was found, as they do with R-CNN.
    found = [each["boxes"] for each in unsure(trained.learner).predict(held_out.select("image"))]
    figures = value_figures(held_out.column_values("boxes"), found)
    predictor = trained.learner.predictor()
    return trained.learner, _Way(predictor, figures, trained.seconds, _seconds_each(predictor, held_out))


def _timed(held_out: ls.Table) -> ls.Table:
    return held_out.take(np.arange(min(len(held_out), _TIMED_PHOTOS))).select("image")


def _seconds_each(model: Any, held_out: ls.Table) -> float:
    """From the file to the answer, one photo after another; the first one, to warm up, twice."""
    photos = _timed(held_out)
    model.predict(photos.take([0]))
    started = time.perf_counter()
    for row in range(len(photos)):
        model.predict(photos.take([row]))
    return (time.perf_counter() - started) / len(photos)


def _times_by_stage(pipeline: ls.Pipeline, photos: ls.Table) -> dict[str, float]:
    """Seconds of a photo in the stages that take time, and in the others together."""
    propose, warp, look = (pipeline.model(name) for name in ("propose", "warp", "look"))
    assert isinstance(look, NetworkFeatures)
    taken = []
    for row in range(len(photos)):
        image = photos.value(row, "image")
        marks = [time.perf_counter()]
        regions = propose(image)
        marks.append(time.perf_counter())
        crops = warp(image, regions)
        marks.append(time.perf_counter())
        look.predict([(crop,) for crop in crops], "look")
        marks.append(time.perf_counter())
        pipeline.predict(photos.take([row]))
        marks.append(time.perf_counter())
        taken.append(np.diff(marks))
    *parts, whole = np.mean(taken, axis=0).tolist()
    return {**dict(zip(("propose", "warp", "look"), parts, strict=True)), "all others": max(0.0, whole - sum(parts))}


def _found_fraction(truth: Sequence[Any], regions: Sequence[Any]) -> float:
    """Of the true boxes, the fraction that some region overlaps by at least one half."""
    best = [box_iou(true, found).max(axis=1, initial=0.0) for true, found in zip(truth, regions, strict=True)]
    return float((np.concatenate(best) >= 0.5).mean())


def _report(
    task: ls.Task,
    learner: ls.Learner,
    ways: dict[str, _Way],
    bounds: dict[str, float],
    times: dict[str, float],
    ceiling: ls.Ceiling,
    held_out: ls.Table,
) -> Document:
    from longspan.train.reports.learner_report import compose_report

    def begin(page: Document) -> None:
        staged = ways["R-CNN"]
        page.section("Side by side").text(
            f"Both were trained on the same {len(task.train)} photos and measured on the same {len(held_out)}, in "
            "pixels of the photo; average precision as COCO has it. The sections from 'Curves' on are of Faster R-CNN."
        )
        page.table(
            [
                {
                    "way": name,
                    **way.figures,
                    "minutes of training": way.train_seconds / 60,
                    "seconds a photo": way.seconds,
                }
                for name, way in ways.items()
            ]
        )
        page.section("Where the time of R-CNN goes").table(
            [
                {"stage": name, "seconds a photo": value, "share": value / sum(times.values())}
                for name, value in times.items()
            ]
        )
        page.section("Which stage of R-CNN is to blame").text(
            "Its error (1 - F1 of the boxes that it is sure of), and what is left of it when the output of a stage is "
            f"replaced by the truth. Of the people, {bounds['fraction of people in a region, R-CNN']:.0%} have a "
            "region that overlaps them by at least one half; the others only box regression can win back. Without it "
            f"AP50 is {bounds['ap50, R-CNN without box regression']:.3f} in place of {staged.figures['ap50']:.3f}."
        )
        page.figure(ceiling.figure())
        page.text(
            "Where the regions are the true boxes there is nothing else to mistake for a person: what propose would "
            "gain holds both, people without a region and regions without a person."
        )
        rows = np.linspace(0, len(held_out) - 1, min(_SHOWN, len(held_out))).astype(int)
        shown = held_out.take(rows).with_column("boxes", task.targets["boxes"])
        said = {name: way.model.predict(shown.select("image")) for name, way in ways.items()}
        page.section("Photos").figure(
            sheet(shown, "boxes", said, title="", cell_px=220), label="Photos, the truth, and what each way found"
        )

    return compose_report(learner, title="From R-CNN to Faster R-CNN", begin=begin)


RCNN_TO_FASTER = System(
    name="rcnn-to-faster",
    summary="Finds people on photos by R-CNN, in stages, and by Faster R-CNN: how well, and in how many seconds.",
    needs="the data set penn-fudan (54 MB), ImageNet weights of the backbone, longspan[rcnn,detect], and about half an "
    "hour on two cores",
    options=RcnnToFasterOptions,
    run=_run,
)
