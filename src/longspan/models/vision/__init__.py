"""Networks that read images, one paper per file; importing a file registers its networks."""

from __future__ import annotations

from longspan.models.vision.deep_cnn import DeepCNNConfig
from longspan.models.vision.fcn_vgg import FCNVGGConfig
from longspan.models.vision.lenet import LeNet5
from longspan.models.vision.line_cnn import LineCNNConfig
from longspan.models.vision.mobilefacenet import MobileFaceNet
from longspan.models.vision.neocognitron import Neocognitron, NeocognitronConfig
from longspan.models.vision.pilot_net import PilotNetConfig
from longspan.models.vision.segnet import SegNetConfig
from longspan.models.vision.small_resnet import SmallResNetConfig
from longspan.models.vision.space_displacement_lenet import SpaceDisplacementLeNetConfig
from longspan.models.vision.space_to_depth_cnn import SpaceToDepthCNNConfig
from longspan.models.vision.torchvision_nets import register_published

__all__ = [
    "DeepCNNConfig",
    "FCNVGGConfig",
    "LeNet5",
    "LineCNNConfig",
    "MobileFaceNet",
    "Neocognitron",
    "NeocognitronConfig",
    "PilotNetConfig",
    "SegNetConfig",
    "SmallResNetConfig",
    "SpaceDisplacementLeNetConfig",
    "SpaceToDepthCNNConfig",
]

register_published()  # behind those of longspan's own, which the imports above registered
