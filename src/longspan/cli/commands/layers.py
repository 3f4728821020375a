"""`longspan layers`: what each layer of a network costs, and how much of an image it sees."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_device, check_model
from longspan.cli.known_names import names_are_known
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, label, print_table, writing
from longspan.cli.sources import check_source
from longspan.errors import ConfigError, unknown_name
from longspan.valid_values import stored_networks

if TYPE_CHECKING:
    from torch import nn

    from longspan.explain.layer_costs import LayerCosts

__all__ = ["layers"]

_SHOWN, _CLASSES = 15, 10


def layers(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, or the name of a network for images.")],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="Rows that a model file reads.  [default: noise, for a network that reads one image]",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None, Opt(metavar="PX", help="Side of the images.  [default: the network's own]", show_default=False)
    ] = None,
    batch: Annotated[int, Opt(metavar="N", help="Rows in a batch.")] = 8,
    repeats: Annotated[int, Opt(metavar="N", help="Repeats of each measurement; their median counts.")] = 5,
    device: flags.Device = "auto",
    out: Annotated[str | None, Opt(metavar="FILE", help="Write a page with all layers here.")] = None,
    as_json: Annotated[bool, Opt("--json", help="Print all layers as one JSON object.")] = False,
) -> None:
    """Show where a network's time, arithmetic and memory go, layer by layer, and what each layer sees of the image.

    Forward and backward pass are timed. A network that is named gets fresh weights and ten classes.
    """
    for option, value in (("--batch", batch), ("--repeats", repeats), ("--size", size)):
        if value is not None and value < 1:
            raise ConfigError(f"{option} must be at least 1, got {value}.")
    stored = Path(model).exists() or Path(model).suffix != ""
    if stored:
        check_model(model, device)
        if size is not None:
            raise ConfigError("--size is for a network that is named; a model file knows the size of its images.")
    else:
        check_device(device)
        if names_are_known():
            _check_name(model, [info["name"] for info in stored_networks()])
        if source is not None:
            raise ConfigError("SOURCE is for a model file; a network that is named reads noise.")
    if source is not None:
        check_source(source)

    from longspan.explain.layer_costs import layer_costs

    with interruptible(lambda: "Nothing was written."):
        if stored:
            network, inputs = _trained(model, source, batch, device)
        else:
            network, inputs = _fresh(model, size, batch, device)
        costs = layer_costs(network, inputs, repeats=repeats)
    if as_json:
        print(json.dumps({"model": model, **asdict(costs)}, indent=2))
    else:
        _tell(model, costs)
    if out is not None:
        from longspan.explain.layer_costs_page import write_layer_costs

        with writing(Path(out), "--out"):
            write_layer_costs(out, costs, title=f"Layers of {Path(model).name}")
        if not as_json:
            print(label("page", out))


def _check_name(name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise unknown_name("network", name, known)


def _fresh(name: str, size: int | None, batch: int, device: str) -> tuple[nn.Module, list[Any]]:
    """A network by name with ten classes, and noise for it."""
    import torch
    from torch import nn

    from longspan.inference.precision import pick_device
    from longspan.models import create
    from longspan.models.catalogue import catalogue

    known = {each.name: each for each in catalogue()}
    _check_name(name, known)
    info = known[name]
    if info.channels_in == 0 or 1 in info.size_px:
        raise ConfigError(f"{name} does not read images. Train it, and give its model file and SOURCE.")
    size_px = info.size_px if size is None else (size, size)
    backbone = create(name, in_channels=info.channels_in, size_px=size_px)
    network = nn.Sequential()
    network.add_module("backbone", backbone)
    network.add_module("classes", nn.Linear(backbone.num_features, _CLASSES))
    place = pick_device(device)
    return network.to(place), [torch.randn(batch, info.channels_in, *size_px, device=place)]


def _trained(model: str, source: str | None, batch: int, device: str) -> tuple[nn.Module, list[Any]]:
    """The network in a model file, and a batch of rows for it."""
    import torch

    from longspan.columns import ImageSpec
    from longspan.inference.new_inputs import read_inputs
    from longspan.inference.source import prepare_inputs
    from longspan.systems.function_registry import load_with_functions

    predictor = load_with_functions(model, device=device).single_network("be measured layer by layer")
    if source is not None:
        from longspan.cli.sources import rows_for

        table = rows_for(predictor, source)
        rows = torch.arange(min(batch, len(table)))
        read = read_inputs(table.take(rows.numpy()), predictor.inputs, predictor.heads)
        (taken,) = read.samples.batches(rows, len(rows))
        return predictor.network, list(prepare_inputs(taken.to(predictor.device), predictor.inputs))
    columns = [*predictor.inputs.values()]
    size_px = getattr(columns[0], "size_px", None)
    if len(columns) != 1 or not columns[0].encodes_pixels or size_px is None:
        raise ConfigError(
            f"{model} reads {', '.join(f'{name} ({column.kind})' for name, column in predictor.inputs.items())}: give "
            "SOURCE, the rows to measure on."
        )
    spec = columns[0].spec()
    assert isinstance(spec, ImageSpec)
    return predictor.network, [torch.randn(batch, spec.channels, *size_px, device=predictor.device)]


def _tell(model: str, costs: LayerCosts) -> None:
    from longspan.explain.layer_costs_page import pixels_seen

    print(label("network", f"{model}: {costs.parameters:,} parameters, {len(costs.layers)} layers"))
    print(label("row", f"{costs.multiply_adds // costs.batch:,} multiply-adds forward"))
    print(label("batch", f"of {costs.batch} on {costs.device}, threads: {costs.threads}"))
    print(label("forward", f"{1000 * costs.forward_seconds:.4g} ms"))
    print(label("backward", f"{1000 * costs.backward_seconds:.4g} ms\n"))
    print_table(
        ["kind", "forward", "backward"],
        [[kind, f"{100 * one:.1f} %", f"{100 * two:.1f} %"] for kind, (one, two) in costs.by_kind().items()],
        right=(1, 2),
    )
    if costs.fields_unknown is not None:
        print("\n" + label("note", f"receptive fields are not known: {costs.fields_unknown}"))
    longest = sorted(costs.layers, key=lambda each: -each.seconds)[:_SHOWN]
    shown = [each for each in costs.layers if each in longest]
    print(f"\nThe {len(shown)} layers that take longest, in the order in which they run:\n")
    print_table(
        ["layer", "kind", "output", "parameters", "multiply-adds", "sees, px", "forward", "backward"],
        [
            [
                each.name, each.kind, "x".join(map(str, each.output[1:])), f"{each.parameters:,}",
                f"{each.multiply_adds // costs.batch:,}", pixels_seen(each),
                f"{1000 * each.forward_seconds:.3f} ms", f"{1000 * each.backward_seconds:.3f} ms",
            ]
            for each in shown
        ],
        right=(3, 4, 5, 6, 7),
    )  # fmt: skip
