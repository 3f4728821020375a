"""BERT and networks of its shape: MiniLM, DistilBERT; with pretrained weights for features or fine-tuning."""

# B rows, T tokens, D width, H heads

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, final

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from longspan.columns.ragged import Ragged
from longspan.columns.spec import TokensSpec
from longspan.errors import ConfigError, WeightsError
from longspan.models.backbone import Backbone
from longspan.models.entries import register_model
from longspan.models.options import check_options
from longspan.models.text.text_config import TEXT_POOLS, TextConfig, TextPool, check_tokens, describe_text, pooled
from longspan.text.pretrained import pretrained_folder

__all__ = ["Bert", "BertConfig", "bert_state"]

_SOURCE = "Devlin et al. 2019, BERT; as MiniLM-L6-H384 of Wang et al. 2020, which sentence-transformers trained further"
_KINDS = ("bert", "distilbert")
_LAYER_NAMES = {
    "attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
    "attention.output.dense": "output", "attention.output.LayerNorm": "norm", "intermediate.dense": "inner",
    "output.dense": "outer", "output.LayerNorm": "last_norm",
    "attention.q_lin": "query", "attention.k_lin": "key", "attention.v_lin": "value", "attention.out_lin": "output",
    "sa_layer_norm": "norm", "ffn.lin1": "inner", "ffn.lin2": "outer", "output_layer_norm": "last_norm",
}  # fmt: skip
"""Modules of a layer in files of BERT and of DistilBERT, and in this network."""


@final
@dataclass(frozen=True, kw_only=True)
class BertConfig(TextConfig):
    """Options of `Bert`; the defaults are those of MiniLM-L6-H384."""

    family: ClassVar[str] = "bert"

    width: int = 384
    """Values of a token."""
    layers: int = 6
    """Layers."""
    heads: int = 12
    """Attention heads; they divide the width."""
    inner: int = 1536
    """Width between the two linear layers behind each attention."""
    positions: int = 512
    """Most tokens of a text."""
    epsilon: float = 1e-12
    """Added to the variance in layer normalisation."""
    dropout: float = 0.1
    """Probability that a value or a weight of the attention is dropped."""
    pool: TextPool = "mean"
    """How the vectors of a text become one: the mean, as sentence-transformers trained MiniLM, or the first, [CLS]."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_options(
            self,
            least={"width": 1, "layers": 1, "heads": 1, "inner": 1, "positions": 1},
            fractions=["dropout"],
            one_of={"pool": TEXT_POOLS},
        )
        if self.width % self.heads:
            raise ConfigError(f"BertConfig.heads ({self.heads}) must divide its width ({self.width}).")

    @classmethod
    def from_folder(cls, source: str | Path, **options: Any) -> Self:
        """As config.json of a folder in the layout of Hugging Face describes it.

        Args:
            source: "minilm", or a folder with the files of a BERT, MiniLM or DistilBERT.
            options: Options that replace those of the file, such as `pool`.

        Raises:
            WeightsError: there is no such file, or it describes another kind of network.
        """
        path = pretrained_folder(source, "config.json") / "config.json"
        try:
            fields = json.loads(path.read_text("utf-8"))
            kind, distilled = fields.get("model_type"), fields.get("model_type") == "distilbert"
            if kind not in _KINDS:
                raise WeightsError(
                    f"{path} describes a network of type {kind!r}; these can be read: {', '.join(_KINDS)}."
                )
            if fields.get("activation" if distilled else "hidden_act", "gelu") != "gelu":
                raise WeightsError(f"{path}: only networks with the activation gelu can be read.")
            found = (
                {"width": fields["dim"], "layers": fields["n_layers"], "heads": fields["n_heads"],
                 "inner": fields["hidden_dim"], "positions": fields["max_position_embeddings"], "pool": "first"}
                if distilled
                else {"width": fields["hidden_size"], "layers": fields["num_hidden_layers"],
                      "heads": fields["num_attention_heads"], "inner": fields["intermediate_size"],
                      "positions": fields["max_position_embeddings"], "epsilon": fields["layer_norm_eps"]}
            )  # fmt: skip
        except (KeyError, ValueError, AttributeError) as error:
            raise WeightsError(f"{path} is not the configuration of such a network: {error!r}.") from error
        return cls(**{**found, **options})

    def build_for(self, spec: TokensSpec) -> Bert:
        """The network for tokens of a vocabulary."""
        return Bert(self, spec)


@final
class Bert(Backbone):
    """Tokens `(B, T)` to `(B, width)`, or `(B, T, width)` for pool "none".

    Give it a column with the tokenizer that it was trained with: `Text.for_encoder("minilm")`.

    Source: Devlin et al. 2019, section 3; names and layout of the weights as in the published files. Differs: no
    segments (all tokens are of the first one), no pooling layer of next-sentence prediction, and no dropout of
    attention weights, which with 512 tokens would take most of a training step on a processor.

    Raises: ConfigError for texts of more than `positions` tokens.
    """

    def __init__(self, config: BertConfig | None, spec: TokensSpec) -> None:
        """Build for tokens of a vocabulary."""
        super().__init__()
        config = config or BertConfig()
        if spec.max_length is None or spec.max_length > config.positions:
            raise ConfigError(
                f"This network reads at most {config.positions} tokens of a text: "
                f"ls.Text(max_tokens={config.positions})."
            )
        self.options = config
        self.embedding = nn.Embedding(spec.vocab_size, config.width, padding_idx=spec.padding)
        self.position = nn.Parameter(torch.empty(config.positions, config.width))
        self.norm = nn.LayerNorm(config.width, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)
        describe_text(self, "minilm", config, spec, config.width, config.pool)

    def features(self, images: Tensor) -> list[Tensor]:
        """None: texts have no maps."""
        del images
        return []

    def forward(self, tokens: Ragged) -> Tensor | Ragged:  # type: ignore[override]
        """One vector for each row, or one for each token."""
        tokens = check_tokens(tokens, self)
        steps = self.embedding(tokens.values) + self.position[: tokens.values.shape[1]]
        steps = self.dropout(self.norm(steps))
        seen = tokens.mask[:, None, None, :]  # (B, 1, 1, T): which tokens all others look at
        for layer in self.layers:
            steps = layer(steps, seen)
        return pooled(steps, tokens, self.options.pool)

    def groups(self) -> list[list[nn.Parameter]]:
        """Embeddings with their normalisation, and each layer."""
        lowest = [self.embedding.weight, self.position, *self.norm.parameters()]
        return [lowest, *(list(layer.parameters()) for layer in self.layers)]


@final
class _Layer(nn.Module):
    """Attention and two linear layers, each with a residual connection and layer normalisation behind it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query, self.key, self.value, self.output = (nn.Linear(config.width, config.width) for _ in range(4))
        self.norm = nn.LayerNorm(config.width, eps=config.epsilon)
        self.inner = nn.Linear(config.width, config.inner)
        self.outer = nn.Linear(config.inner, config.width)
        self.last_norm = nn.LayerNorm(config.width, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, steps: Tensor, seen: Tensor) -> Tensor:
        query, key, value = (
            part(steps).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )  # each (B, H, T, D / H)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        attended = torch.nan_to_num(attended)  # of a row without tokens
        steps = self.norm(steps + self.dropout(self.output(attended.transpose(1, 2).flatten(2))))
        return self.last_norm(steps + self.dropout(self.outer(F.gelu(self.inner(steps)))))


@register_model("minilm", source=_SOURCE, config=BertConfig, reads="tokens")
def _minilm(*, spec: TokensSpec) -> Bert:
    return Bert(None, spec)


def bert_state(source: str | Path) -> dict[str, Tensor]:
    """The published weights under this network's names.

    Args:
        source: "minilm", or a folder with model.safetensors of a BERT, MiniLM or DistilBERT.

    Raises:
        WeightsError: there is no such file, or it holds other weights.
    """
    path = pretrained_folder(source, "model.safetensors") / "model.safetensors"
    try:
        return _renamed(load_file(path))
    except (SafetensorError, OSError, KeyError) as error:
        raise WeightsError(f"{path} does not hold the weights of a BERT or DistilBERT: {error!r}.") from error


def _renamed(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the encoder; those of pooling layers and of heads for other tasks are left out."""
    state: dict[str, Tensor] = {}
    stripped = {name.removeprefix("bert.").removeprefix("distilbert."): value for name, value in published.items()}
    words, places = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
    kinds = stripped.get("embeddings.token_type_embeddings.weight")
    state["embedding.weight"] = stripped[words]
    # All tokens are of the first segment, so its embedding is part of every position's.
    state["position"] = stripped[places] if kinds is None else stripped[places] + kinds[0]
    for name, value in stripped.items():
        body, _, kind = name.rpartition(".")
        kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
        if body == "embeddings.LayerNorm":
            state[f"norm.{kind}"] = value
            continue
        parts = body.split(".")
        if parts[:2] == ["encoder", "layer"] or parts[:2] == ["transformer", "layer"]:
            inside = _LAYER_NAMES.get(".".join(parts[3:]))
            if inside is not None:
                state[f"layers.{parts[2]}.{inside}.{kind}"] = value
    return state
