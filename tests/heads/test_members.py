import pytest
import torch

from longspan.columns import Category, Number
from longspan.errors import ConfigError
from longspan.heads import Classify, Regress
from longspan.heads.members import outputs_fault, predictions_of, row_losses
from longspan.models import FeatureShapes
from longspan.nn.member_linear import MemberLinear, MemberOutputs

SHAPES = FeatureShapes(num_features=6, members=3)


def classify():
    return Classify(column=Category(vocab=("a", "b", "c", "d")))


def test_losses_and_predictions_are_means_over_members():
    torch.manual_seed(0)
    head, logits, targets = classify(), torch.randn(5, 3, 4), torch.tensor([0, 1, 2, 3, 0])
    outputs = MemberOutputs(logits)
    losses = torch.stack([head.loss(logits[:, member], targets) for member in range(3)])
    torch.testing.assert_close(row_losses(head, outputs, targets), losses.mean(0))
    probabilities = torch.stack([logits[:, member].softmax(1) for member in range(3)])
    torch.testing.assert_close(predictions_of(head, outputs), probabilities.mean(0))
    assert outputs_fault(head, outputs, 5) is None
    assert outputs_fault(head, MemberOutputs(logits[:, :, :2]), 5)


def test_numbers_too():
    head = Regress(column=Number(mean=10.0, std=2.0))
    outputs, targets = MemberOutputs(torch.tensor([[[0.0], [1.0]]])), torch.tensor([12.0])
    assert predictions_of(head, outputs).tolist() == [11.0]
    assert row_losses(head, outputs, targets).tolist() == [0.5]


def test_every_member_has_a_layer_of_its_own():
    torch.manual_seed(0)
    layers = classify().layers(SHAPES)
    features = torch.randn(5, 3, 6)
    outputs = layers(features)
    linear = next(module for module in layers.modules() if isinstance(module, MemberLinear))
    for member in range(3):
        wanted = features[:, member] @ linear.weight[member] + linear.bias[member]
        torch.testing.assert_close(outputs.members[:, member], wanted)


def test_other_outputs_go_to_the_head_as_they_are():
    head, logits, targets = classify(), torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    assert torch.equal(row_losses(head, logits, targets), head.loss(logits, targets))
    assert torch.equal(predictions_of(head, logits), head.postprocess(logits))


def test_hidden_layers_on_an_ensemble_are_refused():
    with pytest.raises(ConfigError, match="has no hidden layers"):
        Classify(hidden=(8,), column=Category(vocab=("a", "b"))).layers(SHAPES)
