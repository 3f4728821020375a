"""What each layer learned, as a section of a report: patches beside their reconstructions, and their purity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from longspan.explain.learned_layers import ChannelPatches, LayerPatches
from longspan.report import CaptionedImage, Document

__all__ = ["add_learned_layers", "channel_sheet"]

_TILE_PX = 64
_ACROSS = 3
_GAP_PX = 2


def add_learned_layers(page: Document, layers: Sequence[LayerPatches]) -> None:
    """Add a section with a sheet of every layer, and a table of how alike the patches are in meaning."""
    page.section("What each layer learned").text(
        "For each channel the pieces of images that excite it most, cut by its receptive field, and beside them what "
        "in each does so, projected back through the network (a deconvolution network with switches, Zeiler and Fergus "
        "2013). Layers from the image upwards."
    )
    known = [layer for layer in layers if layer.purity is not None]
    if known:
        page.table(
            {
                "layer": layer.name, "sees, px": _seen(layer), "purity": layer.purity.trained,
                "from": layer.purity.interval[0], "to": layer.purity.interval[1], "random weights": layer.purity.random,
                "random, from": layer.purity.random_interval[0], "random, to": layer.purity.random_interval[1],
                "by chance": layer.purity.chance,
            }
            for layer in known
            if layer.purity is not None
        )  # fmt: skip
        page.text(_verdict(known))
    for layer in layers:
        page.images(
            [CaptionedImage(channel_sheet(each), f"channel {each.channel}", note=_of(each)) for each in layer.channels],
            caption=f"{layer.name or 'backbone'}: a place sees {_seen(layer)} px",
        )


def channel_sheet(channel: ChannelPatches) -> np.ndarray:
    """Patches at the left and reconstructions at the right, `(H, W, 3)` uint8."""
    halves = [_grid(images) for images in (channel.patches, channel.reconstructions)]
    gap = np.full((halves[0].shape[0], 3 * _GAP_PX, 3), 255, np.uint8)
    return np.concatenate([halves[0], gap, halves[1]], axis=1)


def _grid(images: Sequence[np.ndarray]) -> np.ndarray:
    down = -(-len(images) // _ACROSS)
    step = _TILE_PX + _GAP_PX
    page = np.full((down * step - _GAP_PX, _ACROSS * step - _GAP_PX, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = number // _ACROSS * step, number % _ACROSS * step
        page[top : top + _TILE_PX, left : left + _TILE_PX] = _tile(image)
    return page


def _tile(image: np.ndarray) -> np.ndarray:
    """A piece of any size at the size of a tile, in colour; small ones keep their pixels."""
    grey = image[..., 0] if image.shape[-1] == 1 else image
    how = Image.Resampling.NEAREST if max(image.shape[:2]) < _TILE_PX else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(grey).convert("RGB").resize((_TILE_PX, _TILE_PX), how))


def _seen(layer: LayerPatches) -> str:
    seen = layer.field
    return "all" if seen.whole else f"{seen.height_px:g} x {seen.width_px:g}"


def _of(channel: ChannelPatches) -> str:
    """How many of the patches are of which class."""
    if not channel.labels:
        return ""
    counts = {label: channel.labels.count(label) for label in dict.fromkeys(channel.labels)}
    most = sorted(counts.items(), key=lambda each: -each[1])[:2]
    return ", ".join(f"{count} {label}" for label, count in most)


def _verdict(layers: Sequence[LayerPatches]) -> str:
    first, last = layers[0].purity, layers[-1].purity
    assert first is not None
    assert last is not None
    alike = (
        "more alike in meaning than those of random weights"
        if last.interval[0] > last.random_interval[1]
        else "not certainly more alike in meaning than those of random weights"
    )
    deeper = (
        "Meaning grows with depth"
        if last.interval[0] > first.interval[1]
        else "Meaning does not certainly grow with depth"
    )
    return (
        "Purity is how often two of a channel's strongest patches are of one class; intervals are 95 %, over channels. "
        f"In the deepest layer patches are {alike}. {deeper}: {first.trained:.2f} in the first of these layers, "
        f"{last.trained:.2f} in the last."
    )
