"""Counts parameters and multiply-adds of every registered network and writes the table that `catalogue` reads.

    python -m longspan.models.measure

The networks run without numbers, so that the largest needs no memory. Run it again when a model is added.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from longspan.columns.ragged import pad
from longspan.columns.spec import FeaturesSpec, TokensSpec
from longspan.light_torchvision import import_torchvision
from longspan.models.entries import MODELS
from longspan.models.model_info import TABLE_NAME, ModelInfo
from longspan.models.registry import create
from longspan.models.vision.families import FAMILIES
from longspan.models.vision.torchvision_nets import LAYOUTS_NAME, build_published, find_layout
from longspan.models.vision.vgg16 import FromPublished
from longspan.nn.without_memory import without_memory

__all__ = ["measure_own", "measure_published", "write_layouts", "write_table"]

_OWN_CLASSES = 10
_STEPS = 100
_TABLE = FeaturesSpec(numbers=8, categories=(10,) * 4, edges=(tuple(range(49)),) * 8)
"""What networks of tables are measured on: 8 numbers and 4 categories of 10 classes."""


_TEXT = TokensSpec(vocab_size=10_000, max_length=256)
"""What networks of texts are measured on: 100 tokens, of a vocabulary of 10,000."""


def measure_own(name: str) -> ModelInfo:
    """Measure a network of longspan's own or of a plug-in, with a Linear to 10 classes."""
    own = MODELS[name]
    if own.reads == "tokens":
        return _measure_text_reader(name)
    if own.reads == "sequence":
        return _measure_sequence_reader(name)
    table = own.reads == "features"
    channels, size_px = (0, (0, 0)) if table else (own.channels_in, own.size_px)
    with without_memory():
        if table:
            model = create(name, inputs={"features": _TABLE})
        else:
            model = create(name, in_channels=channels, size_px=size_px)
    whole = nn.Sequential(model, nn.Linear(model.num_features, _OWN_CLASSES))
    shape = (_TABLE.numbers + len(_TABLE.categories),) if table else (channels, *size_px)
    parameters, multiply_adds = _count(whole, shape)
    return ModelInfo(
        name=name,
        parameters=parameters,
        multiply_adds=multiply_adds,
        size_px=size_px,
        channels_in=channels,
        classes=_OWN_CLASSES,
        source=own.source,
        imagenet=isinstance(model, FromPublished),
    )


def measure_published(name: str, source: str) -> ModelInfo:
    """Measure a whole torchvision network at the size its `DEFAULT` weights were evaluated at."""
    get_model_weights = import_torchvision().models.get_model_weights

    transforms = get_model_weights(name)["DEFAULT"].value.transforms()
    size_px = (transforms.crop_size[0], transforms.crop_size[0])
    with without_memory():
        net = build_published(name, size_px)
    parameters, multiply_adds = _count(net, (3, *size_px))
    return ModelInfo(
        name=name,
        parameters=parameters,
        multiply_adds=multiply_adds,
        size_px=size_px,
        channels_in=3,
        classes=1000,
        source=source,
        imagenet=True,
    )


def write_table(path: Path) -> int:
    """Measure every registered network and write the table to `path`; gives how many there are."""
    rows = [
        measure_published(name, entry.source) if entry.published else measure_own(name)
        for name, entry in MODELS.items()
    ]
    lines = ",\n".join(json.dumps(dataclasses.asdict(row)) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return len(rows)


def write_layouts(path: Path) -> int:
    """Find the layout of every network of torchvision and write them to `path`; gives how many there are."""
    names = [name for family in FAMILIES for name in family.names]
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(dataclasses.asdict(find_layout(name)))}" for name in names)
    version = import_torchvision().__version__.partition("+")[0]
    path.write_text(f'{{"torchvision": "{version}", "layouts": {{\n{lines}\n}}}}\n', encoding="utf-8")
    return len(names)


@torch.no_grad()
def _measure_sequence_reader(name: str) -> ModelInfo:
    """Measure a network that reads sequences, pooled, on one of 100 steps."""
    own = MODELS[name]
    model = create(name, in_channels=own.channels_in, size_px=own.size_px, pool="avg")
    whole = nn.Sequential(model, nn.Linear(model.num_features, _OWN_CLASSES)).eval()
    with FlopCounterMode(display=False) as counter:
        whole(pad([torch.zeros(_STEPS, own.channels_in)]))
    return ModelInfo(
        name=name,
        parameters=sum(parameter.numel() for parameter in whole.parameters()),
        multiply_adds=counter.get_total_flops() // 2,
        size_px=(1, _STEPS),
        channels_in=own.channels_in,
        classes=_OWN_CLASSES,
        source=own.source,
        imagenet=False,
    )


@torch.no_grad()
def _measure_text_reader(name: str) -> ModelInfo:
    """Measure a network that reads texts on one of 100 tokens."""
    own = MODELS[name]
    model = create(name, inputs={"text": _TEXT})
    whole = nn.Sequential(model, nn.Linear(model.num_features, _OWN_CLASSES)).train()
    # In training mode, and without the kernels of oneDNN: their fused layers hide what they multiply.
    with warnings.catch_warnings(), FlopCounterMode(display=False) as counter:
        warnings.simplefilter("ignore")  # of oneDNN, about graphics cards
        with torch.backends.mkldnn.flags(enabled=False):
            whole(pad([torch.ones(_STEPS, dtype=torch.int64)]))
    return ModelInfo(
        name=name,
        parameters=sum(parameter.numel() for parameter in whole.parameters()),
        multiply_adds=counter.get_total_flops() // 2,
        size_px=(1, _STEPS),
        channels_in=0,
        classes=_OWN_CLASSES,
        source=own.source,
        imagenet=False,
    )


@torch.no_grad()
def _count(net: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    net = net.to("meta").eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.empty(1, *shape, device="meta"))
    return sum(parameter.numel() for parameter in net.parameters()), counter.get_total_flops() // 2


if __name__ == "__main__":
    table = Path(__file__).with_name(TABLE_NAME)
    print(f"{write_table(table)} networks measured: {table}")
    layouts = Path(__file__).with_name("vision") / LAYOUTS_NAME
    print(f"{write_layouts(layouts)} layouts found: {layouts}")
