"""Every torchvision classification network as a backbone, through one mechanism."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.errors import ConfigError, DependencyError, ShapeError
from longspan.light_torchvision import import_torchvision
from longspan.models.backbone import Backbone, Map, check_images, check_same_size, check_size, no_global_pool
from longspan.models.entries import MODELS, ModelEntry
from longspan.models.vision.families import FAMILIES, HALF_NORMALISED, Family, family_of
from longspan.nn import GlobalPool, PoolName
from longspan.nn.without_memory import on_meta, without_memory
from longspan.vision.imagenet_colours import IMAGENET_MEAN, IMAGENET_STD

__all__ = [
    "LAYOUTS_NAME",
    "Layout",
    "TorchvisionNet",
    "build_published",
    "find_layout",
    "layout_of",
    "register_published",
]

LAYOUTS_NAME = "layouts.json"
"""Of every network, for one version of torchvision; `python -m longspan.models.measure` writes it."""

# What longspan normalises images with before any network trained on ImageNet, and what HALF_NORMALISED ones expect.
_HALF = 0.5


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Where the parts of a torchvision network are, found by running it without numbers."""

    trunk: tuple[str, ...]
    """Modules that run one after another on maps."""
    ends: tuple[int, ...]
    """Position in `trunk` of the last module at each stride; without maps, of every module."""
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    first_conv: str
    class_layer: str
    num_features: int
    """What the class layer reads."""


@final
class TorchvisionNet(Backbone):
    """A torchvision classification network up to what its class layer reads: `(B, in_channels, H, W)` float.

    Images are normalised with the mean and deviation of ImageNet; networks whose published weights expect another
    normalisation convert by themselves once these weights are loaded.

    Maps: the last of each stride, so that `features(x)[-1]` is what a global pooling reads. A side of `n` px gives
    about `n / stride` places, rounded up or down; fewer in alexnet, squeezenet and inception_v3, which do not pad.
    vit networks have no maps. vit and maxvit_t read only images of the size they were built for.

    Source: see `catalogue()`; the code is torchvision's.
    Differs from torchvision: auxiliary heads of googlenet and inception_v3 are left out. Dropout before the class layer
    stays, except with pool "avg_max". For `in_channels` other than 3 the first convolution is drawn anew, normal, so
    that its outputs spread as before.

    Raises: ShapeError for images too small or of a size that the network cannot have; ConfigError for a `pool` where
    the network has other layers after the pooling (alexnet, vgg, mobilenet_v3, maxvit) or none (vit).
    """

    def __init__(
        self,
        name: str,
        *,
        in_channels: int = 3,
        size_px: tuple[int, int] = (224, 224),
        pool: PoolName | None = None,
    ) -> None:
        """Build torchvision's network `name` with fresh weights."""
        super().__init__()
        family = family_of(name)
        _check_buildable(name, family, size_px)
        if pool is not None and not family.global_pool:
            raise no_global_pool(name, pool)
        layout = layout_of(name)
        self.name = name
        self.config = None
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.family = family
        self.layout = layout
        self.channels = layout.channels
        self.strides = layout.strides
        self.net = build_published(name, size_px)
        self.net.set_submodule(layout.class_layer, nn.Identity())
        if in_channels != 3:
            self.net.set_submodule(
                layout.first_conv, _with_channels(self.net.get_submodule(layout.first_conv), in_channels)
            )
        self.global_pool = GlobalPool(pool or "avg")
        self.num_features = self.global_pool.num_features(layout.num_features)
        self.input_scale: Tensor | None
        self.input_offset: Tensor | None
        half = name in HALF_NORMALISED
        # Saved with the weights, so that a loaded model converts as the one that was trained did.
        self.register_buffer("input_scale", torch.ones(1, in_channels, 1, 1) if half else None)
        self.register_buffer("input_offset", torch.zeros(1, in_channels, 1, 1) if half else None)

    def expect_half_normalised(self) -> None:
        """Convert images to mean 0.5 and deviation 0.5, which the published weights of `HALF_NORMALISED` expect."""
        if self.input_scale is None or self.input_offset is None:
            return
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        if self.in_channels != 3:  # there is no red, green and blue to tell apart
            mean, std = mean.mean(), std.mean()
        with torch.no_grad():
            self.input_scale.copy_((std / _HALF).view(1, -1, 1, 1).expand_as(self.input_scale))
            self.input_offset.copy_(((mean - _HALF) / _HALF).view(1, -1, 1, 1).expand_as(self.input_offset))

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps at `strides`; ConfigError where the network has none."""
        if not self.strides:
            raise ConfigError(
                f"{self.name} has no feature maps at strides: it works on tokens of one size. "
                "Use for example swin_t, convnext_tiny or resnet50."
            )
        return self._maps(self._checked(images))

    def forward(self, images: Tensor) -> Tensor:
        """What the class layer would have read: (B, num_features)."""
        images = self._checked(images)
        return self.net(images) if self.pool != "avg_max" else self._pooled(self._maps(images)[-1])

    def both(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The vector is pooled from the last map, without dropout; networks that do not end so run twice."""
        if not self.family.global_pool:
            return self(images), self.features(images)
        maps = self.features(images)
        return self._pooled(maps[-1]), maps

    def parts(self, groups: int) -> tuple[Map, Map] | None:
        """With pool="avg_max", where the trunk runs in `forward` itself: up to the end of a stride, and from there."""
        if self.pool != "avg_max":
            return None
        start, ends = 0, []
        for last in self.layout.ends:  # layers without weights join the next group
            layers = [self.net.get_submodule(path) for path in self.layout.trunk[start : last + 1]]
            if any(True for layer in layers for _ in layer.parameters()):
                ends.append(last + 1)
            start = last + 1
        if not 0 < groups <= len(ends):
            return None
        end = ends[groups - 1]
        return (
            lambda images: self._run_trunk(self._checked(images), 0, end),
            lambda values: self._pooled(self._finished(self._run_trunk(values, end, len(self.layout.trunk)))),
        )

    def groups(self) -> list[list[nn.Parameter]]:
        """The trunk by strides (vit: layer by layer), then what stands between it and the class layer."""
        place: dict[int, int] = {}
        for index, path in enumerate(self.layout.trunk):
            group = sum(end < index for end in self.layout.ends)
            place.update((id(parameter), group) for parameter in self.net.get_submodule(path).parameters())
        groups: list[list[nn.Parameter]] = [[] for _ in range(len(self.layout.ends) + 1)]
        before_trunk = True
        for parameter in self.parameters():
            before_trunk = before_trunk and id(parameter) not in place
            groups[0 if before_trunk else place.get(id(parameter), -1)].append(parameter)
        return [group for group in groups if group]

    def _checked(self, images: Tensor) -> Tensor:
        check_images(images, self, self.family.smallest_px)
        if self.family.multiple_px:
            check_same_size(images, self)
        if self.input_scale is None or self.input_offset is None:
            return images
        return images * self.input_scale + self.input_offset

    def _maps(self, images: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        values, start = images, 0
        for end in self.layout.ends:
            values, start = self._run_trunk(values, start, end + 1), end + 1
            maps.append(values)
        maps = [each.permute(0, 3, 1, 2) for each in maps[:-1]] if self.family.channels_last else maps[:-1]
        return [*maps, self._finished(values)]

    def _run_trunk(self, values: Tensor, start: int, end: int) -> Tensor:
        for path in self.layout.trunk[start:end]:
            values = self.net.get_submodule(path)(values)
        return values

    def _finished(self, values: Tensor) -> Tensor:
        if self.family.finish == "relu":
            values = F.relu(values)
        elif self.family.finish == "norm":
            values = self.net.get_submodule("norm")(values)
        return values.permute(0, 3, 1, 2) if self.family.channels_last else values

    def _pooled(self, maps: Tensor) -> Tensor:
        pooled = self.global_pool(maps)
        if not self.family.after_pool:
            return pooled
        norm, parts = self.net.get_submodule(self.family.after_pool), 2 if self.pool == "avg_max" else 1
        return torch.cat([norm(part[:, :, None, None]).flatten(1) for part in pooled.chunk(parts, dim=1)], dim=1)


def build_published(name: str, size_px: tuple[int, int]) -> nn.Module:
    """The whole torchvision network `name`, 1,000 classes, without auxiliary heads, fresh weights.

    Raises: DependencyError if the installed torchvision does not have it.
    """
    torchvision = import_torchvision()
    family = family_of(name)
    options: dict[str, Any] = dict(family.options)
    if family.size_option:
        options[family.size_option] = size_px[0] if family.size_option == "image_size" else size_px
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise DependencyError(
            f"torchvision {torchvision.__version__} has no {name}: python -m pip install -U torchvision"
        )
    net = torchvision.models.get_model(name, weights=None, **options)
    if name.startswith("mnasnet"):
        # MNASNet refuses a state dict without torch's version metadata, which safetensors files do not carry.
        load_plainly: Callable[..., None] = functools.partial(nn.Module._load_from_state_dict, net)
        object.__setattr__(net, "_load_from_state_dict", load_plainly)
    return net


@functools.cache
def layout_of(name: str) -> Layout:
    """The parts of torchvision's network `name`: from the table, or of another torchvision than its own found anew."""
    table = json.loads(resources.files("longspan.models.vision").joinpath(LAYOUTS_NAME).read_text("utf-8"))
    if table["torchvision"] == import_torchvision().__version__.partition("+")[0] and name in table["layouts"]:
        return Layout(**{key: _tupled(value) for key, value in table["layouts"][name].items()})
    return find_layout(name)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def find_layout(name: str) -> Layout:
    """Find the parts of torchvision's network `name`, by running it on an image without numbers."""
    family = family_of(name)
    # Large enough that what unpadded layers lose does not blur the strides, small enough to be quick.
    side_px = family.multiple_px or 512
    with without_memory():
        net = build_published(name, (side_px, side_px))
    net = net.to("meta").eval()
    modules = dict(net.named_modules())
    linears = [path for path, module in modules.items() if isinstance(module, nn.Linear)]
    class_layer = family.class_layer or linears[-1]
    last = modules[class_layer]
    trunk = tuple(path for pattern in family.trunk for path in _expand(net, pattern))
    shapes = _map_shapes([modules[path] for path in trunk], family, side_px) if family.maps else []
    ends = [
        index for index, (_, stride) in enumerate(shapes) if index + 1 == len(shapes) or shapes[index + 1][1] != stride
    ]
    return Layout(
        trunk=trunk,
        ends=tuple(ends) if family.maps else tuple(range(len(trunk))),
        channels=tuple(shapes[index][0] for index in ends),
        strides=tuple(shapes[index][1] for index in ends),
        first_conv=next(path for path, module in modules.items() if isinstance(module, nn.Conv2d)),
        class_layer=class_layer,
        num_features=last.in_features if isinstance(last, nn.Linear) else int(last.get_parameter("weight").shape[1]),
    )


def _expand(net: nn.Module, pattern: str) -> list[str]:
    if pattern != "*" and not pattern.endswith(".*"):
        return [pattern]
    folder = pattern[:-1]
    paths: list[str] = []
    for name, child in net.get_submodule(folder.rstrip(".")).named_children():
        if not folder and isinstance(child, nn.AdaptiveAvgPool2d | nn.Linear):
            break
        paths.append(folder + name)
    return paths


@torch.no_grad()
def _map_shapes(modules: list[nn.Module], family: Family, side_px: int) -> list[tuple[int, int]]:
    """(channels, stride) of what each module of a trunk gives."""
    shapes: list[tuple[int, int]] = []
    with on_meta():
        values = torch.empty(1, 3, side_px, side_px)
        for module in modules:
            values = module(values)
            channels, side = values.shape[3 if family.channels_last else 1], values.shape[2]
            shapes.append((channels, 2 ** round(math.log2(side_px / side))))
    return shapes


def _check_buildable(name: str, family: Family, size_px: tuple[int, int]) -> None:
    check_size(name, size_px, family.smallest_px)
    multiple = family.multiple_px
    square = family.size_option == "image_size"
    if multiple and (any(side % multiple for side in size_px) or (square and size_px[0] != size_px[1])):
        fits = [max(1, round(side / multiple)) * multiple for side in size_px]
        height, width = (max(fits), max(fits)) if square else fits
        raise ShapeError(
            f"{name} reads {'squares' if square else 'images'} whose sides are a multiple of {multiple} px, got "
            f"{size_px[0]} x {size_px[1]}. Use size_px=({height}, {width})."
        )


def _with_channels(conv: nn.Module, in_channels: int) -> nn.Conv2d:
    """A fresh convolution like `conv` that reads `in_channels` channels, with outputs that spread as before."""
    assert isinstance(conv, nn.Conv2d)
    wider = nn.Conv2d(
        in_channels,
        conv.out_channels,
        (conv.kernel_size[0], conv.kernel_size[1]),
        stride=(conv.stride[0], conv.stride[1]),
        padding=conv.padding if isinstance(conv.padding, str) else (conv.padding[0], conv.padding[1]),
        bias=conv.bias is not None,
    )
    with torch.no_grad():
        if not conv.weight.is_meta:
            nn.init.normal_(wider.weight, std=float(conv.weight.std()) * math.sqrt(conv.in_channels / in_channels))
        if wider.bias is not None and conv.bias is not None:
            wider.bias.copy_(conv.bias)
    return wider


def register_published() -> None:
    """Register every network of every family, in the order of `FAMILIES`."""
    for family in FAMILIES:
        for name in family.names:
            build = functools.partial(TorchvisionNet, name)
            MODELS.register(name)(ModelEntry(build=build, source=family.source, published=True))
