"""Predictions without PyTorch: what models predict, how arrays become values, and exported models in use."""

from longspan.portable import mask_decoder as _masks  # noqa: F401 - registers
from longspan.portable import text_decoder as _texts  # noqa: F401 - registers
from longspan.portable import written_text as _written  # noqa: F401 - registers
from longspan.portable.decoders import DECODERS, Decoder
from longspan.portable.onnx_model import OnnxModel
from longspan.portable.prediction import Prediction, predictions_to_frame
from longspan.portable.target_prediction import TargetPrediction
from longspan.portable.trained_model import TrainedModel

__all__ = [
    "DECODERS",
    "Decoder",
    "OnnxModel",
    "Prediction",
    "TargetPrediction",
    "TrainedModel",
    "predictions_to_frame",
]
