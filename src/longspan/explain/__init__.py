"""What a trained model relies on, how far its probabilities can be trusted, and where its errors are."""

from __future__ import annotations

from longspan.data.scorecard import Scorecard, scorecard
from longspan.explain.attribution import Attribution, attribute
from longspan.explain.attribution_checks import RegionScore, SanityCheck, region_scores, sanity_check
from longspan.explain.attribution_scores import AttributionScores, ScorePair, attribution_scores, regions_of
from longspan.explain.calibration import Calibration, calibration
from longspan.explain.dependence import Dependence, dependence
from longspan.explain.expected_cost import ExpectedCost, expected_cost
from longspan.explain.explain_page import write_explanation
from longspan.explain.feedback import FeedbackAudit, FeedbackOutcome, feedback_audit
from longspan.explain.importance import Importance, importance
from longspan.explain.influence import Influence, influence, self_influence
from longspan.explain.layer_costs import LayerCost, LayerCosts, layer_costs
from longspan.explain.layer_costs_page import write_layer_costs
from longspan.explain.learned_layers import ChannelPatches, LayerPatches, learned_layers
from longspan.explain.learned_phrases import ChannelPhrases, LayerPhrases, learned_phrases
from longspan.explain.purity import Purity
from longspan.explain.receptive_field import ReceptiveField, receptive_fields
from longspan.explain.report_sections import add_explanation
from longspan.explain.scorecard_page import write_scorecard
from longspan.explain.slices import Slice, slices
from longspan.explain.threshold import Threshold, threshold

__all__ = [
    "Attribution",
    "AttributionScores",
    "Calibration",
    "ChannelPatches",
    "ChannelPhrases",
    "Dependence",
    "ExpectedCost",
    "FeedbackAudit",
    "FeedbackOutcome",
    "Importance",
    "Influence",
    "LayerCost",
    "LayerCosts",
    "LayerPatches",
    "LayerPhrases",
    "Purity",
    "ReceptiveField",
    "RegionScore",
    "SanityCheck",
    "ScorePair",
    "Scorecard",
    "Slice",
    "Threshold",
    "add_explanation",
    "attribute",
    "attribution_scores",
    "calibration",
    "dependence",
    "expected_cost",
    "feedback_audit",
    "importance",
    "influence",
    "layer_costs",
    "learned_layers",
    "learned_phrases",
    "receptive_fields",
    "region_scores",
    "regions_of",
    "sanity_check",
    "scorecard",
    "self_influence",
    "slices",
    "threshold",
    "write_explanation",
    "write_layer_costs",
    "write_scorecard",
]
