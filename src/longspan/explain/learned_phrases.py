"""What each layer of a convolutional network of texts learned: the words and phrases that excite its channels most."""

# B rows, K channels, P places of a layer, T tokens

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from longspan.columns.ragged import Ragged, pad
from longspan.columns.spec import TokensSpec
from longspan.data import Table, encode_rows
from longspan.errors import ConfigError, data_error, unknown_name
from longspan.explain.expected_cost import HOUR, check_cost
from longspan.explain.layer_maps import keeper, with_random_weights
from longspan.explain.learned_layers import loudest_channels, reads_texts
from longspan.explain.purity import Purity, classes_of, purity_of
from longspan.inference.network import eval_view
from longspan.inference.predictor import Predictor
from longspan.portable.new_values import with_inputs
from longspan.randomness import permutation

__all__ = ["ChannelPhrases", "LayerPhrases", "learned_phrases"]

_BATCH = 32
_PROBED_ROWS = 64
_TRACED_TOKENS, _TRACED_ROWS = 256, 32


@final
@dataclass(frozen=True, slots=True)
class ChannelPhrases:
    """One channel of a layer."""

    channel: int
    phrases: tuple[str, ...]
    """The different stretches of texts that excite it most, the strongest first."""
    rows: tuple[int, ...]
    """Of the table, from which they are."""
    activations: tuple[float, ...]
    labels: tuple[Any, ...]
    """Of these rows; empty without classes."""


@final
@dataclass(frozen=True, slots=True)
class LayerPhrases:
    """One layer."""

    name: str
    tokens: int
    """Its receptive field: how many tokens a place sees."""
    channels: tuple[ChannelPhrases, ...]
    purity: Purity | None
    """None without classes."""


class _Window(NamedTuple):
    """Place p of a layer sees the tokens from `start + p * jump` on."""

    start: int
    length: int
    jump: int


def learned_phrases(
    model: Any,
    table: Table,
    *,
    layers: Sequence[str] | None = None,
    channels: int = 6,
    phrases: int = 9,
    rows: int = 1000,
    target: str | None = None,
    seed: int = 0,
    max_seconds: float | None = HOUR,
) -> list[LayerPhrases]:
    """The strongest words and phrases of a few channels of the layers of a network of texts, and how alike they are.

    The layers are the embedding, whose places see one token, and all convolutions, cut by their receptive field. There
    is no reconstruction: a token is there or not, and has no pixels that a signal could be projected back to.

    Source: as `learned_layers`, after Zeiler and Fergus 2013, figure 2, with tokens for pixels. Of a text each channel
    gets its strongest place only; a phrase that is the strongest of several texts is shown once.

    Args:
        model: A trained network that reads one text and has convolutions, or a Learner.
        table: Rows with texts, best ones that it was not trained on; with the target, purity is measured.
        layers: Names of modules in the backbone; None: the embedding and every convolution.
        channels: Shown of each layer: those whose strongest phrases stand out most.
        phrases: Of each channel.
        rows: At most so many are looked at, drawn at random.
        target: Whose classes are counted, of a model with several.
        seed: Of the draw, and of the random weights.
        max_seconds: Refused if it would take longer; None: never.

    Raises:
        ConfigError: a model that does not read exactly one text, has no convolutions, or options out of range.
        UnknownNameError: there is no such layer; with the nearest name.
        DataError: texts that cannot be read.
    """
    if channels < 1 or phrases < 2:
        raise ConfigError(f"channels must be at least 1 and phrases at least 2, got {channels} and {phrases}.")
    predictor = _network_of(model)
    # Not sorted: many texts share a word, and ties must not fall to one class because the table is sorted by it.
    taken = permutation(seed, "learned layers", 0, len(table)).numpy()[:rows]
    if len(taken) < phrases:
        raise ConfigError(f"There are {len(taken)} rows, but {phrases} phrases of each channel are of as many texts.")
    backbone = eval_view(predictor.network).get_submodule("backbone")
    chosen = _chosen(backbone, layers)
    windows = _windows(predictor, backbone, chosen)
    labels = classes_of(predictor, table, taken, target)

    def probe() -> int:
        some = _read(predictor, table, taken[:_PROBED_ROWS])
        _strongest(backbone, some, windows)
        return len(some)

    check_cost("What each layer learned", 2 * len(taken), probe, each=_PROBED_ROWS, max_seconds=max_seconds)
    texts = _read(predictor, table, taken)
    found_by_layer = _strongest(backbone, texts, windows)
    again = _strongest(with_random_weights(predictor, seed), texts, windows) if labels is not None else {}
    ((_, column),) = predictor.inputs.items()
    found = []
    for name, window in windows.items():
        values, places = found_by_layer[name]
        purity = None if labels is None else purity_of(values, again[name][0], labels, phrases)
        shown = []
        for channel in loudest_channels(values, phrases, channels):
            by_phrase: dict[str, int] = {}
            for row in torch.argsort(values[:, channel], descending=True, stable=True).tolist():
                begin = window.start + int(places[row, channel]) * window.jump
                tokens = texts[row][max(begin, 0) : begin + window.length]
                by_phrase.setdefault(column.decode(tokens), row)
                if len(by_phrase) == phrases:
                    break
            kept = list(by_phrase.values())
            shown.append(
                ChannelPhrases(
                    channel, tuple(by_phrase), tuple(int(taken[row]) for row in kept),
                    tuple(float(values[row, channel]) for row in kept),
                    () if labels is None else tuple(labels[row] for row in kept),
                )
            )  # fmt: skip
        found.append(LayerPhrases(name, window.length, tuple(shown), purity))
    return found


def _network_of(model: Any) -> Predictor:
    model = model.predictor() if hasattr(model, "predictor") else model
    if not hasattr(model, "single_network"):
        raise ConfigError(f"Only trained networks have layers that learned something, not {type(model).__name__}.")
    predictor = model.single_network("show what each layer learned")
    if not reads_texts(predictor):
        kinds = ", ".join(f"{name} ({column.kind})" for name, column in predictor.inputs.items())
        raise ConfigError(f"Phrases are shown of networks that read one text as tokens; this one reads {kinds}.")
    return predictor


def _chosen(backbone: nn.Module, layers: Sequence[str] | None) -> list[str]:
    modules = dict(backbone.named_modules())
    embedding = [name for name, module in modules.items() if isinstance(module, nn.Embedding)][:1]
    convolutions = [name for name, module in modules.items() if isinstance(module, nn.Conv1d)]
    if not convolutions or not embedding:
        raise ConfigError(
            "This network has no convolutions over embedded tokens, so its layers have no phrases that excite them; "
            "text_cnn has them."
        )
    known = [*embedding, *convolutions]
    for name in layers or ():
        if name not in known:
            raise unknown_name("layer", name, known)
    return known if layers is None else list(layers)


def _read(predictor: Predictor, table: Table, rows: Any) -> list[Tensor]:
    """The tokens of each row, `(T,)` int64."""
    ((name, column),) = predictor.inputs.items()
    samples = encode_rows(with_inputs(table, predictor.inputs), rows, {name: column}, {})
    if samples.faults():
        raise data_error("Texts that cannot be read:", list(samples.faults().values()))
    batch = samples.inputs[name].read(torch.from_numpy(rows))
    return [batch.values[row, :length] for row, length in enumerate(batch.lengths.tolist())]


def _maps(backbone: nn.Module, tokens: Ragged, names: Sequence[str]) -> dict[str, Tensor]:
    """Activations of layers, `(B, K, P)` each."""
    kept: dict[str, Any] = {}
    hooks = [backbone.get_submodule(name).register_forward_hook(keeper(kept, name)) for name in names]
    try:
        backbone(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    embeddings = [name for name in names if isinstance(backbone.get_submodule(name), nn.Embedding)]
    return kept | {name: kept[name].transpose(1, 2) for name in embeddings}


def _windows(predictor: Predictor, backbone: nn.Module, names: Sequence[str]) -> dict[str, _Window]:
    """Which tokens a place of each layer sees: those from whose embedding a gradient arrives.

    In a copy whose weights are all positive, so that no two ways through the network cancel; over several rows of
    random tokens, as of a maximum only one way lives.
    """
    copied = copy.deepcopy(backbone).to("cpu").float()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) * 0.1 + 0.05)
    ((_, column),) = predictor.inputs.items()
    spec = column.spec()
    assert isinstance(spec, TokensSpec)
    shape = (_TRACED_ROWS, _TRACED_TOKENS)
    tokens = torch.randint(1, spec.vocab_size, shape, generator=generator)
    embedding = next(name for name, module in copied.named_modules() if isinstance(module, nn.Embedding))
    begun: list[Any] = []
    hook = copied.get_submodule(embedding).register_forward_hook(lambda _, __, output: begun.append(output))
    with torch.enable_grad():
        maps = _maps(copied, Ragged(tokens, torch.full((_TRACED_ROWS,), _TRACED_TOKENS)), names)
        hook.remove()
        found = {}
        for name in names:
            middle = maps[name].shape[2] // 2
            ends = []
            for place in (middle, middle + 1):
                if name == embedding:
                    ends.append((place, place))
                    continue
                (gradient,) = torch.autograd.grad(maps[name][:, :, place].sum(), begun[0], retain_graph=True)
                (there,) = torch.nonzero(gradient.abs().sum(dim=(0, 2)), as_tuple=True)
                ends.append((int(there.min()), int(there.max())))
            (low, high), (after, _) = ends
            found[name] = _Window(low - middle * (after - low), high - low + 1, after - low)
    return found


@torch.no_grad()
def _strongest(
    backbone: nn.Module, texts: Sequence[Tensor], windows: dict[str, _Window]
) -> dict[str, tuple[Tensor, Tensor]]:
    """By layer: of each text and channel the highest activation `(N, K)`, and its place `(N, K)`."""
    device = next(backbone.parameters()).device
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in windows}
    for first in range(0, len(texts), _BATCH):
        batch = pad([each if len(each) else each.new_zeros(1) for each in texts[first : first + _BATCH]]).to(device)
        for name, maps in _maps(backbone, batch, list(windows)).items():
            window = windows[name]
            begins = window.start + torch.arange(maps.shape[2], device=device) * window.jump
            # Windows that see padding alone are no phrases.
            there = (begins < batch.lengths[:, None]) & (begins + window.length > 0)
            highest = maps.masked_fill(~there[:, None], -torch.inf).max(dim=2)
            parts[name].append((highest.values.cpu(), highest.indices.cpu()))
    return {
        name: (torch.cat([each for each, _ in found]), torch.cat([each for _, each in found]))
        for name, found in parts.items()
    }
