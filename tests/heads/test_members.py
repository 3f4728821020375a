import pytest
import torch

from longspan.columns import Category, MultiLabel, Number
from longspan.errors import ConfigError
from longspan.heads import Classify, MultiLabelClassify, Regress
from longspan.heads.members import measured_losses, outputs_fault, predictions_of, row_losses
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


@pytest.mark.parametrize(
    "head",
    [
        Classify(column=Category(vocab=("a", "b", "c"))),
        MultiLabelClassify(column=MultiLabel(vocab=("a", "b", "c"))),
        Regress(column=Number(mean=10.0, std=2.0)),
        Regress(criterion="poisson", column=Number(mean=10.0, std=2.0)),
    ],
    ids=["classes", "labels", "number", "count"],
)
def test_an_ensemble_predicts_the_mean_and_is_measured_by_it(head):
    torch.manual_seed(0)
    raw = torch.randn(7, 4, head.num_outputs)
    each = torch.stack([head.postprocess(raw[:, member]) for member in range(4)])
    torch.testing.assert_close(predictions_of(head, MemberOutputs(raw)), each.mean(0))
    targets = torch.randint(0, 3, (7,)) if head.kind == "classify" else each[0].round().abs()
    whole = measured_losses(head, MemberOutputs(raw), targets)
    if head.kind == "classify":
        torch.testing.assert_close(whole, -each.mean(0)[torch.arange(7), targets].log())
    members = torch.stack([head.loss(raw[:, member], targets) for member in range(4)]).mean(0)
    assert (whole < members).all()  # a convex loss of a mean is below the mean of losses
    torch.testing.assert_close(row_losses(head, MemberOutputs(raw), targets), members)


def test_with_a_log_scale_members_are_averaged_where_the_loss_is():
    head = Regress(scale="log", column=Number(mean=100.0, std=50.0))
    raw = torch.tensor([[[0.0], [2.0]]])
    torch.testing.assert_close(predictions_of(head, MemberOutputs(raw)), head.postprocess(torch.tensor([[1.0]])))


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
