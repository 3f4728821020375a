"""Reports: figures and images as one self-contained HTML file; takes plain numbers and arrays, knows no Learner."""

from longspan.report.class_curves import precision_recall_curves, roc_curves
from longspan.report.confusion import confused_pairs, confusion_matrix
from longspan.report.document import Document
from longspan.report.environment import describe_environment
from longspan.report.explanation_figures import dependence_curves, reliability_diagram
from longspan.report.figures import (
    band_curves,
    bars,
    loss_curves,
    lr_curve,
    metric_curves,
    predicted_versus_true,
    residual_histogram,
)
from longspan.report.images import CaptionedImage, contact_sheet
from longspan.report.openings import add_openings, worth_of

__all__ = [
    "CaptionedImage",
    "Document",
    "add_openings",
    "band_curves",
    "bars",
    "confused_pairs",
    "confusion_matrix",
    "contact_sheet",
    "dependence_curves",
    "describe_environment",
    "loss_curves",
    "lr_curve",
    "metric_curves",
    "precision_recall_curves",
    "predicted_versus_true",
    "reliability_diagram",
    "residual_histogram",
    "roc_curves",
    "worth_of",
]
