"""A check that a detector can learn at all: 80 kinds of things on 128 photos, until it knows them by heart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, final

import numpy as np

import longspan as ls
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.systems.vision_common import Trained, VisionOptions, first_of_parts, sheet, train_on_places

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["OBJECTS", "ObjectsOptions"]

_SHOWN = 6


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectsOptions(VisionOptions):
    """What may be changed."""

    design: Literal["faster_rcnn", "retinanet"] = "faster_rcnn"
    """Two stages or one."""
    channels: int = 64
    """Of every level of the pyramid; 128 take more than twice as long."""
    size: str = "256x256"
    """Height and width of the frame; photos are padded to it, not cut."""
    epochs: int = 40
    """Passes over the 128 training photos."""
    lr: float = 5e-4
    """Peak learning rate of the new layers; the lowest get 0.3 of it."""


def _run(options: ObjectsOptions, run: SystemRun) -> None:
    photos = ls.datasets.load("coco128", tell=run.say).with_column("image", ls.Image(resize="pad"))
    photos = first_of_parts(photos, options.limit)
    task = ls.Task(photos.split(column="part"), inputs="image", targets="boxes", size_px=options.size_px)
    task.prepare()
    run.say(f"{len(task.train)} photos to learn by heart, {len(task.valid)} that it has not seen.")
    trained = train_on_places(
        task,
        options.backbone,
        weights=options.start,
        heads={"boxes": ls.Detect(design=options.design, channels=options.channels)},
        epochs=options.epochs,
        lr=options.lr,
        config=ls.TrainConfig(batch_size=options.batch_size, weight_decay=0.0, clip_norm=5.0),
        seed=run.seed,
        progress=not run.quiet,
    )
    known, new = trained.learner.evaluate("train"), trained.learner.evaluate("valid")
    metrics = {f"{name}, photos known by heart": known[name] for name in ("map", "ap50", "ap75") if name in known}
    metrics |= {f"{name}, new photos": new[name] for name in ("map", "ap50") if name in new}
    run.finish(
        trained.learner,
        {**metrics, "images a second": trained.images_per_second},
        train_seconds=trained.seconds,
        options=asdict(options),
        report=lambda: _report(trained, task, known, new),
    )


def _report(trained: Trained, task: ls.Task, known: dict[str, float], new: dict[str, float]) -> Document:
    from longspan.train.reports.learner_report import compose_report

    def begin(page: Document) -> None:
        page.section("Known by heart, and new").text(
            "A detector, its losses, its boxes and its measure are sound if it can learn 128 photos by heart. With so "
            "few photos of 80 kinds of things it cannot know new ones; that takes the hundred thousand of COCO."
        )
        page.table([{"photos": "training", **known}, {"photos": "validation", **new}])
        column = task.targets["boxes"]
        for words, rows in (("Photos of the training", task.train), ("New photos", task.valid)):
            shown = task.table.take(rows.numpy()[np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)])
            said = trained.learner.predict(shown.select("image"))
            page.figure(
                sheet(shown.with_column("boxes", column), "boxes", {"found": said}, title=words, cell_px=260),
                label=words,
            )

    return compose_report(trained.learner, title="Objects: an overfit check", begin=begin)


OBJECTS = System(
    name="objects",
    summary="Learns 80 kinds of things on 128 photos by heart: the check that a detector is sound.",
    needs="the data set coco128 (7 MB), ImageNet weights of the backbone, and about a quarter of an hour on two cores",
    options=ObjectsOptions,
    run=_run,
)
