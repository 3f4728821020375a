"""Free space and lane markings: a network and a function, as a pipeline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import numpy as np

import longspan as ls
from longspan.columns import Mask
from longspan.systems.lane_markings import FREE_SPACE, LANES, mark_lanes
from longspan.systems.result import SystemRun
from longspan.systems.street_scenes import camvid_task
from longspan.systems.system import System
from longspan.systems.vision_common import VisionOptions, sheet, train_network

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["LANES_SYSTEM", "LanesOptions"]

_SHOWN = 8
_COLOURS = ((40, 40, 46), (60, 170, 90), (255, 214, 0))


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class LanesOptions(VisionOptions):
    """Options of lanes."""

    size: str = "180x240"
    """Height and width of the network's input."""
    epochs: int = 8
    """Passes over the 367 training images."""
    batch_size: int = 8
    """Images per step."""
    lr: float = 2e-3
    """Peak learning rate of the new layers."""


def _run(options: LanesOptions, run: SystemRun) -> None:
    task = camvid_task(
        _with_free_space(ls.datasets.load("camvid", tell=run.say)), "free", options.size_px, options.limit
    )
    task.prepare()
    run.say(f"{len(task.train)} training, {len(task.valid)} validation and {len(task.split.vault)} test images.")
    trained = train_network(
        task,
        f"unet:{options.backbone}",
        weights=options.start,
        epochs=options.epochs,
        lr=options.lr,
        config=ls.TrainConfig(
            batch_size=options.batch_size,
            weight_decay=0.02,
            augment=ls.Augment(flip=True, scale=0.2, rotate_deg=5, shift=0.05, brightness=0.1, contrast=0.2),
        ),
        seed=run.seed,
        progress=not run.quiet,
    )
    test = trained.learner.evaluate("test", reason="test metrics of lanes")
    pipeline = ls.Pipeline(
        [
            ls.Stage("see", trained.learner, reads="image", adds="free"),
            ls.Stage("mark", mark_lanes, reads=["image", "free"], adds={"lanes": Mask(vocab=LANES, colours=_COLOURS)}),
        ],
        outputs=("lanes",),
    )
    part = run.folder / ".lanes.safetensors"
    try:
        pipeline.save(part)
        run.finish(
            part,
            {
                "iou of free space": test["iou.free space"],
                "pixel accuracy": test["pixel_accuracy"],
                "images per second": trained.images_per_second,
            },
            train_seconds=trained.seconds,
            options=asdict(options),
            report=lambda: _report(trained.learner, pipeline, task),
            details={"test": test},
        )
    finally:
        part.unlink(missing_ok=True)


def _with_free_space(table: ls.Table) -> ls.Table:
    """Road is free space; every other class is elsewhere."""
    classes = table.columns["mask"]
    assert isinstance(classes, Mask)
    road = classes.vocab.index("Road")

    def free(row: dict[str, object]) -> np.ndarray:
        numbers = classes.classes(row["mask"])
        return np.where(numbers == 255, np.uint8(255), (numbers == road).astype(np.uint8))

    return table.with_column("free", Mask(vocab=FREE_SPACE, colours=_COLOURS[:2]), free)


def _report(learner: ls.Learner, pipeline: ls.Pipeline, task: ls.Task) -> Document:
    from longspan.report import CaptionedImage
    from longspan.train.reports.learner_report import compose_report
    from longspan.vision.drawing import legend

    def begin(page: Document) -> None:
        page.section("Free space and markings").text(
            "A U-Net predicts the free space. A function without training marks what is thin and brighter than the "
            "road on both sides of it. The data has no labels of markings, so they are not evaluated."
        )
        page.images([CaptionedImage(legend(LANES, _COLOURS))])
        rows = task.split.vault.opened_rows()
        rows = rows[np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)]
        shown = task.table.take(rows).with_column("free", Mask(vocab=LANES, colours=_COLOURS))
        predicted = pipeline.predict(shown.select("image"))
        page.figure(sheet(shown, "free", {"lanes": predicted}, title="", cell_px=240), label="Test images")

    return compose_report(learner, title="Lanes: free space and its markings", begin=begin)


LANES_SYSTEM = System(
    name="lanes",
    summary="Segments free space and lane markings on street scenes: a network and a function in stages.",
    needs="the data set camvid (599 MB, or a 38 MB copy of half the resolution), ImageNet weights of the backbone, "
    "and about a quarter of an hour on two cores",
    options=LanesOptions,
    run=_run,
)
