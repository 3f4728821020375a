"""An overfitting check of a detector: objects of 80 classes on 128 photos."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, final

import numpy as np

import longspan as ls
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.systems.vision_common import DetectorOptions, Trained, first_of_parts, sheet, train_network

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["OBJECTS", "ObjectsOptions"]

_SHOWN = 6


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectsOptions(DetectorOptions):
    """Options of objects."""

    design: Literal["faster_rcnn", "retinanet"] = "faster_rcnn"
    """Two-stage or one-stage detector."""
    channels: int = 64
    """Channels of every pyramid level; 128 take more than twice as long."""
    size: str = "256x256"
    """Height and width of the network's input; photos are padded to it, not cropped."""
    epochs: int = 40
    """Passes over the training photos."""
    lr: float = 5e-4
    """Peak learning rate of the new layers; the lowest get 0.3 of it."""


def _run(options: ObjectsOptions, run: SystemRun) -> None:
    photos = ls.datasets.load("coco128", tell=run.say).with_column("image", ls.Image(resize="pad"))
    photos = first_of_parts(photos, options.limit)
    task = ls.Task(photos.split(column="part"), inputs="image", targets="boxes", size_px=options.size_px)
    task.prepare()
    run.say(f"{len(task.train)} photos to memorise, {len(task.valid)} unseen photos.")
    trained = train_network(
        task,
        options.backbone,
        weights=options.start,
        heads={"boxes": ls.Detect(design=options.design, **options.head_sizes)},
        epochs=options.epochs,
        lr=options.lr,
        config=ls.TrainConfig(batch_size=options.batch_size, weight_decay=0.0, clip_norm=5.0),
        seed=run.seed,
        progress=not run.quiet,
    )
    known, unseen = trained.learner.evaluate("train"), trained.learner.evaluate("valid")
    metrics = {f"{name}, training photos": known[name] for name in ("map", "ap50", "ap75") if name in known}
    metrics |= {f"{name}, unseen photos": unseen[name] for name in ("map", "ap50") if name in unseen}
    run.finish(
        trained.learner,
        {**metrics, "images per second": trained.images_per_second},
        train_seconds=trained.seconds,
        options=asdict(options),
        report=lambda: _report(trained, task, known, unseen),
    )


def _report(trained: Trained, task: ls.Task, known: dict[str, float], unseen: dict[str, float]) -> Document:
    from longspan.train.reports.learner_report import compose_report

    def begin(page: Document) -> None:
        page.section("Training photos and unseen photos").text(
            "A detector whose losses, boxes and metrics are right can memorise 128 photos. It cannot generalise from "
            "so few photos of 80 classes; that takes the 118,000 of COCO."
        )
        page.table([{"photos": "training", **known}, {"photos": "validation", **unseen}])
        column = task.targets["boxes"]
        for title, rows in (("Training photos", task.train), ("Unseen photos", task.valid)):
            shown = task.table.take(rows.numpy()[np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)])
            predicted = trained.learner.predict(shown.select("image"))
            page.figure(
                sheet(shown.with_column("boxes", column), "boxes", {"predicted": predicted}, title=title, cell_px=260),
                label=title,
            )

    return compose_report(trained.learner, title="Objects: an overfitting check", begin=begin)


OBJECTS = System(
    name="objects",
    summary="Overfits a detector to 128 photos with objects of 80 classes: a check that it can learn.",
    needs="the data set coco128 (7 MB), ImageNet weights of the backbone, and about a quarter of an hour on two cores",
    extras=("detect",),
    options=ObjectsOptions,
    run=_run,
)
