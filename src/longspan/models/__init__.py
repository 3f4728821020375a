"""Networks by name: `create("resnet34", weights="imagenet")`, and `catalogue()` of what there is."""

from __future__ import annotations

from longspan.models.backbone import Backbone, FeatureMaps, FeatureShapes
from longspan.models.catalogue import ModelInfo, catalogue
from longspan.models.registry import ModelConfig, create, from_json, model_names, to_json
from longspan.models.vision.deep_cnn import DeepCNNConfig
from longspan.models.vision.fcn_vgg import FCNVGGConfig
from longspan.models.vision.line_cnn import LineCNNConfig
from longspan.models.vision.segnet import SegNetConfig
from longspan.models.vision.small_resnet import SmallResNetConfig
from longspan.models.vision.space_displacement_lenet import SpaceDisplacementLeNetConfig
from longspan.models.vision.space_to_depth_cnn import SpaceToDepthCNNConfig
from longspan.models.weights import load_weights

__all__ = [
    "Backbone",
    "DeepCNNConfig",
    "FCNVGGConfig",
    "FeatureMaps",
    "FeatureShapes",
    "LineCNNConfig",
    "ModelConfig",
    "ModelInfo",
    "SegNetConfig",
    "SmallResNetConfig",
    "SpaceDisplacementLeNetConfig",
    "SpaceToDepthCNNConfig",
    "catalogue",
    "create",
    "from_json",
    "load_weights",
    "model_names",
    "to_json",
]
