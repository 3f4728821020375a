"""What each layer of a network of images or sounds learned: the patches that excite its channels, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from longspan.audio import AudioFeatures
from longspan.columns.spec import ImageSpec, TokensSpec
from longspan.data import Table, encode_rows
from longspan.errors import ConfigError, data_error
from longspan.explain.deconvolution import reconstruct
from longspan.explain.expected_cost import HOUR, check_cost
from longspan.explain.layer_maps import chosen_layers, fields_of, strongest, with_random_weights
from longspan.explain.purity import Purity, classes_of, purity_of
from longspan.explain.receptive_field import ReceptiveField
from longspan.inference.network import eval_view
from longspan.inference.predictor import Predictor
from longspan.portable.new_values import with_inputs
from longspan.randomness import permutation

__all__ = [
    "ChannelPatches",
    "LayerPatches",
    "learned_layers",
    "loudest_channels",
    "network_with_maps",
    "reads_maps",
    "reads_texts",
]

_BATCH = 16
_PROBED_ROWS = 8
_CONTRAST = 0.999


@final
@dataclass(frozen=True, eq=False, slots=True)
class ChannelPatches:
    """One channel of a layer."""

    channel: int
    patches: tuple[np.ndarray, ...]
    """The pieces of images, or spectrograms, that excite it most, `(h, w, C)` uint8, the strongest first; grey outside
    the image. Of spectrograms low frequencies are at the bottom."""
    reconstructions: tuple[np.ndarray, ...]
    """What in each of them does: projected back by a deconvolution network, `(h, w, C)` uint8, grey for nothing."""
    rows: tuple[int, ...]
    """Of the table, from which they are."""
    activations: tuple[float, ...]
    labels: tuple[Any, ...]
    """Of these rows; empty without classes."""
    places: tuple[str, ...] = ()
    """Of sounds: when each patch is, and at which frequencies."""


@final
@dataclass(frozen=True, eq=False, slots=True)
class LayerPatches:
    """One layer."""

    name: str
    field: ReceptiveField
    channels: tuple[ChannelPatches, ...]
    purity: Purity | None
    """None without classes."""


def learned_layers(
    model: Any,
    table: Table,
    *,
    layers: Sequence[str] | None = None,
    channels: int = 6,
    patches: int = 9,
    rows: int = 400,
    target: str | None = None,
    seed: int = 0,
    max_seconds: float | None = HOUR,
) -> list[LayerPatches]:
    """The strongest patches of a few channels of some layers, their reconstructions, and how alike they are in meaning.

    Source: Zeiler and Fergus 2013, "Visualizing and understanding convolutional networks", section 2.1 and figure 2.
    A deconvolution network with switches is the backward pass with another rule for rectifiers (Springenberg et al.
    2014, section 3.4): convolutions go back through the same filters, maximum pooling through the places of the maxima,
    and every rectifier lets through what is positive on the way back. Differs: of an image each channel gets its
    strongest place only, so that nine patches are of nine images; batch normalisation scales the signal back;
    smooth and leaky rectifiers count as such, and saturating ones go back by their derivative. Sounds are read as
    images of their spectrograms: patches are stretches of time and bands of frequency.

    Args:
        model: A trained network that reads one image, or one sound as an image, or a Learner.
        table: Rows with images or sounds, best ones that it was not trained on; with the target, purity is measured.
        layers: Names of modules in the backbone that give maps; None: five depths.
        channels: Shown of each layer: those whose strongest patch stands out most.
        patches: Of each channel.
        rows: At most so many are looked at, drawn at random.
        target: Whose classes are counted, of a model with several; it must predict classes for a purity.
        seed: Of the draw, and of the random weights.
        max_seconds: Refused if it would take longer; None: never.

    Raises:
        ConfigError: a model that does not read exactly one image or sound (of texts see `learned_phrases`), has no
            convolutions, or options out of range.
        UnknownNameError: there is no such layer; with the nearest name.
        DataError: images that cannot be read.
    """
    if channels < 1 or patches < 2:
        raise ConfigError(f"channels must be at least 1 and patches at least 2, got {channels} and {patches}.")
    predictor = network_with_maps(model)
    taken = np.sort(permutation(seed, "learned layers", 0, len(table)).numpy()[:rows])
    if len(taken) < patches:
        raise ConfigError(f"There are {len(taken)} rows, but {patches} patches of each channel are of as many images.")
    backbone = eval_view(predictor.network).get_submodule("backbone")
    prepared, _ = _read(predictor, table, taken[:1])
    fields = fields_of(backbone, prepared)
    chosen = chosen_layers(backbone, fields, layers)
    labels = classes_of(predictor, table, taken, target)

    def probe() -> int:
        strongest(backbone, _read(predictor, table, taken[:_PROBED_ROWS])[0], chosen)
        return min(_PROBED_ROWS, len(taken))

    # Read once, looked at twice, and a pass back of each patch takes about as long as reading and two passes.
    units = 2 * len(taken) + 2 * len(chosen) * channels * patches
    check_cost("What each layer learned", units, probe, each=_PROBED_ROWS, max_seconds=max_seconds)
    prepared, pixels = _read(predictor, table, taken)
    found_by_layer = strongest(backbone, prepared, chosen)
    again = strongest(with_random_weights(predictor, seed), prepared, chosen) if labels is not None else {}
    found = []
    for name in chosen:
        values, places, widths = found_by_layer[name]
        purity = None
        if labels is not None:
            purity = purity_of(values, again[name][0], labels, patches)
        shown = tuple(
            _channel(
                predictor, backbone, name, channel, values, places, widths, fields[name], prepared, pixels, taken,
                labels, patches,
            )
            for channel in loudest_channels(values, patches, channels)
        )  # fmt: skip
        found.append(LayerPatches(name, fields[name], shown, purity))
    return found


def network_with_maps(model: Any) -> Predictor:
    """The predictor of a model that reads exactly one image, or one sound as an image."""
    model = model.predictor() if hasattr(model, "predictor") else model
    if not hasattr(model, "single_network"):
        raise ConfigError(f"Only trained networks have layers that learned something, not {type(model).__name__}.")
    predictor = model.single_network("show what each layer learned")
    columns = [*predictor.inputs.values()]
    if len(columns) != 1 or not reads_maps(columns[0]):
        kinds = ", ".join(f"{name} ({column.kind})" for name, column in predictor.inputs.items())
        hint = (
            " Of a network of texts, learned_phrases shows it." if len(columns) == 1 and reads_texts(predictor) else ""
        )
        raise ConfigError(
            "What each layer learned is shown for networks that read one image, or one sound as an image; this one "
            f"reads {kinds}.{hint}"
        )
    return predictor


def reads_maps(column: Any) -> bool:
    """Whether a network sees the values of a column as images: photos, or spectrograms."""
    return isinstance(column.spec(), ImageSpec)


def reads_texts(predictor: Any) -> bool:
    """Whether a network reads one text as tokens."""
    columns = [*predictor.inputs.values()]
    return len(columns) == 1 and isinstance(columns[0].spec(), TokensSpec)


def _read(predictor: Predictor, table: Table, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Prepared images `(N, C, H, W)`, and their pixels `(N, H, W, C)` uint8; of sounds their spectrograms."""
    ((name, column),) = predictor.inputs.items()
    samples = encode_rows(with_inputs(table, predictor.inputs), rows, {name: column}, {})
    if samples.faults():
        raise data_error("Rows that cannot be read:", list(samples.faults().values()))
    encoded = samples.inputs[name].read(torch.from_numpy(rows))
    prepared = torch.cat([column.prepare(part.to(predictor.device), None).float() for part in encoded.split(_BATCH)])
    if column.encodes_pixels:
        return prepared, encoded
    # Of a spectrogram the first channel: the bands themselves, without their changes over time.
    bands = prepared[:, :1].permute(0, 2, 3, 1).cpu()
    low, high = (float(np.quantile(bands.numpy(), each)) for each in (1 - _CONTRAST, _CONTRAST))
    return prepared, ((bands - low) / max(high - low, 1e-9) * 255).round().clamp(0, 255).byte()


def _channel(
    predictor: Predictor,
    backbone: nn.Module,
    name: str,
    channel: int,
    values: Tensor,
    places: Tensor,
    width: int,
    field: ReceptiveField,
    prepared: Tensor,
    pixels: Tensor,
    rows: np.ndarray,
    labels: Sequence[Any] | None,
    patches: int,
) -> ChannelPatches:
    top = torch.topk(values[:, channel], patches)
    chosen = top.indices
    spots = places[chosen, channel]
    signals = reconstruct(backbone, name, channel, prepared[chosen], spots)
    ((_, column),) = predictor.inputs.items()
    cuts, drawn, where = [], [], []
    for number, spot in enumerate(spots.tolist()):
        box = _box(field, spot // width, spot % width, tuple(prepared.shape[2:]))
        cuts.append(_cut(pixels[chosen[number]].numpy(), box))
        signal = signals[number]
        drawn.append(_cut(_as_image(signal if column.encodes_pixels else signal[:1]), box))
        if not column.encodes_pixels:
            cuts[-1], drawn[-1] = cuts[-1][::-1], drawn[-1][::-1]  # low frequencies at the bottom
            where.append(sound_place(column, box))
    return ChannelPatches(
        channel, tuple(cuts), tuple(drawn), tuple(int(rows[k]) for k in chosen), tuple(top.values.tolist()),
        () if labels is None else tuple(labels[k] for k in chosen.tolist()), tuple(where),
    )  # fmt: skip


def loudest_channels(values: Tensor, patches: int, channels: int) -> list[int]:
    """Of activations `(N, K)` the channels whose strongest rows stand out most.

    A channel that is silent, or equally loud everywhere, shows nothing.
    """
    order = torch.topk(values, patches, dim=0).values
    spread = (order.mean(dim=0) - values.mean(dim=0)) / values.std(dim=0).clamp_min(1e-9)
    return [int(each) for each in torch.argsort(spread, descending=True) if order[0, each] > 0][:channels]


def sound_place(column: Any, box: tuple[int, int, int, int]) -> str:
    """When a piece of a spectrogram is, and at which frequencies: "0.31 to 0.42 s, 300 to 1,200 Hz"."""
    top, left, bottom, right = box
    features: AudioFeatures = column.features
    rows, frames = column.spec().size_px
    begin, end = (min(max(each, 0), frames) / features.rate_hz for each in (left, right))
    low, high = max(top, 0), min(bottom, rows)
    if features.mfcc is not None:
        return f"{begin:.2f} to {end:.2f} s, coefficients {low + 1} to {high}"
    edges = features.band_edges_hz(column.rate_hz)
    return f"{begin:.2f} to {end:.2f} s, {edges[low][0]:,.0f} to {edges[high - 1][1]:,.0f} Hz"


def _box(field: ReceptiveField, row: int, column: int, size_px: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of what a place sees; all of the image where that is all or more."""
    sides = []
    for place, start, length, side in (
        (row, field.top_px, field.height_px, size_px[0]),
        (column, field.left_px, field.width_px, size_px[1]),
    ):
        if math.isinf(length) or length >= side:
            sides.append((0, side))
        else:
            begin = round(start + place * field.stride_px)
            sides.append((begin, begin + round(length)))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


def _cut(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """A piece of `(H, W, C)`; grey where it reaches over the border."""
    top, left, bottom, right = box
    piece = np.full((bottom - top, right - left, image.shape[2]), 128, np.uint8)
    inner = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    row, column = max(-top, 0), max(-left, 0)
    piece[row : row + inner.shape[0], column : column + inner.shape[1]] = inner
    return piece


def _as_image(signal: Tensor) -> np.ndarray:
    """`(C, H, W)` as `(H, W, C)` uint8, grey for 0, with as much contrast as there is room for."""
    scale = float(torch.quantile(signal.abs().flatten(), _CONTRAST)) or float(signal.abs().max()) or 1.0
    return (128 + 127 * signal / scale).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
