"""Semantic segmentation of street scenes: three networks side by side on CamVid."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import numpy as np

import longspan as ls
from longspan.systems.options import check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System
from longspan.systems.vision_common import Trained, VisionOptions, parse_networks, sheet, train_network

if TYPE_CHECKING:
    from longspan.heads.segment import Decoder
    from longspan.report import Document

__all__ = ["STREET_SCENES", "StreetScenesOptions", "camvid_task", "scenes_training"]

_SHOWN = 8
_DECODERS: dict[str, Decoder] = {"unet": "unet", "fcn8s": "fcn8s", "segnet": "linear"}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StreetScenesOptions(VisionOptions):
    """Options of street-scenes."""

    networks: str = "unet,fcn8s,segnet"
    """Networks to train, separated by commas."""
    backbone: str = "squeezenet1_1"
    """Backbone of unet and fcn8s; segnet has its own encoder."""
    weights: str = "imagenet"
    """Initial weights of the backbone: imagenet, none, or a file; segnet is trained from scratch."""
    segnet_width: int = 16
    """Channels of the first stage of SegNet; the 64 of the paper take sixteen times as long."""
    size: str = "180x240"
    """Height and width of the network's input."""
    epochs: int = 20
    """Passes over the training images, per network."""
    batch_size: int = 8
    """Images per step."""
    lr: float = 2e-3
    """Peak learning rate of the new layers."""
    views: int = 4
    """Test-time augmentation: the test images are also evaluated by the mean over this many views of each."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        VisionOptions.__post_init__(self)
        parse_networks(self.networks, _DECODERS)
        check_at_least(views=(self.views, 2), segnet_width=(self.segnet_width, 1))


def camvid_task(table: ls.Table, target: str, size_px: tuple[int, int], limit: int | None) -> ls.Task:
    """The official parts of CamVid, its test images in the vault."""
    if limit is not None:
        parts = np.asarray(table.column_values("part"))
        # Consecutive images of a drive look alike: evenly spaced ones differ most.
        chosen = [
            rows[np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int)]
            for rows in (np.flatnonzero(parts == part) for part in ("train", "valid", "test"))
        ]
        table = table.take(np.concatenate(chosen))
    # The official split puts neighbouring images of one drive on both sides; published results use it as it is.
    return ls.Task(table.split(column="part"), inputs="image", targets=target, size_px=size_px, allow_leaks=True)


def scenes_training(batch_size: int) -> ls.TrainConfig:
    """The training configuration of each network."""
    augment = ls.Augment(flip=True, scale=0.25, rotate_deg=5, shift=0.05, brightness=0.1, contrast=0.2)
    return ls.TrainConfig(batch_size=batch_size, weight_decay=0.02, augment=augment)


def _run(options: StreetScenesOptions, run: SystemRun) -> None:
    task = camvid_task(ls.datasets.load("camvid", tell=run.say), "mask", options.size_px, options.limit)
    task.prepare()
    run.say(f"{len(task.train)} training, {len(task.valid)} validation and {len(task.split.vault)} test images.")
    weights = _class_weights(task)
    trained: dict[str, Trained] = {}
    tests: dict[str, dict[str, float]] = {}
    in_views: dict[str, dict[str, float]] = {}
    for name in parse_networks(options.networks, _DECODERS):
        run.say(f"{name}: {options.epochs} epochs")
        own = name == "segnet"
        trained[name] = train_network(
            task,
            ls.SegNetConfig(width=options.segnet_width) if own else options.backbone,
            weights=None if own else options.start,
            heads={"mask": ls.Segment(decoder=_DECODERS[name], class_weights=weights, logit_adjustment=0.5)},
            epochs=options.epochs,
            lr=options.lr,
            backbone_lr_mult=0.1,
            config=scenes_training(options.batch_size),
            seed=run.seed,
            progress=not run.quiet,
        )
    # Nothing is trained or chosen once the vault is open.
    valid = {name: each.learner.evaluate()["mean_iou"] for name, each in trained.items()}
    best = max(valid, key=lambda name: valid[name])
    for name, each in trained.items():
        learner, reason = each.learner, f"test metrics of {name} in street-scenes"
        tests[name] = learner.evaluate("test", reason=reason)
        in_views[name] = learner.evaluate("test", reason=f"{reason}, {options.views} views", views=options.views)
    metrics = {f"{metric}, {name}": tests[name][metric] for name in tests for metric in ("mean_iou", "pixel_accuracy")}
    metrics |= {f"mean_iou, {name}, {options.views} views": each["mean_iou"] for name, each in in_views.items()}
    metrics |= {f"images per second, {name}": each.images_per_second for name, each in trained.items()}
    run.finish(
        trained[best].learner,
        metrics,
        train_seconds=sum(each.seconds for each in trained.values()),
        options=asdict(options),
        report=lambda: _report(task, trained, tests, in_views, best),
        details={"test": tests, f"test, {options.views} views": in_views},
    )


def _class_weights(task: ls.Task) -> tuple[float, ...]:
    """The square root of median-frequency balancing: signs and people have a hundredth of the pixels of roads."""
    from longspan.metrics import class_counts, median_frequency_weights

    column = task.targets["mask"]
    assert isinstance(column, ls.Mask)
    masks = task.samples.targets["mask"].read(task.train)
    return median_frequency_weights(class_counts(masks, len(column.vocab)), power=0.5)


def _report(
    task: ls.Task,
    trained: dict[str, Trained],
    tests: dict[str, dict[str, float]],
    in_views: dict[str, dict[str, float]],
    best: str,
) -> Document:
    from longspan.report import CaptionedImage
    from longspan.train.reports.learner_report import compose_report
    from longspan.vision.drawing import legend

    column = task.targets["mask"]
    assert isinstance(column, ls.Mask)

    def begin(page: Document) -> None:
        page.section("Side by side").text(
            f"All networks were trained on the same {len(task.train)} images for the same number of epochs and "
            f"evaluated on the {len(task.split.vault)} images of the official test part, without and with test-time "
            f"augmentation. The sections below describe {best}, chosen on the validation images."
        )
        page.table(
            [
                {
                    "network": name,
                    "parameters": sum(p.numel() for p in each.learner.network.parameters()),
                    "mean IoU": tests[name]["mean_iou"],
                    "mean IoU, several views": in_views[name]["mean_iou"],
                    "pixel accuracy": tests[name]["pixel_accuracy"],
                    "minutes of training": each.seconds / 60,
                    "images per second": each.images_per_second,
                }
                for name, each in trained.items()
            ]
        )
        classes = [{"class": str(label), **{n: tests[n].get(f"iou.{label}") for n in tests}} for label in column.vocab]
        page.table(classes, caption="IoU of each class on the test images")
        rows = task.split.vault.opened_rows()
        rows = rows[np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)]
        shown = task.table.take(rows)
        predicted = {name: each.learner.predict(shown.select("image")) for name, each in trained.items()}
        page.section("Test images").images([CaptionedImage(legend(column.vocab, column.palette))])
        page.figure(
            sheet(shown.with_column("mask", column), "mask", predicted, title=""),
            label="Test images, ground truth and predictions",
        )

    return compose_report(trained[best].learner, title="Street scenes: semantic segmentation", begin=begin)


STREET_SCENES = System(
    name="street-scenes",
    summary="Semantic segmentation of street scenes: U-Net, FCN-8s and SegNet side by side.",
    needs="the data set camvid (599 MB, or a 38 MB copy of half the resolution), ImageNet weights of the backbone, "
    "and about two hours on two cores",
    options=StreetScenesOptions,
    run=_run,
)
