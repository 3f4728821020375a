"""What the layers of a network cost, as a page."""

from __future__ import annotations

from pathlib import Path

from longspan.explain.layer_costs import LayerCost, LayerCosts
from longspan.report import Document
from longspan.report.explanation_figures import stacked_bars

__all__ = ["add_layer_times", "pixels_seen", "write_layer_costs"]

_BARS = 24


def write_layer_costs(path: str | Path, costs: LayerCosts, *, title: str) -> None:
    """Write one HTML file: seconds by kind of layer and by layer, and a table of all.

    Args:
        path: Of the page.
        costs: From `layer_costs`.
        title: What was measured.
    """
    page = Document(
        title, subtitle=f"Batches of {costs.batch} on {costs.device}, {costs.threads} threads, evaluation mode."
    )  # fmt: skip
    page.headline("forward", f"{1000 * costs.forward_seconds:.4g} ms", "the whole network, one batch")
    page.headline("backward", f"{1000 * costs.backward_seconds:.4g} ms")
    page.headline("parameters", costs.parameters)
    page.headline("multiply-adds", costs.multiply_adds // costs.batch, "one row, forward")
    page.section("By kind of layer")
    add_layer_times(page, costs, figure_in="Longest layers")
    page.section("All layers").text(
        "Each layer was measured by itself, on the input that it gets inside the network. What runs between layers, "
        "such as additions, counts for the whole only. The receptive field is what one place of the output sees."
    )
    page.table(
        {
            "layer": each.name, "kind": each.kind, "output": " x ".join(map(str, each.output[1:])),
            "parameters": each.parameters, "multiply-adds": each.multiply_adds // costs.batch,
            "output, KB": round(each.output_bytes / 1000 / costs.batch, 1), "receptive field, px": pixels_seen(each),
            "forward, ms": round(1000 * each.forward_seconds, 3),
            "backward, ms": round(1000 * each.backward_seconds, 3),
        }
        for each in costs.layers
    )  # fmt: skip
    page.section("Environment").environment()
    page.save(path)


def add_layer_times(page: Document, costs: LayerCosts, *, figure_in: str | None = None) -> None:
    """Add a table of seconds by kind of layer, and the longest layers as a figure, in a section of its own if named."""
    page.table(
        {"layer": kind, "forward": f"{100 * forward:.1f} %", "backward": f"{100 * backward:.1f} %"}
        for kind, (forward, backward) in costs.by_kind().items()
    )
    longest = sorted(costs.layers, key=lambda each: -each.seconds)[:_BARS]
    if figure_in is not None:
        page.section(figure_in)
    page.figure(
        stacked_bars(
            [each.name for each in longest],
            {
                "forward": [1000 * each.forward_seconds for each in longest],
                "backward": [1000 * each.backward_seconds for each in longest],
            },
            label="milliseconds a batch",
        )
    )


def pixels_seen(layer: LayerCost) -> str:
    """The receptive field in words: "35", "35 x 7", "all", or nothing where it is not known."""
    field = layer.receptive_field
    if field is None:
        return ""
    if field.whole:
        return "all"
    height, width = (f"{side:,.0f}" for side in (field.height_px, field.width_px))
    return height if height == width else f"{height} x {width}"
