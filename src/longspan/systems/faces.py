"""Finds faces, small ones too: Faster R-CNN on WIDER FACE."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import numpy as np

import longspan as ls
from longspan.systems.options import check_above_zero
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.systems.vision_common import (
    DetectorOptions,
    Trained,
    all_detections,
    detector_training,
    first_of_parts,
    sheet,
    train_network,
)

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["FACES", "FacesOptions", "face_areas"]

_SHOWN = 8
_SIDES_PX = (32, 96)
"""Sides that separate small, medium and large faces, in pixels of the photo, as in COCO."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FacesOptions(DetectorOptions):
    """Options of faces."""

    size: str = "448x448"
    """Height and width of the network's input; photos are padded to it, not cropped."""
    anchor_side_px: float = 12.0
    """Side of the smallest anchor in pixels of the input, about that of the smallest faces."""
    channels: int = 64
    """Channels of every pyramid level; 128 take more than twice as long."""
    epochs: int = 24
    """Passes over the training photos."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        DetectorOptions.__post_init__(self)
        check_above_zero(anchor_side_px=self.anchor_side_px)


def face_areas() -> dict[str, tuple[float, float]]:
    """Smallest and largest area of small, medium and large faces, in square pixels of the photo."""
    small, large = (float(side**2) for side in _SIDES_PX)
    return {"small": (0.0, small), "medium": (small, large), "large": (large, 1e10)}


def _run(options: FacesOptions, run: SystemRun) -> None:
    photos = ls.datasets.load("wider-face", accept_small=True, tell=run.say).with_column(
        "image", ls.Image(resize="pad")
    )
    photos = first_of_parts(photos, options.limit)
    split = photos.split(column="part")
    # Published results use the official parts, near-duplicates included.
    task = ls.Task(split, inputs="image", targets="boxes", size_px=options.size_px, allow_leaks=True)
    task.prepare()
    run.say(f"{len(task.train)} photos for training, {len(task.valid)} for validation.")
    head = ls.Detect(**options.head_sizes, ratios=(1.0, 1.4), anchor_side_px=options.anchor_side_px)
    trained = train_network(
        task,
        f"faster_rcnn:{options.backbone}",
        weights=options.start,
        heads={"boxes": head},
        epochs=options.epochs,
        lr=options.lr,
        config=detector_training(options.batch_size, scale=0.3, shift=0.1, contrast=0.3),
        seed=run.seed,
        progress=not run.quiet,
    )
    held_out = photos.take(task.valid.numpy())
    metrics = _by_size(trained.learner, held_out)
    run.finish(
        trained.learner,
        {**metrics, "images per second": trained.images_per_second},
        train_seconds=trained.seconds,
        options=asdict(options),
        report=lambda: _report(trained, held_out, metrics),
    )


def _by_size(learner: ls.Learner, held_out: ls.Table) -> dict[str, float]:
    """Average precision of all detections, by size in pixels of the photos."""
    from longspan.metrics.average_precision import value_figures

    # Predictions keep scores of 0.5 and more; average precision ranks all detections.
    predicted = [each["boxes"] for each in all_detections(learner).predict(held_out.select("image"))]
    return value_figures(held_out.column_values("boxes"), predicted, face_areas())


def _report(trained: Trained, held_out: ls.Table, metrics: dict[str, float]) -> Document:
    from longspan.train.reports.learner_report import compose_report

    def begin(page: Document) -> None:
        sides = [0, *_SIDES_PX]
        counts = dict.fromkeys(face_areas(), 0)
        for boxes in held_out.column_values("boxes"):
            for each in boxes or ():
                x0, y0, x1, y1 = each["box"]
                area = (x1 - x0) * (y1 - y0)
                counts[next(name for name, (least, most) in face_areas().items() if least <= area <= most)] += 1
        page.section("By size").text(
            "Average precision at an IoU of 0.5 on the validation photos, for faces with an area below "
            f"{sides[1]} x {sides[1]}, up to {sides[2]} x {sides[2]}, and above, in pixels of the photo."
        )
        page.table([{"faces": n, "number": counts[n], "AP50": metrics.get(f"ap50_{n}")} for n in counts])
        shown = held_out.take(np.linspace(0, len(held_out) - 1, min(_SHOWN, len(held_out))).astype(int))
        predicted = trained.learner.predict(shown.select("image"))
        column = trained.learner.task.targets["boxes"]
        page.figure(
            sheet(shown.with_column("boxes", column), "boxes", {"predicted": predicted}, title="", cell_px=260),
            label="Photos, ground truth and detected faces",
        )

    return compose_report(trained.learner, title="Faces", begin=begin)


FACES = System(
    name="faces",
    summary="Finds faces on photos; measures small, medium and large faces separately.",
    needs="the data set wider-face (1.8 GB) or wider-face-small (13 MB), ImageNet weights of the backbone, and with "
    "wider-face-small, or --limit 210, about an hour on two cores",
    extras=("detect",),
    options=FacesOptions,
    run=_run,
)
