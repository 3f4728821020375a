"""Networks that read sound, one paper per file; importing a file registers its networks."""

from __future__ import annotations

from longspan.models.audio.bc_resnet import BCResNetConfig
from longspan.models.audio.conformer import ConformerConfig
from longspan.models.audio.conv_gru import ConvGRUConfig
from longspan.models.audio.matchboxnet import MatchboxNetConfig
from longspan.models.audio.quartznet import QuartzNetConfig
from longspan.models.audio.speech_embedding import SpeechEmbedding

__all__ = [
    "BCResNetConfig", "ConformerConfig", "ConvGRUConfig", "MatchboxNetConfig", "QuartzNetConfig", "SpeechEmbedding",
]  # fmt: skip
