"""Head for masks: the class of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from longspan.columns import Column, Mask
from longspan.errors import ConfigError, unknown_name
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction, shape_of
from longspan.heads.from_maps import FromMaps
from longspan.metrics.pixel_counts import IGNORED, confusion, intersection_over_union
from longspan.models import FeatureShapes
from longspan.nn.deeplab import DeepLabHead
from longspan.nn.fcn import FCNDecoder, fcn_head
from longspan.nn.single_scale_decoder import OneMapDecoder
from longspan.nn.unet import UNetDecoder
from longspan.portable.mask_decoder import ClassMask
from longspan.vision import AugmentParams, ResizeTransform
from longspan.vision.augment_params import warp_images
from longspan.vision.smooth_masks import classes_in_source

__all__ = ["Decoder", "Segment"]

Decoder = Literal["unet", "fcn8s", "fcn16s", "fcn32s", "fcn", "deeplabv3", "linear"]
"""How maps become logits of every pixel: `UNetDecoder`; `FCNDecoder` at stride 8, 16 or 32; torchvision's FCN or
DeepLabV3 head on the coarsest map; or one 1 x 1 convolution on the finest, for networks that decode themselves
(SegNet)."""

_STRIDES = {"fcn8s": 8, "fcn16s": 16, "fcn32s": 32}


@final
@dataclass(frozen=True, kw_only=True)
class Segment(Head):
    """One class out of K for every pixel: cross-entropy on logits `(B, K, H, W)` at the size of the images.

    Targets are masks `(B, H, W)` uint8, class numbers, 255 = ignored. The loss of a row is the mean over its pixels
    that are not ignored, 0 where all are.
    """

    kind: ClassVar[str] = "segment"
    column_kinds: ClassVar[tuple[str, ...]] = ("mask",)
    reads: ClassVar[FeatureKind] = "maps"
    decodes_in_source: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("mean_iou", "higher"), Metric("pixel_accuracy", "higher"))
    """Beside them "iou.<label>" for every class."""

    decoder: Decoder = "unet"
    """How maps become logits; see `Decoder`."""
    width: int = 32
    """Channels of the U-Net decoder at stride 2; more at coarser strides. The others have no such choice."""
    dropout: float = 0.0
    """Probability that a value of the coarsest map that the decoder reads is dropped."""
    class_weights: tuple[float, ...] | None = None
    """What a pixel of each class counts in the loss, in the order of the column's vocab; see
    `median_frequency_weights`. The mean is over pixels, not over weights: an image of common classes alone weighs
    little, as it should."""
    logit_adjustment: float = 0.0
    """How much of `class_weights` predictions take back, 0..1: the factor by which the logarithm of the weight is
    subtracted from their logits (post-hoc logit adjustment, Menon et al. 2021, "Long-tail learning via logit
    adjustment", section 4.1, with weights in place of frequencies). A network trained with weights predicts rare
    classes too often; at 1 it predicts them as often as they occur and pixel accuracy is best; mean IoU is best in
    between."""
    column: Column | None = None
    """The fitted mask; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check choices and ranges."""
        if self.decoder not in get_args(Decoder):
            raise unknown_name("decoder", str(self.decoder), get_args(Decoder))
        if not isinstance(self.width, int) or self.width < 1:
            raise ConfigError(f"Segment.width must be a whole number of at least 1, got {self.width!r}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"Segment.dropout must be at least 0 and below 1, got {self.dropout!r}.")
        if not 0 <= self.logit_adjustment <= 1:
            raise ConfigError(
                f"Segment.logit_adjustment must be at least 0 and at most 1, got {self.logit_adjustment!r}."
            )
        if self.class_weights is None:
            return
        object.__setattr__(self, "class_weights", tuple(float(weight) for weight in self.class_weights))
        if not all(0 <= weight < float("inf") for weight in self.class_weights) or not any(self.class_weights):
            raise ConfigError(
                f"Segment.class_weights must be finite, 0 or more and not all 0, got {self.class_weights}."
            )
        if self.column is not None and len(self.class_weights) != self.num_outputs:
            raise ConfigError(
                f"Segment.class_weights are {len(self.class_weights)} numbers for {self.num_outputs} classes: "
                f"{', '.join(map(str, self._mask.vocab))}. Give one for each, in this order."
            )

    @property
    def num_outputs(self) -> int:
        """K, the number of classes."""
        return len(self._mask.vocab)

    @property
    def _mask(self) -> Mask:
        assert isinstance(self.column, Mask)
        return self.column

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """The decoder.

        Raises:
            ConfigError: the backbone has no maps, or none at the strides that the decoder reads.
        """
        if not shapes.strides:
            raise ConfigError(
                f"{self.decoder} makes a mask from maps, but this backbone has none. "
                "Use for example squeezenet1_1, resnet18 or segnet."
            )
        return FromMaps(self._decoder(shapes))

    def _decoder(self, shapes: FeatureShapes) -> nn.Module:
        channels, strides, classes = shapes.channels, shapes.strides, self.num_outputs
        if self.decoder == "unet":
            return UNetDecoder(
                channels=channels,
                strides=strides,
                in_channels=shapes.in_channels,
                num_classes=classes,
                width=self.width,
                dropout=self.dropout,
            )
        if self.decoder in _STRIDES:
            stride = _STRIDES[self.decoder]
            return FCNDecoder(
                channels=channels, strides=strides, num_classes=classes, stride=stride, dropout=self.dropout
            )
        if self.decoder == "linear":
            layers, place = nn.Conv2d(channels[0], classes, 1), 0
        elif self.decoder == "fcn":
            layers, place = fcn_head(channels[-1], classes), -1
        else:
            layers, place = DeepLabHead(channels=channels[-1], stride=strides[-1], num_classes=classes), -1
        return OneMapDecoder(layers, place=place, stride=strides[place], dropout=self.dropout)

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `(rows, K, H, W)` at the size of the masks."""
        size = self._mask.size_px
        got = shape_of(outputs)
        if len(got) == 4 and got[:2] == (rows, self.num_outputs) and (size is None or got[2:] == tuple(size)):
            return None
        needed = f"({rows}, {self.num_outputs}, {'H, W' if size is None else f'{size[0]}, {size[1]}'})"
        return (
            f"whose head needs {needed}: logits of {self.num_outputs} classes at every pixel. End it with "
            f"nn.Conv2d(..., {self.num_outputs}, 1) at the size of the image, or give it the attributes "
            "num_features, channels and strides and a method features, and leave the last layers to longspan."
        )

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of each row, nats: the mean over its pixels that are not ignored."""
        weight = None if self.class_weights is None else outputs.new_tensor(self.class_weights, dtype=torch.float32)
        losses = F.cross_entropy(outputs.float(), targets.long(), weight, ignore_index=IGNORED, reduction="none")
        return losses.sum(dim=(1, 2)) / (targets != IGNORED).sum(dim=(1, 2)).clamp_min(1)

    def postprocess(self, outputs: torch.Tensor) -> torch.Tensor:
        """Probabilities `(B, K, H, W)`; see `logit_adjustment`."""
        logits = outputs.float()
        if self.logit_adjustment and self.class_weights is not None:
            weights = logits.new_tensor(self.class_weights)
            weights = torch.where(weights > 0, weights, 1.0)  # what was never taught has nothing to take back
            logits = logits - self.logit_adjustment * weights.log().view(1, -1, 1, 1)
        return logits.softmax(dim=1)

    def invert_augmentation(self, predictions: torch.Tensor, augment_params: AugmentParams) -> torch.Tensor:
        """Probabilities of drawn images brought back to where their pixels were; exact for mirrored ones.

        Pixels that a view does not show get the same probability for every class, and so have no say in a mean.
        """
        if augment_params.geometry == "none":
            return predictions
        linear, offset = augment_params.matrix[:, :, :2].double(), augment_params.matrix[:, :, 2:].double()
        back = torch.linalg.inv(linear)
        inverse = torch.cat([back, -back @ offset], dim=2).float()
        returned = AugmentParams(
            inverse, augment_params.gain, augment_params.bias, geometry=augment_params.geometry, colour=False
        )
        return warp_images(predictions, returned, fill=1 / predictions.shape[1])

    def reduce(self, predictions: torch.Tensor) -> torch.Tensor:
        """The most probable class of each pixel, `(B, H, W)` uint8."""
        return predictions.argmax(dim=1).to(torch.uint8)

    def decode_in_source(self, predictions: torch.Tensor, transforms: Sequence[ResizeTransform]) -> list[Any]:
        """Class numbers `(h, w)` uint8 of each original image; logits are interpolated before the class is chosen."""
        return [
            classes_in_source(each.clamp_min(torch.finfo(torch.float32).tiny).log(), transform, IGNORED)
            for each, transform in zip(predictions.float().cpu(), transforms, strict=True)
        ]

    @property
    def value_decoder(self) -> ClassMask:
        """The class of every pixel of the original image."""
        return ClassMask()

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """The mask: class numbers `(H, W)` uint8."""
        return [TargetPrediction(classes) for classes in predictions.cpu().numpy()]

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Mean intersection over union, fraction of pixels that are right, and the former of each class.

        Over all pixels of all rows together that are not ignored, as CamVid and Pascal VOC count; a class that neither
        occurs nor is said is in no figure.
        """
        counts = confusion(targets, predictions, self.num_outputs)
        if not counts.any():
            return {}
        by_class = intersection_over_union(counts)
        figures = {"mean_iou": float(np.nanmean(by_class)), "pixel_accuracy": np.trace(counts) / counts.sum()}
        for label, figure in zip(self._mask.vocab, by_class.tolist(), strict=True):
            if figure == figure:  # NaN: the class does not occur
                figures[f"iou.{label}"] = figure
        return {name: round(float(figure), 6) for name, figure in figures.items()}
