"""Finds people on photos: boxes by Faster R-CNN, boxes and masks by Mask R-CNN."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import numpy as np

import longspan as ls
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.systems.vision_common import (
    DetectorOptions,
    Trained,
    detector_training,
    parse_networks,
    sheet,
    train_network,
)

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["PEDESTRIANS", "PedestriansOptions", "penn_fudan_split"]

_HELD_OUT = 50
_SHOWN = 6
_TARGETS = {"faster_rcnn": "boxes", "mask_rcnn": "instances"}
_STANDING = (1.0, 2.0, 3.0)
"""Height to width of people who stand or walk: the aspect ratios of the anchors."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PedestriansOptions(DetectorOptions):
    """Options of pedestrians."""

    networks: str = "faster_rcnn,mask_rcnn"
    """Networks to train, separated by commas."""
    size: str = "320x384"
    """Height and width of the network's input; photos are padded to it, not cropped."""
    epochs: int = 10
    """Passes over the training photos, per network."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        DetectorOptions.__post_init__(self)
        parse_networks(self.networks, _TARGETS)


def penn_fudan_split(seed: int, limit: int | None) -> ls.Split:
    """120 photos for training and 50 for validation, drawn at random; there is no official split."""
    photos = ls.datasets.load("penn-fudan").with_column("image", ls.Image(resize="pad"))
    if limit is not None:
        photos = photos.sample(min(limit, len(photos)), seed=seed)
    return photos.split(valid=_HELD_OUT if limit is None else len(photos) // 3, seed=seed)


def _run(options: PedestriansOptions, run: SystemRun) -> None:
    split = penn_fudan_split(run.seed, options.limit)
    trained: dict[str, Trained] = {}
    measured: dict[str, dict[str, float]] = {}
    for name in parse_networks(options.networks, _TARGETS):
        target = _TARGETS[name]
        # Some photos show the same people a moment later: near-duplicates of training photos are not evaluated on.
        task = ls.Task(split, inputs="image", targets=target, size_px=options.size_px, move_leaks=True)
        task.prepare()
        run.say(f"{name}: {len(task.train)} photos for training, {len(task.valid)} for validation.")
        head = (ls.Detect if target == "boxes" else ls.SegmentInstances)(
            ratios=_STANDING, finest_stride=8, max_detections=30, **options.head_sizes
        )
        trained[name] = train_network(
            task,
            f"{name}:{options.backbone}",
            weights=options.start,
            heads={target: head},
            epochs=options.epochs,
            lr=options.lr,
            config=detector_training(options.batch_size),
            seed=run.seed,
            progress=not run.quiet,
        )
        measured[name] = trained[name].learner.evaluate()
    last = list(trained)[-1]
    metrics = {f"{metric}, {name}": value for name, each in measured.items() for metric, value in each.items()}
    metrics |= {f"images per second, {name}": each.images_per_second for name, each in trained.items()}
    run.finish(
        trained[last].learner,
        metrics,
        train_seconds=sum(each.seconds for each in trained.values()),
        options=asdict(options),
        report=lambda: _report(trained, measured),
    )


def _report(trained: dict[str, Trained], measured: dict[str, dict[str, float]]) -> Document:
    from longspan.train.reports.learner_report import compose_report

    learner = list(trained.values())[-1].learner

    def begin(page: Document) -> None:
        page.section("Side by side").text("Average precision on the validation photos, by COCO's definition.")
        page.table(
            [
                {
                    "network": name,
                    "parameters": sum(p.numel() for p in each.learner.network.parameters()),
                    **{metric: value for metric, value in measured[name].items() if metric != "loss"},
                    "minutes of training": each.seconds / 60,
                    "images per second": each.images_per_second,
                }
                for name, each in trained.items()
            ]
        )
        target = next(iter(learner.heads))
        rows = learner.task.valid.numpy()
        shown = learner.task.table.take(rows[np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)])
        predicted = {name: each.learner.predict(shown.select("image")) for name, each in trained.items()}
        page.figure(
            sheet(shown.with_column(target, learner.task.targets[target]), target, predicted, title="", cell_px=220),
            label="Photos, ground truth and the predictions of each network",
        )

    return compose_report(learner, title="Pedestrians", begin=begin)


PEDESTRIANS = System(
    name="pedestrians",
    summary="Finds people on photos: boxes by Faster R-CNN, boxes and masks by Mask R-CNN, side by side.",
    needs="the data set penn-fudan (54 MB), ImageNet weights of the backbone, and about a quarter of an hour",
    extras=("detect",),
    options=PedestriansOptions,
    run=_run,
)
