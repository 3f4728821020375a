"""The registry of networks: what is on record about each, and how one is added, from here or from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

from longspan import old_names
from longspan.models.backbone import Backbone
from longspan.nn import PoolName
from longspan.registry import Registry

__all__ = ["MODELS", "ModelConfig", "ModelEntry", "register_model"]

Build = Callable[..., Backbone]
"""Takes the keywords in_channels, size_px and pool; of networks that read features, their spec."""

_B = TypeVar("_B", bound=Build)


class ModelConfig(ABC):
    """Abstract: the options of a family of networks; `create` takes one instead of a name.

    Subclasses are final, frozen dataclasses, whose fields are JSON values.
    """

    __slots__ = ()

    family: ClassVar[str]
    """The name under which model files keep these options."""

    @abstractmethod
    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> Backbone:
        """The network with these options; arguments and errors as for `create`."""

    reads: ClassVar[str] = "image"
    """The kind of input that the network reads: "image", "features", "sequence" or "tokens"."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry:
    """What is on record about a network."""

    build: Build
    """Makes it, without its class layer."""
    source: str
    """Paper or book."""
    config: type[ModelConfig] | None = None
    """Class of its options, where it has some; several names may share one."""
    reads: str = "image"
    """The kind of input that it reads, as the input's spec names it: "image", "features", "sequence" or "tokens"."""
    channels_in: int = 3
    """Channels of the images in its paper, for the catalogue."""
    size_px: tuple[int, int] = (224, 224)
    """Height and width of the images in its paper, for the catalogue."""
    published: bool = False
    """Whether it is one of torchvision's networks, which are measured whole."""


MODELS = Registry[ModelEntry]("model", summary_of=lambda entry: entry.source, old_names=old_names.MODELS)
"""Every network by its name: longspan's own, torchvision's by family, then those of plug-ins."""


def register_model(
    name: str,
    *,
    source: str,
    config: type[ModelConfig] | None = None,
    reads: str = "image",
    channels_in: int = 3,
    size_px: tuple[int, int] = (224, 224),
) -> Callable[[_B], _B]:
    """Decorator that makes a `Backbone` class available by name, in Python, on the command line and in model files.

    Args:
        name: As `create` takes it; the class sets `self.name` to the same.
        source: Paper or book, for the catalogue.
        config: The class of its options, if it has some.
        reads: "image"; "features" for a network of tables, which is built from a `FeaturesSpec`; "tokens" for one of
            texts, built from a `TokensSpec`; or "sequence", whose width is then `in_channels`.
        channels_in: Channels of the images in its paper.
        size_px: Height and width of the images in its paper.

    Raises:
        ConfigError: the name is taken.
    """

    def add(build: _B) -> _B:
        entry = ModelEntry(
            build=build, source=source, config=config, reads=reads, channels_in=channels_in, size_px=size_px,
        )  # fmt: skip
        MODELS.register(name)(entry)
        return build

    return add
