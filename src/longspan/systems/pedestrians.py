"""Where are the people on the photo: boxes by Faster R-CNN, boxes and masks by Mask R-CNN."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import numpy as np

import longspan as ls
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.systems.vision_common import (
    Trained,
    VisionOptions,
    detector_training,
    parse_networks,
    sheet,
    train_on_places,
)

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["PEDESTRIANS", "PedestriansOptions", "penn_fudan_split"]

_HELD_OUT = 50
_SHOWN = 6
_TARGETS = {"faster_rcnn": "boxes", "mask_rcnn": "instances"}
_STANDING = (1.0, 2.0, 3.0)
"""Height to width of people who stand or walk."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PedestriansOptions(VisionOptions):
    """What may be changed."""

    networks: str = "faster_rcnn,mask_rcnn"
    """Which to train, with commas between."""
    size: str = "320x384"
    """Height and width of the frame; photos are padded to it, not cut."""
    epochs: int = 10
    """Passes over the training photos, for each network."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        VisionOptions.__post_init__(self)
        parse_networks(self.networks, _TARGETS)


def penn_fudan_split(seed: int, limit: int | None) -> ls.Split:
    """120 photos that train and 50 that are measured on, drawn at random; there is no official split."""
    photos = ls.datasets.load("penn-fudan").with_column("image", ls.Image(resize="pad"))
    if limit is not None:
        photos = photos.sample(min(limit, len(photos)), seed=seed)
    return photos.split(valid=_HELD_OUT if limit is None else len(photos) // 3, seed=seed)


def _run(options: PedestriansOptions, run: SystemRun) -> None:
    split = penn_fudan_split(run.seed, options.limit)
    trained: dict[str, Trained] = {}
    figures: dict[str, dict[str, float]] = {}
    for name in parse_networks(options.networks, _TARGETS):
        target = _TARGETS[name]
        # Some photos show the same people a moment later: such a copy is not measured on.
        task = ls.Task(split, inputs="image", targets=target, size_px=options.size_px, move_leaks=True)
        task.prepare()
        run.say(f"{name}: {len(task.train)} photos to learn from, {len(task.valid)} to measure on.")
        head = (ls.Detect if target == "boxes" else ls.SegmentInstances)(
            ratios=_STANDING, finest_stride=8, max_detections=30
        )
        trained[name] = train_on_places(
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
        figures[name] = trained[name].learner.evaluate()
    last = list(trained)[-1]
    metrics = {f"{figure}, {name}": value for name, each in figures.items() for figure, value in each.items()}
    metrics |= {f"images a second, {name}": each.images_per_second for name, each in trained.items()}
    run.finish(
        trained[last].learner,
        metrics,
        train_seconds=sum(each.seconds for each in trained.values()),
        options=asdict(options),
        report=lambda: _report(trained, figures),
    )


def _report(trained: dict[str, Trained], figures: dict[str, dict[str, float]]) -> Document:
    from longspan.train.reports.learner_report import compose_report

    learner = list(trained.values())[-1].learner

    def begin(page: Document) -> None:
        page.section("Side by side").text(
            "Photos that no network has seen in training; average precision as COCO has it."
        )
        page.table(
            [
                {
                    "network": name,
                    "parameters": sum(p.numel() for p in each.learner.network.parameters()),
                    **{figure: value for figure, value in figures[name].items() if figure != "loss"},
                    "minutes of training": each.seconds / 60,
                    "images a second": each.images_per_second,
                }
                for name, each in trained.items()
            ]
        )
        target = next(iter(learner.heads))
        rows = learner.task.valid.numpy()
        shown = learner.task.table.take(rows[np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)])
        said = {name: each.learner.predict(shown.select("image")) for name, each in trained.items()}
        page.figure(
            sheet(shown.with_column(target, learner.task.targets[target]), target, said, title="", cell_px=220),
            label="Photos, the truth, and what each network found",
        )

    return compose_report(learner, title="Pedestrians", begin=begin)


PEDESTRIANS = System(
    name="pedestrians",
    summary="Finds people on photos: boxes by Faster R-CNN, boxes and masks by Mask R-CNN, side by side.",
    needs="the data set penn-fudan (54 MB), ImageNet weights of the backbone, and about a quarter of an hour",
    options=PedestriansOptions,
    run=_run,
)
