"""What each layer learned, as a section of a report: patches beside their reconstructions, and their purity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from longspan.explain.learned_layers import ChannelPatches, LayerPatches
from longspan.explain.learned_phrases import ChannelPhrases, LayerPhrases
from longspan.report import CaptionedImage, Document

__all__ = ["add_learned_layers", "channel_sheet", "sees"]

_TILE_PX = 64
_ACROSS = 3
_GAP_PX = 2


def add_learned_layers(page: Document, layers: Sequence[LayerPatches] | Sequence[LayerPhrases]) -> None:
    """Add a section with a sheet of every layer, and a table of how alike the patches, or phrases, are in meaning."""
    page.section("What each layer learned").text(_explained(layers))
    known = [layer for layer in layers if layer.purity is not None]
    if known:
        page.table(
            {
                "layer": layer.name, "sees": sees(layer), "purity": layer.purity.trained,
                "from": layer.purity.interval[0], "to": layer.purity.interval[1], "random weights": layer.purity.random,
                "random, from": layer.purity.random_interval[0], "random, to": layer.purity.random_interval[1],
                "by chance": layer.purity.chance,
            }
            for layer in known
            if layer.purity is not None
        )  # fmt: skip
        page.text(_verdict(known))
    for layer in layers:
        caption = f"{layer.name or 'backbone'}: a place sees {sees(layer)}"
        if isinstance(layer, LayerPhrases):
            page.table(
                [
                    {"channel": str(each.channel), "strongest, from the first": _phrases(each), "rows": _of(each)}
                    for each in layer.channels
                ],
                caption=caption,
            )
            continue
        page.images(
            [
                CaptionedImage(
                    channel_sheet(each), f"channel {each.channel}",
                    note="; ".join(note for note in (_of(each), *each.places[:1]) if note),
                )
                for each in layer.channels
            ],
            caption=caption,
        )  # fmt: skip


def _explained(layers: Sequence[LayerPatches] | Sequence[LayerPhrases]) -> str:
    if any(isinstance(layer, LayerPhrases) for layer in layers):
        return (
            "For each channel the words and phrases that excite it most, cut by its receptive field, each once. There "
            "are no reconstructions: a word is there or not, it has no pixels. Layers from the text upwards."
        )
    what = "pieces of images"
    if any(each.places for layer in layers if isinstance(layer, LayerPatches) for each in layer.channels):
        what = "stretches of spectrograms (time to the right, frequency upwards; the place is that of the strongest)"
    return (
        f"For each channel the {what} that excite it most, cut by its receptive field, and beside them what "
        "in each does so, projected back through the network (a deconvolution network with switches, Zeiler and Fergus "
        "2013). Layers from the input upwards."
    )


def _phrases(channel: ChannelPhrases) -> str:
    return " | ".join(each.strip() or repr(each) for each in channel.phrases)


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


def sees(layer: LayerPatches | LayerPhrases) -> str:
    """The receptive field in words."""
    if isinstance(layer, LayerPhrases):
        return "1 token" if layer.tokens == 1 else f"{layer.tokens} tokens"
    seen = layer.field
    if seen.whole:
        return "all"
    height, width = ("all" if math.isinf(side) else f"{side:g}" for side in (seen.height_px, seen.width_px))
    sounds = any(each.places for each in layer.channels)
    return f"{height} bands x {width} frames" if sounds else f"{height} x {width} px"


def _of(channel: ChannelPatches | ChannelPhrases) -> str:
    """How many of the rows are of which class."""
    if not channel.labels:
        return ""
    counts = {label: channel.labels.count(label) for label in dict.fromkeys(channel.labels)}
    most = sorted(counts.items(), key=lambda each: -each[1])[:2]
    return ", ".join(f"{count} {label}" for label, count in most)


def _verdict(layers: Sequence[LayerPatches | LayerPhrases]) -> str:
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
        "Purity is how often two of a channel's strongest patches or phrases are of one class; intervals are 95 %, "
        "over channels. "
        f"In the deepest layer they are {alike}. {deeper}: {first.trained:.2f} in the first of these layers, "
        f"{last.trained:.2f} in the last."
    )
