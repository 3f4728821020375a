"""Every network by name: building one, and writing down and rebuilding what was built."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longspan.errors import ConfigError, ModelFileError, unknown_name
from longspan.models.backbone import Backbone
from longspan.models.vision.deep_cnn import DeepCNN, DeepCNNConfig
from longspan.models.vision.families import FAMILIES
from longspan.models.vision.fcn_vgg import FCNVGG, FCNVGGConfig
from longspan.models.vision.lenet import LeNet5
from longspan.models.vision.line_cnn import LineCNN, LineCNNConfig
from longspan.models.vision.segnet import SegNet, SegNetConfig
from longspan.models.vision.small_resnet import SmallResNet, SmallResNetConfig
from longspan.models.vision.space_displacement_lenet import SpaceDisplacementLeNet, SpaceDisplacementLeNetConfig
from longspan.models.vision.space_to_depth_cnn import SpaceToDepthCNN, SpaceToDepthCNNConfig
from longspan.models.vision.torchvision_nets import TorchvisionNet
from longspan.nn import PoolName

__all__ = ["OWN_MODELS", "ModelConfig", "OwnModel", "create", "from_json", "model_names", "to_json"]

ModelConfig = (
    DeepCNNConfig
    | FCNVGGConfig
    | LineCNNConfig
    | SegNetConfig
    | SpaceDisplacementLeNetConfig
    | SmallResNetConfig
    | SpaceToDepthCNNConfig
)
"""What `create` takes instead of a name, where a network has options."""

_Build = Callable[..., Backbone]
"""Takes the keywords in_channels, size_px and pool."""

_CONFIGURED: dict[str, tuple[type[ModelConfig], _Build]] = {
    "deep_cnn": (DeepCNNConfig, DeepCNN),
    "lenet5_slid": (SpaceDisplacementLeNetConfig, SpaceDisplacementLeNet),
    "line_cnn": (LineCNNConfig, LineCNN),
    "segnet": (SegNetConfig, SegNet),
    "small_resnet": (SmallResNetConfig, SmallResNet),
    "unshuffle_cnn": (SpaceToDepthCNNConfig, SpaceToDepthCNN),
    "vgg16_fcn": (FCNVGGConfig, FCNVGG),
}
"""Networks with options, under the name of their family."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnModel:
    """A network of longspan's own."""

    build: _Build
    source: str
    channels_in: int = 1
    """Channels and size of the images in its paper, for the catalogue."""
    size_px: tuple[int, int] = (28, 28)


def _cifar_resnet(blocks: int) -> OwnModel:
    return OwnModel(
        build=functools.partial(SmallResNet, SmallResNetConfig(blocks=blocks)),
        source="He et al. 2015, Deep residual learning for image recognition, section 4.2",
        channels_in=3,
        size_px=(32, 32),
    )


# A new model is its file, its test, and one line here.
OWN_MODELS: dict[str, OwnModel] = {
    "lenet5": OwnModel(
        build=LeNet5, source="LeCun et al. 1998, Gradient-based learning applied to document recognition"
    ),
    "lenet5_slid": OwnModel(
        build=SpaceDisplacementLeNet,
        source="LeCun et al. 1998, sec. VII: the space displacement network",
        size_px=(32, 128),
    ),
    "deep_cnn": OwnModel(build=DeepCNN, source="Saitoh 2016, Deep Learning from Scratch, chapter 8"),
    "unshuffle_cnn": OwnModel(build=SpaceToDepthCNN, source="longspan's own; see its docstring"),
    "line_cnn": OwnModel(
        build=LineCNN,
        source="Shi et al. 2015, An end-to-end trainable neural network (CRNN), without its recurrent layers",
        size_px=(32, 128),
    ),
    "vgg16_fcn": OwnModel(
        build=FCNVGG,
        source="Long, Shelhamer, Darrell 2015, Fully convolutional networks for semantic segmentation",
        channels_in=3,
        size_px=(224, 224),
    ),
    "segnet": OwnModel(
        build=SegNet,
        source="Badrinarayanan et al. 2017, SegNet: a deep convolutional encoder-decoder architecture",
        channels_in=3,
        size_px=(360, 480),
    ),
    **{f"resnet{6 * blocks + 2}": _cifar_resnet(blocks) for blocks in (3, 5, 7, 9)},
}

_BUILDERS: dict[str, _Build] = {
    **{name: own.build for name, own in OWN_MODELS.items()},
    **{name: functools.partial(TorchvisionNet, name) for family in FAMILIES for name in family.names},
}


def model_names() -> list[str]:
    """Every name that `create` takes: longspan's own, then torchvision's by family."""
    return list(_BUILDERS)


def create(
    model: str | ModelConfig,
    *,
    in_channels: int = 3,
    size_px: tuple[int, int] = (224, 224),
    weights: str | Path | None = None,
    pool: PoolName | None = None,
) -> Backbone:
    """Build a network without its class layer.

    Args:
        model: a registered name, or a config object of a network with options.
        in_channels: channels of the images.
        size_px: height and width of the images. Networks of fixed size and those with fully connected layers on the
            maps (lenet5, deep_cnn, vit, maxvit_t) then read this size only.
        weights: None for fresh weights; "imagenet"; or a file (see `load_weights`).
        pool: for networks that end in global pooling: "avg", as they are, or "avg_max", average beside maximum.
            line_cnn gives a sequence without it and one vector with it.

    Raises: UnknownNameError, ConfigError, ShapeError for a size that the network cannot read, WeightsError, FetchError.

    Example:
        >>> create("lenet5", in_channels=1, size_px=(28, 28)).num_features
        84
    """
    if in_channels < 1:
        raise ConfigError(f"in_channels must be at least 1, got {in_channels}.")
    if pool not in (None, "avg", "avg_max"):
        raise ConfigError(f"pool must be 'avg', 'avg_max' or None, got {pool!r}.")
    built = _builder(model)(in_channels=in_channels, size_px=(int(size_px[0]), int(size_px[1])), pool=pool)
    if weights is not None:
        from longspan.models.weights import load_weights

        load_weights(built, weights)
    return built


def to_json(model: Backbone) -> dict[str, Any]:
    """What `from_json` needs to build the same network again; the weights travel apart."""
    described: dict[str, Any] = {"name": model.name}
    for name, (kind, _) in _CONFIGURED.items():
        if isinstance(model.config, kind):
            described = {"name": name, "options": dataclasses.asdict(model.config)}
    return {**described, "in_channels": model.in_channels, "size_px": list(model.size_px), "pool": model.pool}


def from_json(described: Mapping[str, Any]) -> Backbone:
    """Build the network that `to_json` described, with fresh weights.

    Raises: ModelFileError if a key is missing or unknown, UnknownNameError for the name, and what `create` raises.
    """
    rest = dict(described)
    try:
        name, in_channels, size_px = rest.pop("name"), rest.pop("in_channels"), rest.pop("size_px")
        pool = rest.pop("pool")
        options: dict[str, Any] | None = rest.pop("options", None)
        model = name if options is None else _CONFIGURED[name][0](**options)
    except (KeyError, TypeError) as error:
        raise ModelFileError(
            f"This description of a network is not complete or not ours: {error}. {described}"
        ) from error
    if rest:
        raise ModelFileError(f"This description of a network has unknown keys {sorted(rest)}. {described}")
    return create(model, in_channels=in_channels, size_px=(size_px[0], size_px[1]), pool=pool)


def _builder(model: str | ModelConfig) -> _Build:
    for kind, build in _CONFIGURED.values():
        if isinstance(model, kind):
            return functools.partial(build, model)
    if not isinstance(model, str) or model not in _BUILDERS:
        raise unknown_name("model", str(model), _BUILDERS)
    return _BUILDERS[model]
