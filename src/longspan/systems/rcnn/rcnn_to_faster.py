"""R-CNN, a pipeline of stages, beside Faster R-CNN, one network, on the same photos."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

import longspan as ls
from longspan.metrics.iou import box_iou
from longspan.systems.options import check_at_least
from longspan.systems.pedestrians import penn_fudan_split
from longspan.systems.rcnn.labels import with_true_regions
from longspan.systems.rcnn.stages import join_regions, rcnn
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.systems.vision_common import DetectorOptions, all_detections, detector_training, sheet, train_network

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["RCNN_TO_FASTER", "RcnnToFasterOptions"]

_SHOWN = 6
_TIMED_PHOTOS = 16
_STANDING = (1.0, 2.0, 3.0)
"""Height to width of people who stand or walk, as in `pedestrians`."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RcnnToFasterOptions(DetectorOptions):
    """Options of rcnn-to-faster."""

    regions: int = 250
    """R-CNN: largest number of regions per photo."""
    search_px: int = 160
    """R-CNN: longer side of the photo in selective search."""
    crop_px: int = 96
    """R-CNN: height and width of the crop of each region."""
    tune_epochs: int = 4
    """R-CNN: epochs over the regions of the training photos."""
    size: str = "320x384"
    """Faster R-CNN: height and width of its input; photos are padded to it, not cropped."""
    epochs: int = 24
    """Faster R-CNN: passes over the training photos."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        DetectorOptions.__post_init__(self)
        check_at_least(
            regions=(self.regions, 10), search_px=(self.search_px, 32), crop_px=(self.crop_px, 32),
            tune_epochs=(self.tune_epochs, 1),
        )  # fmt: skip


@final
@dataclass(frozen=True, slots=True)
class _Detector:
    """A trained detector with its metrics and times."""

    model: ls.Pipeline | ls.Predictor
    metrics: dict[str, float]
    """Average precision."""
    train_seconds: float
    seconds: float
    """Prediction of one photo, reading the file included."""


def _run(options: RcnnToFasterOptions, run: SystemRun) -> None:
    split = penn_fudan_split(run.seed, options.limit)
    # Some photos show the same people a moment later: near-duplicates of training photos are not evaluated on.
    task = ls.Task(split, inputs="image", targets="boxes", size_px=options.size_px, move_leaks=True)
    task.prepare()
    photos = with_true_regions(task.table)
    train_photos, held_out = photos.take(task.train.numpy()), photos.take(task.valid.numpy())
    run.say(f"{len(train_photos)} photos for training, {len(held_out)} for validation.")
    staged, bounds = _train_rcnn(options, run, task, train_photos, held_out)
    pipeline = staged.model
    assert isinstance(pipeline, ls.Pipeline)
    learner, faster = _train_faster(options, run, task, held_out)
    detectors = {"R-CNN": staged, "Faster R-CNN": faster}
    metrics = {f"{metric}, {name}": value for name, each in detectors.items() for metric, value in each.metrics.items()}
    metrics |= {f"seconds per photo, {name}": each.seconds for name, each in detectors.items()}
    metrics |= {f"minutes of training, {name}": each.train_seconds / 60 for name, each in detectors.items()}
    ceiling = pipeline.ceiling(held_out, seed=run.seed)
    times = _times_by_stage(pipeline, _timed(held_out))
    part = run.folder / ".rcnn.safetensors"
    try:
        pipeline.save(part)
        run.finish(
            part,
            {**metrics, **bounds},
            train_seconds=sum(each.train_seconds for each in detectors.values()),
            options=asdict(options),
            report=lambda: _report(task, learner, detectors, bounds, times, ceiling, held_out),
            details={"ceiling": ceiling.to_json(), "seconds by stage of R-CNN": times},
        )
    finally:
        part.unlink(missing_ok=True)


def _train_rcnn(
    options: RcnnToFasterOptions, run: SystemRun, task: ls.Task, train_photos: ls.Table, held_out: ls.Table
) -> tuple[_Detector, dict[str, float]]:
    """The pipeline with its metrics, and two metrics of its parts."""
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
    ).fit(train_photos, seed=run.seed, progress=not run.quiet)
    seconds = time.perf_counter() - started
    added = pipeline.run(held_out)
    ground_truth = held_out.column_values("boxes")
    metrics = value_figures(ground_truth, added["found"])
    margins = [added[f"margins of {label}"] for label in labels]
    unrefined = [
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
        "ap50, R-CNN without box regression": value_figures(ground_truth, unrefined)["ap50"],
        "fraction of people in a region, R-CNN": _found_fraction(held_out.column_values("regions"), added["regions"]),
    }
    return _Detector(pipeline, metrics, seconds, _seconds_each(pipeline, held_out)), bounds


def _train_faster(
    options: RcnnToFasterOptions, run: SystemRun, task: ls.Task, held_out: ls.Table
) -> tuple[ls.Learner, _Detector]:
    from longspan.metrics.average_precision import value_figures

    trained = train_network(
        task,
        f"faster_rcnn:{options.backbone}",
        weights=options.start,
        heads={"boxes": ls.Detect(ratios=_STANDING, finest_stride=8, max_detections=30, **options.head_sizes)},
        epochs=options.epochs,
        lr=options.lr,
        config=detector_training(options.batch_size),
        seed=run.seed,
        progress=not run.quiet,
    )
    # Predictions keep scores of 0.5 and more; average precision ranks all detections, as for R-CNN.
    found = [each["boxes"] for each in all_detections(trained.learner).predict(held_out.select("image"))]
    metrics = value_figures(held_out.column_values("boxes"), found)
    predictor = trained.learner.predictor()
    return trained.learner, _Detector(predictor, metrics, trained.seconds, _seconds_each(predictor, held_out))


def _timed(held_out: ls.Table) -> ls.Table:
    return held_out.take(np.arange(min(len(held_out), _TIMED_PHOTOS))).select("image")


def _seconds_each(model: Any, held_out: ls.Table) -> float:
    """Mean time of a prediction, one photo at a time, after one to warm up."""
    photos = _timed(held_out)
    model.predict(photos.take([0]))
    started = time.perf_counter()
    for row in range(len(photos)):
        model.predict(photos.take([row]))
    return (time.perf_counter() - started) / len(photos)


def _times_by_stage(pipeline: ls.Pipeline, photos: ls.Table) -> dict[str, float]:
    """Seconds per photo in the slow stages, and in the others together."""
    from longspan.pipeline.network_features import NetworkFeatures

    propose, warp, extract = (pipeline.model(name) for name in ("propose", "warp", "extract"))
    assert isinstance(extract, NetworkFeatures)
    taken = []
    for row in range(len(photos)):
        image = photos.value(row, "image")
        marks = [time.perf_counter()]
        regions = propose(image)
        marks.append(time.perf_counter())
        crops = warp(image, regions)
        marks.append(time.perf_counter())
        extract.predict([(crop,) for crop in crops], "extract")
        marks.append(time.perf_counter())
        pipeline.predict(photos.take([row]))
        marks.append(time.perf_counter())
        taken.append(np.diff(marks))
    *parts, whole = np.mean(taken, axis=0).tolist()
    return {**dict(zip(("propose", "warp", "extract"), parts, strict=True)), "all others": max(0.0, whole - sum(parts))}


def _found_fraction(ground_truth: Sequence[Any], regions: Sequence[Any]) -> float:
    """Fraction of the ground-truth boxes that a region overlaps with an IoU of at least 0.5."""
    best = [box_iou(true, found).max(axis=1, initial=0.0) for true, found in zip(ground_truth, regions, strict=True)]
    return float((np.concatenate(best) >= 0.5).mean())


def _report(
    task: ls.Task,
    learner: ls.Learner,
    detectors: dict[str, _Detector],
    bounds: dict[str, float],
    times: dict[str, float],
    ceiling: ls.Ceiling,
    held_out: ls.Table,
) -> Document:
    from longspan.train.reports.learner_report import compose_report

    def begin(page: Document) -> None:
        staged = detectors["R-CNN"]
        page.section("Side by side").text(
            f"Both were trained on the same {len(task.train)} photos and evaluated on the same {len(held_out)}; "
            "average precision by COCO's definition. The sections from 'Curves' on describe Faster R-CNN."
        )
        page.table(
            [
                {
                    "detector": name,
                    **each.metrics,
                    "minutes of training": each.train_seconds / 60,
                    "seconds per photo": each.seconds,
                }
                for name, each in detectors.items()
            ]
        )
        page.section("Where the time of R-CNN goes").table(
            [
                {"stage": name, "seconds per photo": value, "fraction": value / sum(times.values())}
                for name, value in times.items()
            ]
        )
        page.section("Ceiling analysis of R-CNN").text(
            "The error (1 - F1 of the predicted boxes), and what is left of it when the output of a stage is replaced "
            f"by the ground truth. {bounds['fraction of people in a region, R-CNN']:.0%} of the people have a region "
            "with an IoU of at least 0.5; only box regression can recover the others. Without it AP50 is "
            f"{bounds['ap50, R-CNN without box regression']:.3f} instead of {staged.metrics['ap50']:.3f}."
        )
        page.figure(ceiling.figure())
        page.text(
            "With ground-truth boxes as regions there are no false positives either: the gain of propose covers both "
            "people without a region and regions without a person."
        )
        rows = np.linspace(0, len(held_out) - 1, min(_SHOWN, len(held_out))).astype(int)
        shown = held_out.take(rows).with_column("boxes", task.targets["boxes"])
        predicted = {name: each.model.predict(shown.select("image")) for name, each in detectors.items()}
        page.section("Photos").figure(
            sheet(shown, "boxes", predicted, title="", cell_px=220), label="Photos, ground truth and predictions"
        )

    return compose_report(learner, title="From R-CNN to Faster R-CNN", begin=begin)


RCNN_TO_FASTER = System(
    name="rcnn-to-faster",
    summary="Finds people on photos by R-CNN, in stages, and by Faster R-CNN: accuracy and speed side by side.",
    needs="the data set penn-fudan (54 MB), ImageNet weights of the backbone, longspan[rcnn,detect], and about half an "
    "hour on two cores",
    extras=("rcnn", "detect"),
    options=RcnnToFasterOptions,
    run=_run,
)
