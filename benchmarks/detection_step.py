"""A training step of longspan's detectors beside torchvision's own, with the same layers, images and samples.

    python benchmarks/detection_step.py --threads 2

Both have the same trunk, a pyramid of 256 channels, 1024 features for a region, 2000 proposals and 512 samples, as
torchvision's reference scripts have them; forward, losses, backward and optimizer in float32. The steps alternate, so
that both see the same machine. Writes `benchmarks/results/detection_step.json`; times are medians, in seconds a
image.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from longspan.models import Backbone, FeatureMaps, create
from longspan.nn.faster_rcnn import FasterRCNN, FasterRCNNConfig
from longspan.nn.mask_branch import MaskBranch
from longspan.version import __version__

RESULTS = Path(__file__).parent / "results" / "detection_step.json"
CONFIG = FasterRCNNConfig(channels=256, box_head_dim=1024, candidates=2000, proposals=2000, samples=512)
THINGS = 3  # in every image


class Pyramid(nn.Module):
    """A trunk with a pyramid, as torchvision wants it."""

    out_channels = CONFIG.channels

    def __init__(self, trunk: Backbone) -> None:
        """Use the maps from stride 4 on."""
        super().__init__()
        self.trunk = trunk
        self.used = [index for index, stride in enumerate(trunk.strides) if stride >= 4]
        channels = [trunk.channels[index] for index in self.used]
        self.pyramid = FeaturePyramidNetwork(channels, CONFIG.channels, LastLevelMaxPool())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The levels by number."""
        maps = self.trunk.features(images)
        return self.pyramid(OrderedDict((str(i), maps[index]) for i, index in enumerate(self.used)))


def torchvisions(trunk: str, size_px: tuple[int, int], masks: bool) -> nn.Module:
    """Faster or Mask R-CNN with its defaults."""
    backbone = Pyramid(create(trunk, size_px=size_px))
    names = [str(index) for index in range(len(backbone.used))]
    sizes = tuple((32 * 2**level,) for level in range(len(names) + 1))
    common = {
        "min_size": min(size_px),
        "max_size": max(size_px),
        "rpn_anchor_generator": AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)),
        "box_roi_pool": MultiScaleRoIAlign(names, 7, 2),
    }
    if not masks:
        return detection.FasterRCNN(backbone, 2, **common).train()
    return detection.MaskRCNN(backbone, 2, mask_roi_pool=MultiScaleRoIAlign(names, 14, 2), **common).train()


def made_up(rows: int, size_px: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Images of noise, boxes `(B, 3, 6)` and masks that fill them."""
    height, width = size_px
    targets, masks = torch.zeros(rows, THINGS, 6), torch.zeros(rows, THINGS, height, width, dtype=torch.bool)
    for row in range(rows):
        for thing in range(THINGS):
            corner = torch.rand(2) * torch.tensor([width * 0.6, height * 0.4])
            side = 10 + torch.rand(2) * torch.tensor([width * 0.2, height * 0.4])
            targets[row, thing, :4] = torch.cat([corner, corner + side])
            x0, y0, x1, y1 = targets[row, thing, :4].int().tolist()
            masks[row, thing, y0:y1, x0:x1] = True
    return torch.rand(rows, 3, height, width), targets, masks


def stepper(network: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """One training step with SGD, as torchvision's reference scripts have it."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        loss().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure(trunk: str, size_px: tuple[int, int], rows: int, masks: bool, steps: int) -> dict[str, object]:
    """Seconds an image of either side, alternating."""
    torch.manual_seed(0)
    images, targets, drawn = made_up(rows, size_px)
    backbone = create(trunk, size_px=size_px)
    branch = MaskBranch(CONFIG.channels, 1, width=256, depth=4) if masks else None
    network = FasterRCNN(
        CONFIG, num_classes=1, channels=backbone.channels, strides=backbone.strides, size_px=size_px, masks=branch
    )
    both = nn.ModuleList([backbone, network]).to(memory_format=torch.channels_last)  # as longspan places networks
    last = images.contiguous(memory_format=torch.channels_last)
    reference = torchvisions(trunk, size_px, masks)
    wanted = [
        {"boxes": row[:, :4], "labels": torch.ones(THINGS, dtype=torch.int64), "masks": each.to(torch.uint8)}
        for row, each in zip(targets, drawn, strict=True)
    ]
    sides = {
        "longspan": stepper(
            both,
            lambda: (
                network(FeatureMaps(last, backbone.features(last))).losses(targets, drawn if masks else None).mean()
            ),
        ),
        "torchvision": stepper(reference, lambda: torch.stack([*reference(list(images), wanted).values()]).sum()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for step in range(steps + 1):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            if step:  # the first fills caches
                seconds[name].append((time.perf_counter() - start) / rows)
    medians = {name: round(statistics.median(times), 4) for name, times in seconds.items()}
    return {
        "network": "Mask R-CNN" if masks else "Faster R-CNN",
        "trunk": trunk,
        "size_px": size_px,
        "seconds_a_image": medians,
        "ratio": round(medians["longspan"] / medians["torchvision"], 3),
        "all": {name: [round(each, 4) for each in times] for name, times in seconds.items()},
    }


def main() -> None:
    """Measure both networks on every trunk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--size", default="320x384")
    parser.add_argument("--trunks", default="squeezenet1_1,resnet50")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    height, width = (int(side) for side in options.size.split("x"))
    results: dict[str, object] = {
        "versions": {"longspan": __version__, "torch": torch.__version__, "torchvision": torchvision.__version__},
        "machine": {"processor": platform.processor() or platform.machine(), "threads": options.threads},
        "rows": options.rows,
    }
    found = []
    for trunk in options.trunks.split(","):
        for masks in (False, True):
            found.append(measure(trunk, (height, width), options.rows, masks, options.steps))
            print(json.dumps({name: value for name, value in found[-1].items() if name != "all"}), flush=True)
            RESULTS.write_text(json.dumps({**results, "measured": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
