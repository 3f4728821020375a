"""The Neocognitron, which learned to recognise patterns without labels and without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.errors import ConfigError, ShapeError

__all__ = ["Neocognitron", "NeocognitronConfig"]

_FIELD = 5
"""Side of the receptive field of S- and C-cells, and of an S-column."""
_ALPHA = 0.5
"""Half saturation of C-cells (alpha of equation 8)."""
_LEARNING = (2.0, 2.0, 4.0)
"""r of each S-layer while it learns: an S-cell fires where its input is more like what it learned than r / (1 + r)."""
_RECOGNITION = (1.5, 1.5, 1.0)
"""r of each S-layer once it has learned."""
_GAIN = (1e3, 1e4, 1e4)
"""q of each S-layer: how much one presentation strengthens the connections of a winner."""
_SMALLEST_PX = 8


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class NeocognitronConfig:
    """Options of `Neocognitron`.

    Raises: ConfigError for a value that cannot be.
    """

    planes: tuple[int, int, int] = (16, 64, 300)
    """Cell planes of the three stages: kinds of patterns that a stage can learn."""
    halve: bool = False
    """Average 2 x 2 pixels first; for images of more than 24 px a side."""

    def __post_init__(self) -> None:
        """Check every value."""
        if len(self.planes) != 3 or min(self.planes) < 1:
            raise ConfigError(f"NeocognitronConfig.planes must be three numbers of at least 1, got {self.planes}.")


@final
class _Stage(nn.Module):
    """An S-layer, which learns features, and a C-layer, which answers to them wherever they stand in its field."""

    def __init__(
        self, reads: int, planes: int, learning: float, recognition: float, gain: float, stride: int | None
    ) -> None:
        super().__init__()
        self.learning, self.recognition, self.gain, self.stride = learning, recognition, gain, stride
        self.register_buffer("field", _bump(_FIELD, 2.0) / reads)  # c: sums to 1 over field and planes
        self.register_buffer("blur", _bump(_FIELD, 2.0))  # d
        self.register_buffer("excitatory", torch.zeros(planes, reads, _FIELD, _FIELD))  # a
        self.register_buffer("inhibitory", torch.zeros(planes))  # b
        self.field: Tensor
        self.blur: Tensor
        self.excitatory: Tensor
        self.inhibitory: Tensor

    def start(self, generator: torch.Generator) -> None:
        """Weak random excitation, no inhibition: every plane answers a little to everything."""
        self.excitatory.copy_(1e-3 * self.field * torch.rand(self.excitatory.shape, generator=generator))
        self.inhibitory.zero_()

    def simple(self, maps: Tensor, r: float) -> tuple[Tensor, Tensor]:
        """S-cells `(B, planes, H, W)` and their inhibiting V-cells `(B, 1, H, W)`; equations 2 and 4."""
        half = _FIELD // 2
        kernel = self.field.expand(1, maps.shape[1], -1, -1)
        veto = F.conv2d(maps.square(), kernel, padding=half).clamp(min=0).sqrt()
        excited = 1 + F.conv2d(maps, self.excitatory, padding=half)
        inhibited = 1 + 2 * r / (1 + r) * self.inhibitory[:, None, None] * veto
        return r * (excited / inhibited - 1).relu(), veto

    def complex(self, simple: Tensor) -> Tensor:
        """C-cells: blurred S-cells, inhibited by the mean over planes, saturating; equations 6 to 8."""
        if self.stride is None:  # the last stage: one C-cell of each plane sees all of it
            gathered = simple.amax((2, 3), keepdim=True)
        else:
            planes = simple.shape[1]
            kernel = self.blur.expand(planes, 1, -1, -1)
            gathered = F.conv2d(simple, kernel, padding=_FIELD // 2, stride=self.stride, groups=planes)
        grown = ((1 + gathered) / (1 + gathered.mean(1, keepdim=True)) - 1).relu()
        return grown / (_ALPHA + grown)

    def forward(self, maps: Tensor) -> Tensor:
        """C-cells, with the selectivity of recognition."""
        return self.complex(self.simple(maps, self.recognition)[0])

    def reinforce(self, maps: Tensor) -> None:
        """Show one pattern `(1, C, H, W)`: the winners of the S-columns learn it, for their whole planes."""
        simple, veto = self.simple(maps, self.learning)
        height, width = simple.shape[2:]
        strongest, plane_of = simple[0].max(0)  # (H, W)
        window = min(_FIELD, height, width)
        _, places = F.max_pool2d(strongest[None, None], window, stride=max(1, window // 2), return_indices=True)
        candidates = places.unique()
        candidates = candidates[strongest.flatten()[candidates] > 0]
        outputs, planes = strongest.flatten()[candidates], plane_of.flatten()[candidates]
        best: dict[int, int] = {}  # of each plane the one candidate with the largest output
        for at in outputs.argsort(descending=True).tolist():
            best.setdefault(int(planes[at]), int(candidates[at]))
        if not best:
            return
        patches = F.unfold(maps, _FIELD, padding=_FIELD // 2)[0]  # (C * 25, H * W)
        winners = torch.tensor(list(best))
        chosen = torch.tensor(list(best.values()))
        seen = patches[:, chosen].t().reshape(len(best), *self.excitatory.shape[1:])
        self.excitatory[winners] += self.gain * self.field * seen
        self.inhibitory[winners] += self.gain / 2 * veto.flatten()[chosen]


@final
class Neocognitron(nn.Module):
    """Neocognitron of three stages: `(B, 1, H, W)` float from 0 (background) to 1, to `(B, planes[2])`.

    `learn` trains it: stage by stage, without labels, by the winner rule. It has no parameters in PyTorch's sense and
    no gradient reaches it, so it is not among the models that a `Learner` trains; a classifier may read what it gives.

    Source: Fukushima 1980, "Neocognitron: a self-organizing neural network model for a mechanism of pattern
    recognition unaffected by shift in position", Biological Cybernetics 36. S-cells with shunting inhibition by
    V-cells, C-cells with lateral inhibition and saturation, planes with shared connections, S-columns whose winners
    reinforce in proportion to their input; alpha = 0.5.
    Differs:
      - S-cells are more selective while they learn (r = 2, 2, 4) than afterwards (1.5, 1.5, 1), the dual thresholds of
        Fukushima 2003, "Neocognitron for handwritten digit recognition" (paper: 4, 1.5, 1.5 throughout). With those of
        1980 few planes of the third stage learn anything on handwritten digits.
      - One presentation teaches all that there is to learn: q = 1,000 and 10,000 (paper: 1 and 16, many presentations).
      - Stages learn one after the other, each from the finished one below (paper: all while the patterns are shown).
      - The number of planes is free (paper: 24 each), and so is the size of the image (paper: 16 x 16).
      - c and d fall off as a Gaussian of 2 cells (paper: by powers; values not printed in full).
      - S-layers keep the size of what they read by padding with background; C-layers take every second place (paper:
        16, 10, 8, 6, 2 and 1 places a side).
      - The last C-cell of a plane takes the largest S-cell of the plane (paper: the weighted sum of 2 x 2).
      - S-columns overlap by half in both directions; the first excitation is uniform random within 0.001 c (paper:
        small values that prefer an orientation).
      - With `halve`, images are averaged over 2 x 2 pixels first.

    Raises: ShapeError for images of other than one channel or below 8 px (16 px with `halve`).
    """

    def __init__(self, config: NeocognitronConfig | None = None) -> None:
        """Build; it answers to nothing until it has learned."""
        super().__init__()
        self.config = config or NeocognitronConfig()
        reads = (1, *self.config.planes[:2])
        self.stages = nn.ModuleList(
            _Stage(*each)
            for each in zip(reads, self.config.planes, _LEARNING, _RECOGNITION, _GAIN, (2, 2, None), strict=True)
        )
        self.num_features = self.config.planes[2]

    @torch.no_grad()
    def learn(self, images: Tensor, *, passes: Sequence[int] = (1, 1, 1), seed: int = 0) -> Neocognitron:
        """Learn from images `(N, 1, H, W)`, shown one by one in random order; earlier learning is forgotten.

        Args:
            images: From 0 to 1.
            passes: How often each stage sees them all.
            seed: Of the first weights and of the order.
        """
        generator = torch.Generator().manual_seed(seed)
        maps = self._checked(images)
        for stage, times in zip(self.stages, passes, strict=True):
            assert isinstance(stage, _Stage)
            stage.start(generator)
            for _ in range(times):
                for row in torch.randperm(len(maps), generator=generator).tolist():
                    stage.reinforce(maps[row : row + 1])
            maps = torch.cat([stage(part) for part in maps.split(256)])
        return self

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """The C-cells of the last stage: (B, planes[2])."""
        maps = self._checked(images)
        for stage in self.stages:
            assert isinstance(stage, _Stage)
            maps = stage(maps)  # (B, planes, H / 2, W / 2), at last (B, planes, 1, 1)
        return maps.flatten(1)

    def _checked(self, images: Tensor) -> Tensor:
        least = _SMALLEST_PX * (2 if self.config.halve else 1)
        if images.ndim != 4 or images.shape[1] != 1 or min(images.shape[2:]) < least:
            raise ShapeError(
                f"neocognitron reads images of shape (B, 1, H, W), at least {least} px a side; got "
                f"{tuple(images.shape)}. Make them grey, or enlarge them."
            )
        return F.avg_pool2d(images, 2) if self.config.halve else images


def _bump(side: int, sigma: float) -> Tensor:
    """`(side, side)`, a Gaussian around the middle that sums to 1."""
    line = torch.exp(-0.5 * ((torch.arange(side) - (side - 1) / 2) / sigma).square())
    bump = line[:, None] * line[None, :]
    return bump / bump.sum()
