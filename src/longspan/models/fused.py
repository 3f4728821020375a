"""Several inputs in one network: an encoder for each, and their features side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, final

import torch
from torch import Tensor, nn

from longspan.columns.spec import Spec
from longspan.errors import ConfigError
from longspan.models.backbone import Backbone
from longspan.models.encoders import encoder_for
from longspan.nn import PoolName

__all__ = ["FUSED", "SMALL_ENCODERS", "FusedBackbone", "build_fused"]

FUSED = "fused"
"""Name of these networks in files."""
SMALL_ENCODERS = "encoders"
"""What stands for the network by name where no input is an image."""


@final
class FusedBackbone(Backbone):
    """One encoder per input, in their order; features `(B, num_features)` are concatenated.

    What one input means in the light of another is for the head to learn: give it a hidden layer (`hidden=(64,)`).

    Images are read by networks of one kind, each with weights of its own; the other inputs by small encoders (see
    `encoder_for`). The layer groups are those of these networks; the small encoders start from random weights and
    so learn whenever the heads do, also where the groups are frozen.
    """

    def __init__(self, encoders: Sequence[nn.Module], specs: Mapping[str, Spec], *, pool: PoolName | None) -> None:
        """Put encoders together.

        Args:
            encoders: One per input, each with an int `num_features`.
            specs: Of the inputs by name, in the network's order.
            pool: As given to `create`.

        Raises:
            ConfigError: a network that gives a sequence.
        """
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.specs = dict(specs)
        networks = [encoder for encoder in encoders if isinstance(encoder, Backbone)]
        images = [network for network in networks if network.spec is None]
        several = next((network for network in networks if network.members > 1), None)
        if several is not None:
            raise ConfigError(
                f"{several.name} gives {several.members} vectors for each row, which cannot stand beside other inputs; "
                "choose a network that gives one, such as mlp."
            )
        sequence = next((network for network in networks if network.sequence), None)
        if sequence is not None:
            raise ConfigError(
                f"{sequence.name} gives a sequence, which cannot stand beside other inputs. Pool the steps "
                "(pool='avg' for line_cnn), or choose a network such as resnet18."
            )
        self.name = FUSED
        self.config = None
        self.in_channels = images[0].in_channels if images else 0
        self.size_px = images[0].size_px if images else (0, 0)
        self.pool = pool
        self.num_features = sum(int(getattr(encoder, "num_features", 0)) for encoder in encoders)
        self.channels = ()
        self.strides = ()

    @property
    def networks(self) -> list[Backbone]:
        """The encoders that are networks of their own: of images, or of the features of a table."""
        return [encoder for encoder in self.encoders if isinstance(encoder, Backbone)]

    def forward(self, *inputs: Any) -> Tensor:
        """The features of all inputs, which come in the order of the specs: `(B, num_features)`."""
        found = [encoder(each) for encoder, each in zip(self.encoders, inputs, strict=True)]
        return torch.cat([each.float() for each in found], dim=1)

    def features(self, *inputs: Any) -> list[Tensor]:
        """None: several inputs have no common maps."""
        del inputs
        return []

    def groups(self) -> list[list[nn.Parameter]]:
        """The groups of the networks, level by level; the small encoders are in none."""
        levels = zip_longest(*(encoder.groups() for encoder in self.networks), fillvalue=())
        return [list(chain.from_iterable(level)) for level in levels]


def build_fused(networks: Mapping[str, Backbone], specs: Mapping[str, Spec], pool: PoolName | None) -> FusedBackbone:
    """A network for these inputs: `networks` has those of some inputs, the others get small encoders."""
    encoders = [networks[name] if name in networks else encoder_for(spec) for name, spec in specs.items()]
    return FusedBackbone(encoders, specs, pool=pool)
