"""Small trainings of every ready-made system and every head, for `identical_losses.py`.

This is the only file of the benchmark that uses longspan. Names that may change are in the adapter functions at the
top; the trainings themselves use nothing but these.
"""

from __future__ import annotations

import contextlib
import inspect
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

import longspan as ls

Log = list[dict[str, Any]]
"""One entry per finished call that trained: its history as values, and its weights as tensors."""

SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "quickstart": ("quickstart", {"sizes": "20,40", "seeds": 1, "steps": 6, "pictures": 50, "jobs": 1}),
    "read-numbers": (
        "read-numbers",
        {"sizes": "24", "seeds": 1, "steps": 4, "pictures": 50, "source": 40, "jobs": 1},
    ),
    "mnist-deep-cnn, book": ("mnist-deep-cnn", {"preset": "book", "epochs": 1, "limit": 600}),
    "mnist-deep-cnn, fast": ("mnist-deep-cnn", {"preset": "fast", "epochs": 2, "limit": 600}),
    "cats-or-dogs": ("cats-or-dogs", {"limit": 40, "size_px": 96, "head_epochs": 2, "epochs": 1}),
    "street-scenes": (
        "street-scenes",
        {"limit": 10, "epochs": 2, "size": "64x96", "segnet_width": 4, "batch_size": 4, "views": 2},
    ),
    "lanes": ("lanes", {"limit": 10, "epochs": 2, "size": "64x96", "batch_size": 4}),
    "pedestrians": ("pedestrians", {"limit": 15, "epochs": 2, "size": "96x128"}),
    "faces": ("faces", {"limit": 10, "epochs": 2, "size": "96x96"}),
    "objects, two stages": ("objects", {"limit": 10, "epochs": 2, "size": "96x96", "design": "faster_rcnn"}),
    "objects, one stage": ("objects", {"limit": 10, "epochs": 2, "size": "96x96", "design": "retinanet"}),
    "rcnn-to-faster": (
        "rcnn-to-faster",
        {"limit": 15, "regions": 40, "search_px": 96, "crop_px": 48, "tune_epochs": 1, "epochs": 1, "size": "96x128"},
    ),
}
"""By case: the system and its options."""

RENAMED = {"pictures": "images", "ways": "strategies"}
"""Options of systems by their old names."""

# --- adapters: everything that may be renamed ---------------------------------------------------------------------


@contextlib.contextmanager
def recorded_trainings(log: Log) -> Iterator[None]:
    """While this is open, every training computes in float32 on the CPU, keeps its last weights, and is logged.

    Studies train in this process, so that their trainings are seen too.
    """
    from longspan.train import learner as home

    begin, train, study = ls.Learner.__init__, home.train_phases, ls.Study.run

    def begin_in_float32(self: Any, *args: Any, config: Any = None, device: str = "cpu", **named: Any) -> None:
        config = config or ls.TrainConfig()
        config = replace(config, keep="last", precision="float32" if config.precision == "auto" else config.precision)
        begin(self, *args, config=config, device="cpu", **named)

    def recorded(training: Any, *args: Any, **named: Any) -> None:
        known = 0 if named.get("resumed") else len(training.history)
        train(training, *args, **named)
        records = [dict(record) for record in training.history[known:]]
        losses = [list(record.pop("step_losses")) for record in records]
        weights = [tensor.detach().clone() for tensor in training.network.state_dict().values()]
        log.append({"losses": losses, "epochs": records, "weights": weights})

    def study_here(self: Any, **_: Any) -> Any:
        return study(self, jobs=1, progress=False, backend="inline")

    ls.Learner.__init__, home.train_phases, ls.Study.run = begin_in_float32, recorded, study_here  # type: ignore[method-assign]
    try:
        yield
    finally:
        ls.Learner.__init__, home.train_phases, ls.Study.run = begin, train, study  # type: ignore[method-assign]


def _newest(place: Any, *names: str) -> Any:
    """The first of these names that exists there: the newest comes first."""
    return next(getattr(place, name) for name in names if hasattr(place, name))


def weights_of(learner: Any) -> list[torch.Tensor]:
    """Copies of all parameters and buffers."""
    return [tensor.detach().clone() for tensor in learner.network.state_dict().values()]


def run_system(name: str, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Run a system at seed 0 without its report; its metrics, details, and the tensors of its saved model."""
    from longspan.systems import SystemRun, find_system

    class Run(SystemRun):  # type: ignore[misc]
        """Keeps what a system hands over at its end."""

        def finish(self, model: Any, metrics: Any, *, details: Any = None, **_: Any) -> None:
            found["metrics"], found["details"] = dict(metrics), dict(details or {})
            file = self.folder / "model.safetensors"
            shutil.copyfile(model, file) if isinstance(model, Path) else model.save(file)

    found: dict[str, Any] = {}
    system = find_system(name)
    known = inspect.signature(system.options).parameters
    options = {option if option in known else RENAMED.get(option, option): value for option, value in options.items()}
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise TypeError(f"{name} has no options {unknown}, only {sorted(known)}")
    system.run(system.options(**options), Run(name, folder, seed=0, quiet=True))
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        found["model_file"] = [file.get_tensor(key) for key in file.keys()]  # noqa: SIM118
    found["details"].pop("study", None)  # times; the metrics are its errors
    return found


def learner_for(
    table: Any,
    target: str | Sequence[str],
    model: Any,
    *,
    heads: Mapping[str, Any] | None = None,
    augment: Mapping[str, Any] | None = None,
    mixup: float = 0.0,
    average: bool = False,
    **settings: Any,
) -> Any:
    """A learner on made-up rows, a quarter of which validate; `settings` are those of `TrainConfig`."""
    config = ls.TrainConfig(
        batch_size=settings.pop("batch_size", 8), mixup=mixup, augment=ls.Augment(**(augment or {})), **settings
    )
    task = ls.Task(table.split(valid=0.25, seed=0, stratify=None), inputs="image", targets=target, allow_leaks=True)
    callbacks = [ls.WeightAverage(0.9)] if average else []
    return ls.Learner(task, model, heads=heads, config=config, callbacks=callbacks, seed=0, progress=False)


def scenes(count: int = 32, size_px: tuple[int, int] = (48, 64)) -> Any:
    """Made-up images with every kind of target; `kinds` are all classes that an image shows."""
    from longspan.datasets.scenes import ScenesConfig, make_scenes

    table = make_scenes(count, seed=3, config=ScenesConfig(size_px=size_px))
    boxes = table.column_values("boxes")
    kinds = [sorted({each["label"] for each in of_image}) for of_image in boxes]
    table = table.with_column("kinds", _newest(ls, "MultiLabel", "Categories")(), kinds)
    if not hasattr(ls, "Keypoints"):  # an earlier version
        return table
    corners = [
        {"first": of_image[0]["box"][:2], "last": of_image[0]["box"][2:]} if of_image else {} for of_image in boxes
    ]
    table = table.with_column("points", ls.Keypoints(), corners)
    return table.with_column("words", ls.Text(), [" and ".join(each) or "nothing" for each in kinds])


def numbers(count: int = 24) -> Any:
    """Made-up images of numbers of several digits."""
    return ls.datasets.make_numbers(ls.datasets.load("digits"), count, seed=3)


def small_resnet() -> Any:
    """A backbone with feature maps at strides up to 4 and batch normalisation."""
    return ls.SmallResNetConfig(blocks=1, width=8)


COARSE = "squeezenet1_1"
"""A backbone with feature maps at strides up to 16."""


_FORMER_HEADS = {"multi_label_classify": "classify_many"}
"""What a head was called in version 1, so that this file runs on both."""


def head(kind: str, **options: Any) -> Any:
    """A head by the name of its kind."""
    from longspan.heads import HEADS as CLASSES

    return CLASSES[kind if kind in CLASSES else _FORMER_HEADS[kind]](**options)


def registered_heads() -> list[str]:
    """The kinds of all heads, so that a new one without a training here is noticed."""
    from longspan.heads import HEADS

    return sorted(HEADS)


def fine_tuned(learner: Any) -> None:
    """Two phases: the head on the frozen backbone, then everything with smaller rates for lower layers."""
    parameters = inspect.signature(learner.fine_tune).parameters
    rate = "backbone_lr_mult" if "backbone_lr_mult" in parameters else "lower_rate"
    learner.fine_tune(1, 4e-3, freeze_epochs=1, **{rate: 0.1})


def checkpoints(folder: Path) -> Any:
    """Checkpoints after every second step."""
    return ls.Checkpoints(folder, steps=2)


# --- trainings -----------------------------------------------------------------------------------------------------

PHOTO = {
    "rotate_deg": 10.0, "shear_deg": 5.0, "shift": 0.08, "scale": 0.15, "crop": 0.7, "flip": True, "brightness": 0.1,
    "contrast": 0.2, "fill": "reflect",
}  # fmt: skip
LETTERS = {"rotate_deg": 3.0, "shift": 0.02, "scale": 0.06, "brightness": 0.1, "contrast": 0.3, "fill": "border"}


def train_head(
    kind: str, target: str, *, options: Mapping[str, Any] | None = None, model: Any = None, mixup: float = 0.2
) -> dict[str, Any]:
    """Two epochs with augmentation, MixUp and a weight average."""
    text = kind == "transcribe"
    learner = learner_for(
        numbers() if text else scenes(), target, model or ("line_cnn" if text else small_resnet()),
        heads={target: head(kind, **(options or {}))}, augment=LETTERS if text else PHOTO, mixup=mixup, average=True,
        clip_norm=5.0,
    )  # fmt: skip
    learner.fit_one_cycle(2, lr=3e-3)
    return {"metrics": learner.evaluate()}


def several_targets() -> dict[str, Any]:
    """One network for four targets, some missing in some rows, by SGD with accumulated gradients."""
    learner = learner_for(
        scenes(), ["what", "x", "mask", "exists"], small_resnet(), augment=PHOTO, optimizer="sgd", accumulate=2
    )
    learner.fit(2, lr=5e-3, schedule="cosine", warmup=0.1)
    return {"metrics": learner.evaluate()}


def fine_tune() -> dict[str, Any]:
    """Without augmentation, so that the frozen layers run once over each row; then with it."""
    for augment in ({}, PHOTO):
        learner = learner_for(scenes(), "exists", small_resnet(), augment=augment)
        fine_tuned(learner)
    return {"metrics": learner.evaluate()}


def find_rate() -> dict[str, Any]:
    """The learning-rate range test, which must not change the training after it."""
    learner = learner_for(scenes(), "mask", small_resnet(), augment=PHOTO)
    found = learner.lr_find(steps=12)
    learner.fit(1, lr=1e-3)
    return {"metrics": {**learner.evaluate(), "suggestion": found.suggestion}, "details": {"losses": found.losses}}


class InterruptionError(Exception):
    """Stands for a killed training."""


class InterruptAt(ls.Callback):
    """Raises after so many steps; 0 = never."""

    def __init__(self, steps: int) -> None:
        """Count from here."""
        self.left = steps

    def step_end(self, state: Any) -> None:
        """Count down."""
        self.left -= 1
        if not self.left:
            raise InterruptionError


def resumed(folder: Path) -> dict[str, Any]:
    """A training that is interrupted in its second epoch and resumed; the other one is not interrupted."""

    def fresh(stop_after: int = 0) -> Any:
        learner = learner_for(
            scenes(), "what", small_resnet(), heads={"what": head("classify", dropout=0.3)}, augment=PHOTO, mixup=0.2,
            average=True, batch_size=4,
        )  # fmt: skip
        learner.callbacks.append(InterruptAt(stop_after))
        return learner

    whole, first, second = fresh(), fresh(stop_after=8), fresh()
    whole.fit(3, lr=3e-3)
    with contextlib.suppress(InterruptionError):
        first.fit(3, lr=3e-3, checkpoints=checkpoints(folder))
    second.resume(checkpoints(folder))
    if not all(map(torch.equal, weights_of(whole), weights_of(second))):
        raise AssertionError("the resumed training differs from the undisturbed one")
    return {"metrics": second.evaluate()}


def half_precision() -> dict[str, Any]:
    """In bfloat16, which processors with the instructions take by default."""
    learner = learner_for(scenes(), "what", small_resnet(), augment=PHOTO, precision="bfloat16")
    learner.fit(2, lr=3e-3)
    return {"metrics": learner.evaluate()}


def repeated_seed() -> dict[str, Any]:
    """Global random states are left alone by a training."""
    torch.manual_seed(7)
    np.random.seed(7)
    learner_for(scenes(12), "exists", small_resnet(), augment=PHOTO).fit(1)
    return {"metrics": {"torch": torch.rand(()).item(), "numpy": float(np.random.random())}}


HEADS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "head: classify": (
        "classify",
        lambda: train_head("classify", "what", options={"hidden": (16,), "dropout": 0.2, "label_smoothing": 0.1}),
    ),
    "head: classify_many": ("multi_label_classify", lambda: train_head("multi_label_classify", "kinds")),
    "head: embed": ("embed", lambda: train_head("embed", "what", options={"dim": 8}, mixup=0)),
    "head: regress": ("regress", lambda: train_head("regress", "x", options={"criterion": "huber"})),
    "head: segment, U-Net": ("segment", lambda: train_head("segment", "mask", options={"dropout": 0.1})),
    "head: segment, FCN-8s": (
        "segment",
        lambda: train_head("segment", "mask", options={"decoder": "fcn8s"}, model=COARSE),
    ),
    "head: segment, DeepLab": ("segment", lambda: train_head("segment", "mask", options={"decoder": "deeplabv3"})),
    "head: detect, two stages": (
        "detect",
        lambda: train_head("detect", "boxes", options={"design": "faster_rcnn", "channels": 16}, model=COARSE, mixup=0),
    ),
    "head: detect, one stage": (
        "detect",
        lambda: train_head("detect", "boxes", options={"design": "retinanet", "channels": 16}, model=COARSE, mixup=0),
    ),
    "head: segment_instances": (
        "segment_instances",
        lambda: train_head("segment_instances", "instances", options={"channels": 16}, model=COARSE, mixup=0),
    ),
    "head: locate": ("locate", lambda: train_head("locate", "points", options={"dropout": 0.1}, mixup=0)),
    "head: heat_maps": ("heat_maps", lambda: train_head("heat_maps", "points", options={"width": 8}, mixup=0)),
    "head: generate": (
        "generate",
        lambda: train_head(
            "generate", "words", options={"width": 16, "depth": 1, "heads": 2, "inner": 16, "beam": 2}, mixup=0
        ),
    ),
    "head: transcribe": ("transcribe", lambda: train_head("transcribe", "number", options={"beam": 3})),
}
"""By case: the kind of head and its training."""


def cases(folder: Path) -> dict[str, Callable[[], dict[str, Any]]]:
    """Every training by its name; those that write do so below `folder`."""
    trained = {kind for kind, _ in HEADS.values()}
    untrained = set(registered_heads()) - trained - {_FORMER_HEADS.get(kind) for kind in trained}
    if untrained:
        raise AssertionError(f"no training here for the heads {sorted(untrained)}")

    def system(number: int, name: str, options: Mapping[str, Any]) -> Callable[[], dict[str, Any]]:
        return lambda: run_system(name, options, folder / f"system-{number}")

    return {
        **{case: system(number, *each) for number, (case, each) in enumerate(SYSTEMS.items())},
        **{case: training for case, (_, training) in HEADS.items()},
        "several targets": several_targets,
        "fine_tune": fine_tune,
        "lr_find, then fit": find_rate,
        "interrupted and resumed": lambda: resumed(folder / "resumed"),
        "bfloat16": half_precision,
        "global random states": repeated_seed,
    }
