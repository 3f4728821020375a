"""A network trained on single characters made to read lines of them, without any further training."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from longspan.columns import Category, Text
from longspan.columns.category import Label
from longspan.errors import ConfigError, unknown_name
from longspan.heads import Classify, Transcribe
from longspan.inference.network import Network
from longspan.inference.predictor import HasPredictor, Predictor, as_predictor
from longspan.models.vision.lenet import LeNet5
from longspan.models.vision.space_displacement_lenet import SpaceDisplacementLeNetConfig, to_space_displacement

__all__ = ["slide"]


def slide(
    model: HasPredictor | Predictor,
    *,
    width_px: int,
    target: str,
    none: Label = "none",
    margin_px: int = SpaceDisplacementLeNetConfig().margin_px,
    beam: int = 1,
) -> Predictor:
    """A reader of lines from a lenet5 that classifies windows of 32 px: its classes and "no character here".

    The network is slid over the image as one convolution, and says of every window which character stands in its
    middle; the class `none` is the blank of a `Transcribe` head, which merges what neighbouring windows say. On each
    window the probabilities are those of `model`. The reader is a `Predictor` like any other, is evaluated and saved,
    and its file can start the training of space_displacement_lenet on whole lines.

    Source: LeCun et al. 1998, section VII; see `SpaceDisplacementLeNet`. Here windows are trained one by one (as in
    Matan et al. 1992), on characters in the middle and on places between them; neighbouring windows that say the same
    are merged as in connectionist temporal classification.

    Args:
        model: A lenet5 trained on images of `height` x 32 px with one target, a category whose classes are single
            characters, as text or as digits, and `none`.
        width_px: Width of the images of lines; their height is that of the windows.
        target: Name of the text that the reader predicts.
        none: The class of windows in whose middle there is no character.
        margin_px: See `SpaceDisplacementLeNetConfig`.
        beam: See `Transcribe`.

    Raises:
        ConfigError: another network, several targets, or classes that are not single characters.
        UnknownNameError: `none` is not among the classes.
        ShapeError: the network was built for another size.
    """
    single = as_predictor(model)
    backbone = single.network.backbone
    if not isinstance(backbone, LeNet5):
        raise ConfigError(f"Only a lenet5 can be slid over a line, got {single!r}.")
    head = next(iter(single.heads.values()))
    if len(single.heads) != 1 or not isinstance(head, Classify) or not isinstance(head.column, Category):
        raise ConfigError(
            f"Only a network with one target, a category, can be slid over an image; this one has {list(single.heads)}."
        )
    vocab = head.column.vocab
    if none not in vocab:
        raise unknown_name("class for 'no character'", str(none), map(str, vocab))
    blank = vocab.index(none)
    order = [blank, *(i for i in range(len(vocab)) if i != blank)]
    characters = tuple(str(vocab[i]) for i in order[1:])
    if any(len(each) != 1 for each in characters):
        raise ConfigError(f"The classes besides {none!r} must be single characters, got {', '.join(characters)}.")
    name, column = next(iter(single.inputs.items()))

    reader = Transcribe(beam=beam, hidden=head.hidden, dropout=head.dropout).with_column(
        Text(vocab=characters, max_length=max(1, width_px // 4), min_steps=0)
    )
    with torch.random.fork_rng(devices=[]):  # first weights, soon overwritten, draw random numbers
        network = Network(to_space_displacement(backbone, width_px, margin_px=margin_px), {target: reader})
    weights = {
        key: value[order] if value.shape[:1] == (len(vocab),) and key.startswith(_last(single.network)) else value
        for key, value in single.network.heads.state_dict().items()
    }
    own = network.heads.state_dict()
    network.heads.load_state_dict(dict(zip(own, weights.values(), strict=True)))
    network.eval()
    return Predictor(
        network,
        {name: column.with_size((backbone.size_px[0], width_px))},
        {target: reader},
        augment=single.augment,
        info={**single.info, "task": {"inputs": [name], "targets": [target]}, "metrics": {}, "slid": True},
        device=str(single.device),
        precision=single.precision,
    )


def _last(network: Network) -> str:
    """Prefix of the keys of the last linear layer among those of `network.heads`."""
    layers = cast("nn.Sequential", network.heads[0])
    return f"0.{len(layers) - 1}."
