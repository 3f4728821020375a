"""The torchvision classification networks by family: where the trunk is, and what is particular about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

__all__ = ["FAMILIES", "HALF_NORMALISED", "Family", "family_of"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """What `TorchvisionNet` must know about the networks called `names`."""

    names: tuple[str, ...]
    """The networks, by torchvision's names."""
    source: str
    """Paper."""
    trunk: tuple[str, ...]
    """Modules that run one after another on maps. "layers.*" stands for the children of `layers`; "*" for the children
    of the network up to its pooling or class layer."""
    maps: bool = True
    """Whether the trunk gives feature maps (False: tokens)."""
    global_pool: bool = True
    """Whether nothing but normalisation and dropout stands between the pooling of the last maps and the class layer."""
    finish: Literal["", "relu", "norm"] = ""
    """What the network does to the last maps outside its trunk: rectify (DenseNet), or normalise (Swin)."""
    after_pool: str = ""
    """Module that normalises what was pooled (ConvNeXt)."""
    channels_last: bool = False
    """Whether the trunk hands on (B, H, W, C) (Swin)."""
    class_layer: str = ""
    """Module that gives the logits; empty where it is the last Linear."""
    smallest_px: int = 1
    """Smallest side for which every layer leaves something."""
    multiple_px: int = 0
    """Networks built for one size: what its sides must be a multiple of. 0: any size."""
    size_option: Literal["", "image_size", "input_size"] = ""
    """How torchvision calls that size: `image_size` is one side of a square, `input_size` is (height, width)."""
    options: Mapping[str, bool] = field(default_factory=dict)
    """Options of torchvision's builder."""


_VIT = "Dosovitskiy et al. 2020, An image is worth 16x16 words"
_RESNEXT = "Xie et al. 2016, Aggregated residual transformations for deep neural networks"
_REGNET_SIZES = ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")
_NO_AUX = {"aux_logits": False, "init_weights": True}

FAMILIES: tuple[Family, ...] = (
    Family(
        names=("alexnet",),
        source="Krizhevsky 2014, One weird trick for parallelizing convolutional neural networks",
        trunk=("features.*",),
        global_pool=False,
        smallest_px=63,
    ),
    Family(
        names=("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
        source="Simonyan and Zisserman 2014, Very deep convolutional networks",
        trunk=("features.*",),
        global_pool=False,
        smallest_px=32,
    ),
    Family(
        names=("googlenet",),
        source="Szegedy et al. 2014, Going deeper with convolutions",
        trunk=("*",),
        smallest_px=15,
        options=_NO_AUX,
    ),
    Family(
        names=("inception_v3",),
        source="Szegedy et al. 2015, Rethinking the inception architecture",
        trunk=("*",),
        smallest_px=75,
        options=_NO_AUX,
    ),
    Family(
        names=("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
        source="He et al. 2015, Deep residual learning for image recognition",
        trunk=("*",),
    ),
    Family(names=("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"), source=_RESNEXT, trunk=("*",)),
    Family(
        names=("wide_resnet50_2", "wide_resnet101_2"),
        source="Zagoruyko and Komodakis 2016, Wide residual networks",
        trunk=("*",),
    ),
    Family(
        names=("squeezenet1_0",),
        source="Iandola et al. 2016, SqueezeNet",
        trunk=("features.*",),
        class_layer="classifier.1",
        smallest_px=21,
    ),
    Family(
        names=("squeezenet1_1",),
        source="Iandola et al. 2016, SqueezeNet",
        trunk=("features.*",),
        class_layer="classifier.1",
        smallest_px=17,
    ),
    Family(
        names=("densenet121", "densenet161", "densenet169", "densenet201"),
        source="Huang et al. 2016, Densely connected convolutional networks",
        trunk=("features.*",),
        finish="relu",
        smallest_px=29,
    ),
    Family(names=("mobilenet_v2",), source="Sandler et al. 2018, MobileNetV2", trunk=("features.*",)),
    Family(
        names=("mobilenet_v3_large", "mobilenet_v3_small"),
        source="Howard et al. 2019, Searching for MobileNetV3",
        trunk=("features.*",),
        global_pool=False,
    ),
    Family(
        names=("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
        source="Tan et al. 2018, MnasNet",
        trunk=("layers.*",),
    ),
    Family(
        names=("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
        source="Ma et al. 2018, ShuffleNet V2",
        trunk=("*",),
    ),
    Family(
        names=tuple(f"efficientnet_b{size}" for size in range(8)),
        source="Tan and Le 2019, EfficientNet",
        trunk=("features.*",),
    ),
    Family(
        names=("efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l"),
        source="Tan and Le 2021, EfficientNetV2",
        trunk=("features.*",),
    ),
    Family(
        names=(
            *(f"regnet_{kind}_{size}" for kind in "xy" for size in _REGNET_SIZES),
            "regnet_y_128gf",
        ),
        source="Radosavovic et al. 2020, Designing network design spaces",
        trunk=("stem", "trunk_output.*"),
    ),
    Family(
        names=("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
        source="Liu et al. 2022, A ConvNet for the 2020s",
        trunk=("features.*",),
        after_pool="classifier.0",
        smallest_px=32,
    ),
    Family(
        names=("swin_t", "swin_s", "swin_b"),
        source="Liu et al. 2021, Swin Transformer",
        trunk=("features.*",),
        finish="norm",
        channels_last=True,
        smallest_px=4,
    ),
    Family(
        names=("swin_v2_t", "swin_v2_s", "swin_v2_b"),
        source="Liu et al. 2021b, Swin Transformer V2",
        trunk=("features.*",),
        finish="norm",
        channels_last=True,
        smallest_px=4,
    ),
    Family(
        names=("maxvit_t",),
        source="Tu et al. 2022, MaxViT",
        trunk=("stem", "blocks.*"),
        global_pool=False,
        smallest_px=224,
        multiple_px=224,
        size_option="input_size",
    ),
    *(
        Family(
            names=names,
            source=_VIT,
            trunk=("encoder.layers.*",),
            maps=False,
            global_pool=False,
            smallest_px=patch_px,
            multiple_px=patch_px,
            size_option="image_size",
        )
        for names, patch_px in ((("vit_b_16", "vit_l_16"), 16), (("vit_b_32", "vit_l_32"), 32), (("vit_h_14",), 14))
    ),
)

HALF_NORMALISED = frozenset({"googlenet", "inception_v3", "efficientnet_v2_l"})
"""Networks whose published weights read images normalised with mean 0.5 and standard deviation 0.5."""

_BY_NAME = {name: family for family in FAMILIES for name in family.names}


def family_of(name: str) -> Family:
    """The family of the torchvision network `name`, which must be one of them."""
    return _BY_NAME[name]
