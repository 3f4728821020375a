"""Finds trained weights, checks that they fit, and puts them into a backbone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from longspan.errors import WeightsError
from longspan.models.audio.speech_embedding import SpeechEmbedding
from longspan.models.backbone import Backbone
from longspan.models.pth import read_pth
from longspan.models.published import published_file
from longspan.models.text.bert import Bert, bert_state
from longspan.models.vision.imagenet import imagenet_file
from longspan.models.vision.mobilefacenet import MobileFaceNet
from longspan.models.vision.torchvision_nets import TorchvisionNet
from longspan.models.vision.vgg16 import FIRST_CONV, FromPublished

__all__ = ["load_weights", "to_channels"]

# Densenet files of 2017 write `norm.1` where the network has `norm1`.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")
_SPEECH_FILE = "google_speech_embedding.safetensors"
_FACES_FILE = "mobilefacenet.safetensors"
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


def load_weights(model: Backbone, weights: str | Path) -> None:
    """Put trained weights into `model`, in place; on an error it stays as it was.

    Args:
        model: the backbone.
        weights: "imagenet" (torchvision's published weights, `DEFAULT`); "speech" (Google's, for speech_embedding);
            "faces" (foamliu's, for mobilefacenet);
            "minilm", or a folder of a BERT or DistilBERT in the layout of Hugging Face (for minilm); or
            a file: a longspan model file, of which the
            backbone is taken; or a state dict (.safetensors, or .pth, read without running it) with torchvision's
            parameter names for torchvision networks and those built on one (vgg16_fcn, segnet), or the backbone's own
            names. The class layer in it is left out.
            With torchvision's names the first convolution is adapted to `in_channels` (see `to_channels`), position
            embeddings of vit to `size_px`, and googlenet, inception_v3 and efficientnet_v2_l will read images as
            their published weights expect.

    Raises: WeightsError if there are none, or they do not fit; FetchError without network; ChecksumError.
    """
    if isinstance(model, Bert) and (weights == "minilm" or Path(weights).is_dir()):
        _fill(Path(weights), model, bert_state(weights))
        return
    if weights == "minilm":
        raise WeightsError(f"The weights 'minilm' are those of the network minilm; {model.name} has none of this name.")
    named = {"imagenet": imagenet_file, "speech": _speech_file, "faces": _faces_file}
    path = named[str(weights)](model) if weights in named else Path(weights)
    state = _read(path)
    if isinstance(model, MobileFaceNet):  # in the published file the bottlenecks are called features
        state = {re.sub(r"^features\.", "bottlenecks.", name): value for name, value in state.items()}
    if isinstance(model, SpeechEmbedding):  # the published file also holds the window and the mel filters
        state = {name: value for name, value in state.items() if not name.startswith("frontend.")}
    backbone = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
    own = model.state_dict()
    if backbone:
        state = backbone
    elif isinstance(model, TorchvisionNet) and not any(name in own for name in state):
        state = _published(model, state)
        _fill(path, model.net, state)
        model.expect_half_normalised()
        return
    if isinstance(model, FromPublished) and not any(name in own for name in state):
        state = model.from_published(_with_channels(state, FIRST_CONV, model.in_channels))
    _fill(path, model, state)


def to_channels(kernels: Tensor, in_channels: int) -> Tensor:
    """First-layer kernels (out, 3, h, w), trained on colour, for `in_channels` channels.

    One channel: the sum over the three, which reads grey as the trained kernels read a grey colour image. Others: the
    three in turn, scaled by 3 / in_channels so that the sum of many like channels keeps its size.
    """
    if in_channels == 1:
        return kernels.sum(dim=1, keepdim=True)
    turns = torch.arange(in_channels) % kernels.shape[1]
    return kernels[:, turns] * (kernels.shape[1] / in_channels)


def _speech_file(model: Backbone) -> Path:
    """The published weights of the speech embedding, in the cache or in the folder of LONGSPAN_DATA.

    Raises: WeightsError if they are not there, or the network is another.
    """
    if not isinstance(model, SpeechEmbedding):
        raise WeightsError(f"The weights 'speech' are those of speech_embedding; {model.name} has none of this name.")
    return published_file(
        _SPEECH_FILE,
        "the weights of speech_embedding",
        "conv.0.weight to conv.19.weight of embedding_model.onnx, which openWakeWord publishes (Apache-2.0)",
    )


def _faces_file(model: Backbone) -> Path:
    """The published weights of MobileFaceNet.

    Raises: WeightsError if they are not there, or the network is another.
    """
    if not isinstance(model, MobileFaceNet):
        raise WeightsError(f"The weights 'faces' are those of mobilefacenet; {model.name} has none of this name.")
    return published_file(
        _FACES_FILE, "the weights of mobilefacenet", "the state dict of foamliu/MobileFaceNet (Apache-2.0)"
    )


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsError(
            f"There is no weights file {path}. Give 'imagenet', a .safetensors file or a longspan model file."
        )
    if path.suffix in (".pth", ".pt"):
        return read_pth(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is cut short or not a safetensors file: {error}.") from error


def _published(model: TorchvisionNet, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` with torchvision's names, without the class layer, adapted to the model's channels and size."""
    layout = model.layout
    left_out = (f"{layout.class_layer}.", *(_AUXILIARY if "aux_logits" in model.family.options else ()))
    adapted = {
        _OLD_DENSENET.sub(r"\1\2.", name): value for name, value in state.items() if not name.startswith(left_out)
    }
    adapted = _with_channels(adapted, f"{layout.first_conv}.weight", model.in_channels)
    embedding = adapted.get("encoder.pos_embedding")
    own = model.net.state_dict().get("encoder.pos_embedding")
    if embedding is not None and own is not None and embedding.shape != own.shape:
        adapted["encoder.pos_embedding"] = _resized_embedding(embedding, own.shape[1])
    return adapted


def _with_channels(state: Mapping[str, Tensor], first_conv: str, in_channels: int) -> dict[str, Tensor]:
    """`state` with its first convolution, called `first_conv`, adapted from colour to `in_channels`."""
    first = state.get(first_conv)
    if first is None or first.ndim != 4 or first.shape[1] != 3 or in_channels == 3:
        return dict(state)
    return {**state, first_conv: to_channels(first, in_channels)}


def _resized_embedding(embedding: Tensor, tokens: int) -> Tensor:
    """Position embedding (1, 1 + side^2, D), first the class token's, for 1 + new side^2 tokens (bicubic)."""
    side, new_side = round((embedding.shape[1] - 1) ** 0.5), round((tokens - 1) ** 0.5)
    if side * side != embedding.shape[1] - 1:
        return embedding  # not of a square image: left for the comparison of shapes to report
    grid = embedding[:, 1:].transpose(1, 2).unflatten(2, (side, side))  # (1, D, side, side)
    grid = torch.nn.functional.interpolate(grid, size=(new_side, new_side), mode="bicubic", align_corners=True)
    return torch.cat([embedding[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


def _fill(path: Path, module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy `state` into `module` after checking every name and shape.

    Not `load_state_dict`: it reports all names in one breath and demands torch's version metadata from some networks.
    """
    own = module.state_dict()
    faults = [f"{name} is missing" for name in own if name not in state and not name.endswith(".num_batches_tracked")]
    faults += [f"{name} has no place in the network" for name in state if name not in own]
    faults += [
        f"{name} is {tuple(value.shape)}, the network has {tuple(own[name].shape)}"
        for name, value in state.items()
        if name in own and own[name].shape != value.shape
    ]
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults[:5])
        more = f"\n  ... and {len(faults) - 5} more" if len(faults) > 5 else ""
        some = next(iter(own))
        raise WeightsError(
            f"{path} does not fit this network:\n{listed}{more}\n"
            f"What fits has {len(own)} tensors named like {some!r} {tuple(own[some].shape)}: weights of the same model "
            "name, options, in_channels and size_px."
        )
    with torch.no_grad():
        for name, value in state.items():
            own[name].copy_(value)
