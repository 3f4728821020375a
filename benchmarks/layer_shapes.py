"""What shapes of layers cost: AlexNet by kind, GoogLeNet without its 1 x 1 convolutions, one 5 x 5 against two 3 x 3.

    OMP_NUM_THREADS=2 python benchmarks/layer_shapes.py

AlexNet with fresh weights, batches of 32: the fractions of the layers' seconds that go to convolutions, forward and
backward, beside those of Jia 2014 (forward alone: 89 % on a CPU, 95 % on a GPU). GoogLeNet as published (5 x 5
convolutions where torchvision has 3 x 3), with the 1 x 1 convolutions that reduce the channels before each 3 x 3 and
5 x 5, and without them; the layer outputs have the same shapes. One convolution of 5 x 5 against two of 3 x 3, 64
channels. Counts are exact; only the seconds depend on the machine. Writes `benchmarks/results/layer_shapes.json` and
`docs/images/layer_shapes.png`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import get_model

import longspan as ls
from longspan.report import describe_environment
from longspan.report.canvas import COLOURS, new_axes

RESULTS = Path(__file__).parent / "results" / "layer_shapes.json"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "layer_shapes.png"
BOOK = {"cpu": 0.89, "gpu": 0.95}
"""Forward pass: Jia 2014, Learning semantic image representations at a large scale, as cited in the textbooks."""


def alexnet(batch: int, repeats: int) -> dict[str, Any]:
    """Fractions of seconds by kind of layer, and the seconds of each."""
    torch.manual_seed(0)
    network = get_model("alexnet", weights=None)
    costs = ls.explain.layer_costs(network, [torch.randn(batch, 3, 224, 224)], repeats=repeats, fields=False)
    shares = {
        kind: {"forward": round(forward, 4), "backward": round(backward, 4)}
        for kind, (forward, backward) in costs.by_kind().items()
    }
    adds = sum(each.multiply_adds for each in costs.layers if each.kind == "Conv2d") / costs.multiply_adds
    return {
        "batch": batch, "threads": costs.threads, "device": costs.device,
        "forward_seconds": round(costs.forward_seconds, 4), "backward_seconds": round(costs.backward_seconds, 4),
        "fractions": shares, "convolutions_of_multiply_adds": round(adds, 4), "book_forward": BOOK,
    }  # fmt: skip


def googlenets() -> dict[str, nn.Module]:
    """By name; without weights, on no device."""
    found = {}
    with torch.device("meta"):
        for name in ("as in torchvision", "with 1 x 1", "without 1 x 1"):
            network = get_model("googlenet", weights=None, init_weights=False, aux_logits=False)
            for block in network.children():
                if name != "as in torchvision" and hasattr(block, "branch3"):
                    _reshape(block, reduced=name == "with 1 x 1")
            found[name] = network.eval()
    return found


def _reshape(block: Any, *, reduced: bool) -> None:
    """The published 5 x 5 in place of torchvision's 3 x 3; without reductions 3 x 3 and 5 x 5 read all channels."""
    channels = block.branch2[0].conv.in_channels
    for branch, kernel in ((block.branch2, 3), (block.branch3, 5)):
        old = branch[1].conv
        reads = old.in_channels if reduced else channels
        branch[1].conv = nn.Conv2d(reads, old.out_channels, kernel, padding=kernel // 2, bias=False)
        if not reduced:
            branch[0] = nn.Identity()


def counted(network: nn.Module, images: torch.Tensor) -> dict[str, int]:
    """Parameters, and multiply-adds of one image."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(images)
    parameters = sum(each.numel() for each in network.parameters())
    return {"parameters": parameters, "multiply_adds": counter.get_total_flops() // 2 // len(images)}


def kernels() -> dict[str, dict[str, int]]:
    """One 5 x 5 and two 3 x 3 of 64 channels, on maps of 28 x 28."""
    found = {}
    for name, sizes in (("one 5 x 5", (5,)), ("two 3 x 3", (3, 3))):
        layers = [nn.Conv2d(64, 64, size, padding=size // 2, bias=False) for size in sizes]
        network = nn.Sequential(*layers)
        field = ls.explain.receptive_fields(network, torch.zeros(2, 64, 28, 28))[""]
        weights = sum(size * size for size in sizes)
        found[name] = {
            "sees_px": int(field.height_px), "weights_of_a_filter": weights,
            **counted(network, torch.zeros(1, 64, 28, 28)),
        }  # fmt: skip
    return found


def draw(results: dict[str, Any]) -> None:
    """Multiply-adds and parameters, each as a fraction of the dearer of two designs."""
    names = {
        "GoogLeNet with 1 x 1": ("googlenet", "with 1 x 1", "without 1 x 1"),
        "GoogLeNet without": ("googlenet", "without 1 x 1", "without 1 x 1"),
        "two 3 x 3": ("kernels", "two 3 x 3", "one 5 x 5"),
        "one 5 x 5": ("kernels", "one 5 x 5", "one 5 x 5"),
    }
    figure, axes = new_axes(2, width_px=720, height_px=170)
    for panel, what in zip(axes, ("multiply_adds", "parameters"), strict=True):
        lengths = [results[part][own][what] / results[part][other][what] for part, own, other in names.values()]
        panel.barh(range(len(names)), lengths, height=0.7, color=[COLOURS[0], COLOURS[6]] * 2)
        panel.set_yticks(range(len(names)), [*names])
        panel.invert_yaxis()
        panel.set_xlabel(f"{what.replace('_', '-')}, fraction of the dearer")
        for place, length in enumerate(lengths):
            panel.text(length - 0.02, place, f"{length:.2f}", ha="right", va="center", color="white")
    axes[1].set_yticklabels([])
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110, facecolor="white", bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    results = {
        "alexnet": alexnet(options.batch, options.repeats),
        "googlenet": {
            name: counted(network, torch.zeros(1, 3, 224, 224, device="meta")) for name, network in googlenets().items()
        },
        "kernels": kernels(),
    }
    convolutions = results["alexnet"]["fractions"]["Conv2d"]
    print(
        f"AlexNet: convolutions take {100 * convolutions['forward']:.0f} % of the forward and "
        f"{100 * convolutions['backward']:.0f} % of the backward pass (the book, forward: 89 % on a CPU, 95 % on a GPU)"
    )
    for name, counts in {**results["googlenet"], **results["kernels"]}.items():
        print(f"{name:18}", counts)
    draw(results)
    RESULTS.write_text(
        json.dumps(
            {
                "command": f"OMP_NUM_THREADS=2 python benchmarks/layer_shapes.py --batch {options.batch} --repeats "
                    f"{options.repeats}",
                "environment": describe_environment(device="cpu", precision="float32"), **results,
            },
            indent=1,
        )
        + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
