"""Networks by name: `create("resnet34", weights="imagenet")`, and `catalogue()` of what there is."""

from __future__ import annotations

from longspan.models.audio import BCResNetConfig, ConformerConfig, ConvGRUConfig, MatchboxNetConfig, QuartzNetConfig
from longspan.models.backbone import Backbone, FeatureMaps, FeatureShapes
from longspan.models.catalogue import catalogue
from longspan.models.entries import MODELS, ModelConfig, ModelEntry, register_model
from longspan.models.model_info import ModelInfo
from longspan.models.registry import create, from_json, model_names, to_json
from longspan.models.tabular import FTTransformerConfig, MLPConfig, TabMConfig, TabMLightConfig, TabularResNetConfig
from longspan.models.text import (
    BagOfEmbeddingsConfig,
    BertConfig,
    TextCNNConfig,
    TextRNNConfig,
    TextTransformerConfig,
)
from longspan.models.vision import (
    DeepCNNConfig,
    FCNVGGConfig,
    LineCNNConfig,
    PilotNetConfig,
    SegNetConfig,
    SmallResNetConfig,
    SpaceDisplacementLeNetConfig,
    SpaceToDepthCNNConfig,
)
from longspan.models.weights import load_weights

__all__ = [
    "MODELS",
    "BCResNetConfig",
    "Backbone",
    "BagOfEmbeddingsConfig",
    "BertConfig",
    "ConformerConfig",
    "ConvGRUConfig",
    "DeepCNNConfig",
    "FCNVGGConfig",
    "FTTransformerConfig",
    "FeatureMaps",
    "FeatureShapes",
    "LineCNNConfig",
    "MLPConfig",
    "MatchboxNetConfig",
    "ModelConfig",
    "ModelEntry",
    "ModelInfo",
    "PilotNetConfig",
    "QuartzNetConfig",
    "SegNetConfig",
    "SmallResNetConfig",
    "SpaceDisplacementLeNetConfig",
    "SpaceToDepthCNNConfig",
    "TabMConfig",
    "TabMLightConfig",
    "TabularResNetConfig",
    "TextCNNConfig",
    "TextRNNConfig",
    "TextTransformerConfig",
    "catalogue",
    "create",
    "from_json",
    "load_weights",
    "model_names",
    "register_model",
    "to_json",
]
