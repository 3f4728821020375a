"""Networks that are known by the name of the whole: a backbone, and the head that makes U-Net or Faster R-CNN of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from longspan.columns import Column
from longspan.errors import ConfigError, unknown_name
from longspan.heads import HEADS, Head
from longspan.models import model_names
from longspan.valid_values import split_model

__all__ = ["DESIGNS", "Design", "full_name", "resolve_design", "split_weights", "with_weights"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """What a name such as "unet" stands for."""

    backbone: str
    """Unless another is named after a colon: "unet:squeezenet1_1"."""
    head: str
    """Kind of the head of every target that it serves."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of that head."""
    source: str
    any_backbone: bool = True
    """Whether another backbone may be named."""


DESIGNS: dict[str, Design] = {
    "unet": Design(
        backbone="resnet34",
        head="segment",
        options={"decoder": "unet"},
        source="Ronneberger et al. 2015, U-Net: convolutional networks for biomedical image segmentation",
    ),
    **{
        f"fcn{stride}s": Design(
            backbone="vgg16_fcn",
            head="segment",
            options={"decoder": f"fcn{stride}s"},
            source="Long, Shelhamer, Darrell 2015, Fully convolutional networks for semantic segmentation",
        )
        for stride in (8, 16, 32)
    },
    "segnet": Design(
        backbone="segnet",
        head="segment",
        options={"decoder": "linear"},
        source="Badrinarayanan et al. 2017, SegNet: a deep convolutional encoder-decoder architecture",
        any_backbone=False,
    ),
    "deeplabv3": Design(
        backbone="resnet50",
        head="segment",
        options={"decoder": "deeplabv3"},
        source="Chen et al. 2017, Rethinking atrous convolution for semantic image segmentation",
    ),
    "faster_rcnn": Design(
        backbone="resnet50",
        head="detect",
        options={"design": "faster_rcnn"},
        source="Ren et al. 2015, Faster R-CNN; with the feature pyramid of Lin et al. 2017",
    ),
    "retinanet": Design(
        backbone="resnet50",
        head="detect",
        options={"design": "retinanet"},
        source="Lin et al. 2017, Focal loss for dense object detection",
    ),
    "mask_rcnn": Design(
        backbone="resnet50",
        head="segment_instances",
        source="He et al. 2017, Mask R-CNN",
    ),
    **{
        name: Design(backbone="resnet18", head="embed", options={"objective": name}, source=source)
        for name, source in (
            ("arcface", "Deng et al. 2019, ArcFace: additive angular margin loss for deep face recognition"),
            ("cosface", "Wang et al. 2018, CosFace: large margin cosine loss for deep face recognition"),
            ("triplet", "Schroff et al. 2015, FaceNet; hardest triplets of each batch: Hermans et al. 2017"),
        )
    },
    "heat_maps": Design(
        backbone="resnet34",
        head="heat_maps",
        source="Tompson et al. 2014, Joint training of a convolutional network and a graphical model for human pose",
    ),
}
"""A new design is one entry here."""


def split_weights(model: str) -> tuple[str, str | None]:
    """`resnet18:imagenet` or `unet:resnet18:weights.safetensors` as the model and its weights; None if it names none.

    Raises:
        UnknownNameError: no such network, design, backbone or file of weights.
        ConfigError: a design that has a backbone of its own.

    Example:
        >>> split_weights("resnet18:imagenet"), split_weights("unet:resnet18"), split_weights("unet:imagenet")
        (('resnet18', 'imagenet'), ('unet:resnet18', None), ('unet', 'imagenet'))
    """
    return split_model(model, model_names(), {name: design.any_backbone for name, design in DESIGNS.items()})


def with_weights(model: Any, weights: str | Path | None) -> tuple[Any, str | Path | None]:
    """A model and its weights, where its name may hold them: "resnet18:imagenet".

    Raises:
        ConfigError: the name names other weights than `weights`.
        UnknownNameError: see `split_weights`.
    """
    if not isinstance(model, str) or ":" not in model:
        return model, weights
    name, said = split_weights(model)
    if said is None:
        return name, weights
    if weights is not None and str(weights) != said:
        raise ConfigError(f"The model {model} says weights {said}, and the weights are given as {weights}: say one.")
    return name, None if said == "none" else said


def resolve_design(model: Any, targets: Mapping[str, Column], heads: Mapping[str, Head]) -> tuple[Any, dict[str, Head]]:
    """The backbone and the heads that a model stands for, where it is the name of a design; else both as they are.

    Args:
        model: As a `Learner` takes it; "unet" and "unet:squeezenet1_1" are designs.
        targets: The task's target columns, fitted or not.
        heads: Those that were chosen already, by target; they stay.

    Raises:
        UnknownNameError: no design or backbone of that name.
        ConfigError: the design serves none of the targets, or has a backbone of its own.
    """
    chosen = dict(heads)
    if not isinstance(model, str) or (model not in DESIGNS and ":" not in model):
        return model, chosen
    name, colon, backbone = model.partition(":")
    if name not in DESIGNS:
        raise unknown_name("design", name, DESIGNS)
    design = DESIGNS[name]
    if colon and not design.any_backbone:
        raise ConfigError(f"{name} has a backbone of its own; leave {colon + backbone!r} out.")
    if colon and backbone not in model_names():
        raise unknown_name("backbone", backbone, model_names())
    head = HEADS[design.head](**design.options)
    served = [target for target, column in targets.items() if column.kind in head.column_kinds]
    if not served:
        kinds = ", ".join(f"{target!r} is of kind {column.kind}" for target, column in targets.items())
        wanted = " and ".join(head.column_kinds)
        raise ConfigError(
            f"{name} predicts {wanted} columns, but {kinds}. If one holds {wanted}, say so: "
            f"--column {next(iter(targets), 'NAME')}={head.column_kinds[0]}, or table.with_column."
        )
    for target in served:
        chosen.setdefault(target, head)
    return backbone or design.backbone, chosen


def full_name(model: Any, backbone: str) -> str:
    """What people call the network: `unet:resnet18` where `model` is a design on a backbone, else the backbone."""
    design = model.partition(":")[0] if isinstance(model, str) else ""
    return f"{design}:{backbone}" if design in DESIGNS and design != backbone else backbone
