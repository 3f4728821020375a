import numpy as np
import pytest
import torch
from torch.nn import functional as F

from longspan.columns import Category, MultiLabel
from longspan.errors import ConfigError, UnknownNameError
from longspan.heads import Classify, MultiLabelClassify

K = 4
VOCAB = ("a", "b", "c", "d")
ONE = Classify(column=Category(vocab=VOCAB))
MANY = MultiLabelClassify(column=MultiLabel(vocab=VOCAB))


def logits(rows=30, classes=K):
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(1)) * 2


def one_truth(rows=30, classes=K):
    return torch.randint(0, classes, (rows,), generator=torch.Generator().manual_seed(2))


def many_truth(rows=30, classes=K):
    return (torch.rand(rows, classes, generator=torch.Generator().manual_seed(3)) < 0.4).float()


def f1(truth, given):
    """Twice the hits over hits plus given plus true, by counting."""
    hits = int((truth & given).sum())
    return 2 * hits / max(int(truth.sum() + given.sum()), 1)


def f1_by_class(truth, given):
    """Over the classes that occur or are said; class numbers."""
    classes = sorted(set(truth.tolist()) | set(given.tolist()))
    return np.mean([f1(truth == k, given == k) for k in classes])


def average_precision(truth, scores):
    """Mean, over the true rows, of the precision among the rows scored at least as high; no two scores equal."""
    return np.mean([truth[scores >= score].float().mean() for score in scores[truth]])


# --- one class -------------------------------------------------------------------------------------------------------


def test_loss_per_row_is_minus_the_log_of_the_true_class_probability():
    outputs, targets = logits(), one_truth()
    probabilities = np.exp(outputs.numpy()) / np.exp(outputs.numpy()).sum(axis=1, keepdims=True)
    expected = -np.log(probabilities[np.arange(30), targets])
    np.testing.assert_allclose(ONE.loss(outputs, targets), expected, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.1, 0.3])
def test_label_smoothing_spreads_a_fraction_over_all_classes(smoothing):
    outputs, targets = logits(), one_truth()
    wanted = F.one_hot(targets, K) * (1 - smoothing) + smoothing / K
    expected = -(wanted * outputs.log_softmax(dim=1)).sum(dim=1)
    head = Classify(label_smoothing=smoothing, column=ONE.column)
    torch.testing.assert_close(head.loss(outputs, targets), expected)


def test_metrics_equal_counting():
    outputs, targets = logits(200, 12), one_truth(200, 12)
    head = Classify(column=Category(vocab=tuple(range(12))))
    predictions = head.postprocess(outputs)
    predicted = predictions.argmax(dim=1)
    best_five = predictions.argsort(dim=1, descending=True)[:, :5]
    assert head.measure(predictions, targets) == {
        "accuracy": pytest.approx(float((predicted == targets).double().mean()), abs=1e-6),
        "f1_macro": pytest.approx(f1_by_class(targets, predicted), abs=1e-6),
        "top5_accuracy": pytest.approx(float((best_five == targets[:, None]).any(dim=1).double().mean()), abs=1e-6),
    }


def test_classes_that_neither_occur_nor_are_said_do_not_count_in_f1():
    predictions = torch.tensor([[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0.7, 0.3, 0, 0]])
    # a: 1 hit, 2 said, 1 true; b: 1 hit, 1 said, 2 true
    assert ONE.measure(predictions, torch.tensor([0, 1, 1]))["f1_macro"] == pytest.approx(2 / 3, abs=1e-6)


def test_figures_over_few_classes_of_many_cause_no_warning():
    head = Classify(column=Category(vocab=tuple(range(30))))
    figures = head.measure(head.postprocess(logits(3, 30)), torch.tensor([4, 4, 7]))
    assert set(figures) == {"accuracy", "f1_macro", "top5_accuracy"}


def test_top5_is_left_out_for_ten_classes_or_fewer():
    assert set(ONE.measure(ONE.postprocess(logits()), one_truth())) == {"accuracy", "f1_macro"}


def test_answers_are_the_most_probable_class_with_all_probabilities():
    answers = ONE.decode(ONE.postprocess(torch.tensor([[0.0, 3.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0]])))
    assert [answer.value for answer in answers] == ["b", "a"]
    fraction = float(np.exp(3) / (np.exp(3) + 3))
    assert answers[0].probability == pytest.approx(fraction)
    assert answers[0].probabilities == {
        "a": pytest.approx((1 - fraction) / 3),
        "b": pytest.approx(fraction),
        "c": pytest.approx((1 - fraction) / 3),
        "d": pytest.approx((1 - fraction) / 3),
    }


@pytest.mark.parametrize("head", [ONE, MANY])
def test_half_precision_outputs_give_single_precision_losses(head):
    targets = one_truth() if head is ONE else many_truth()
    outputs = logits().bfloat16()
    assert head.loss(outputs, targets).dtype == torch.float32
    assert head.postprocess(outputs).dtype == torch.float32
    torch.testing.assert_close(head.loss(outputs, targets), head.loss(outputs.float(), targets))


# --- several classes -------------------------------------------------------------------------------------------------


def test_loss_of_many_is_the_mean_over_classes():
    outputs, targets = logits(), many_truth()
    p = 1 / (1 + np.exp(-outputs.numpy()))
    expected = -(targets.numpy() * np.log(p) + (1 - targets.numpy()) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(MANY.loss(outputs, targets), expected, rtol=1e-5)


def test_label_smoothing_of_many_draws_towards_one_half():
    outputs, targets = logits(), many_truth()
    head = MultiLabelClassify(label_smoothing=0.2, column=MANY.column)
    expected = F.binary_cross_entropy_with_logits(outputs, targets * 0.8 + 0.1, reduction="none").mean(dim=1)
    torch.testing.assert_close(head.loss(outputs, targets), expected)


def test_metrics_of_many_equal_counting():
    targets = many_truth(200)
    predictions = MANY.postprocess(logits(200))
    given, truth = predictions >= 0.5, targets.bool()
    by_class = [f1(truth[:, k], given[:, k]) for k in range(K)]
    precisions = [average_precision(truth[:, k], predictions[:, k]) for k in range(K)]
    assert MANY.measure(predictions, targets) == {
        "f1_micro": pytest.approx(f1(truth, given), abs=1e-6),
        "f1_macro": pytest.approx(np.mean(by_class), abs=1e-6),
        "exact_match": pytest.approx(float((truth == given).all(dim=1).double().mean()), abs=1e-6),
        "average_precision": pytest.approx(np.mean(precisions), abs=1e-6),
    }


def test_classes_that_never_occur_have_no_average_precision_and_cause_no_warning():
    targets = many_truth()
    targets[:, 2] = 0
    predictions = MANY.postprocess(logits())
    expected = np.mean([average_precision(targets[:, k].bool(), predictions[:, k]) for k in (0, 1, 3)])
    assert MANY.measure(predictions, targets)["average_precision"] == pytest.approx(expected, abs=1e-6)
    assert "average_precision" not in MANY.measure(predictions, torch.zeros_like(targets))


def test_one_label_of_many_is_measured_too():
    head = MultiLabelClassify(column=MultiLabel(vocab=("only",)))
    targets, predictions = many_truth(50, 1), head.postprocess(logits(50, 1))
    truth, given = targets.bool(), predictions >= 0.5
    found = head.measure(predictions, targets)
    assert found["f1_micro"] == pytest.approx(f1(truth, given), abs=1e-6)
    assert found["f1_macro"] == pytest.approx(f1(truth, given), abs=1e-6)
    assert found["exact_match"] == pytest.approx(float((truth == given).double().mean()), abs=1e-6)
    assert found["average_precision"] == pytest.approx(average_precision(truth[:, 0], predictions[:, 0]), abs=1e-6)


def test_answers_of_many_are_the_labels_above_the_threshold():
    predictions = torch.tensor([[0.9, 0.2, 0.5, 0.6], [0.1, 0.2, 0.3, 0.4]])
    first, none = MANY.decode(predictions)
    assert first.value == ["a", "c", "d"]
    assert first.probability == pytest.approx(0.9 * 0.8 * 0.5 * 0.6)
    assert first.probabilities == {
        label: pytest.approx(float(p)) for label, p in zip(VOCAB, predictions[0], strict=True)
    }
    assert none.value == []
    assert none.probability == pytest.approx(0.9 * 0.8 * 0.7 * 0.6)
    strict = MultiLabelClassify(threshold=0.8, column=MANY.column)
    assert strict.decode(predictions)[0].value == ["a"]
    assert strict.measure(predictions, torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]]))["exact_match"] == 1.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Classify(label_smoothing=1.0), "Classify.label_smoothing must be at least 0 and below 1"),
        (lambda: Classify(dropout=-0.1), "Classify.dropout"),
        (lambda: Classify(hidden=(0,)), r"Classify.hidden must be widths .* got \(0,\)"),
        (lambda: Classify(hidden=64), "such as"),
        (lambda: MultiLabelClassify(threshold=1.5), "MultiLabelClassify.threshold"),
    ],
)
def test_options_that_cannot_be_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_macro_f1_leaves_out_classes_that_are_neither_there_nor_predicted():
    head = MultiLabelClassify().with_column(MultiLabel(vocab=("a", "b", "c")))
    exact = torch.eye(3)[[0, 1, 0, 1]]
    assert head.measure(exact, exact)["f1_macro"] == 1
    predicted = torch.tensor([[1.0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 0]])
    assert head.measure(predicted, exact)["f1_macro"] == pytest.approx(2 / 3, abs=1e-6)  # c is predicted: F1 0
    assert head.measure(torch.zeros(2, 3), torch.zeros(2, 3))["f1_macro"] == 0


def test_class_weights_scale_each_rows_loss():
    logits, targets = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
    plain = Classify(column=Category(vocab=("a", "b", "c"))).loss(logits, targets)
    weighted = Classify(column=Category(vocab=("a", "b", "c")), class_weights=(1, 2, 4)).loss(logits, targets)
    assert torch.allclose(weighted, plain * torch.tensor([1.0, 2, 4, 1]))
    many = MultiLabelClassify(column=MultiLabel(vocab=("a", "b")), class_weights=(0, 2))
    only = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 1], torch.ones(4), reduction="none")
    assert torch.allclose(many.loss(logits[:, :2], torch.ones(4, 2)), only)
    with pytest.raises(ConfigError, match="2 numbers for 3 classes: a, b, c"):
        Classify(class_weights=(1, 2)).with_column(Category(vocab=("a", "b", "c")))
    with pytest.raises(ConfigError, match="not all 0"):
        Classify(class_weights=(0, 0))


# --- weights of classes ----------------------------------------------------------------------------------------------


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat(np.arange(4), [50, 7, 2, 1])
    head = Classify(class_weights="balanced", column=ONE.column)
    counted = head.with_class_counts(torch.from_numpy(np.bincount(labels)).float(), len(labels))
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    np.testing.assert_allclose(np.asarray(counted.class_weights), expected, rtol=1e-5)
    with pytest.raises(ConfigError, match="counted the classes"):
        head.loss(logits(), one_truth())


def test_weights_by_label_in_any_order():
    weighted = Classify(class_weights={"c": 3, "a": 0.5}).with_column(Category(vocab=VOCAB))
    assert weighted.class_weights == (0.5, 1.0, 3.0, 1.0)
    outputs, targets = logits(), one_truth()
    expected = ONE.loss(outputs, targets) * torch.tensor([0.5, 1, 3, 1])[targets]
    torch.testing.assert_close(weighted.loss(outputs, targets), expected)
    with pytest.raises(UnknownNameError, match="c"):
        Classify(class_weights={"C": 3}).with_column(Category(vocab=VOCAB))


@pytest.mark.parametrize("weights", ["heavy", {"a": -1}, {"a": float("nan")}, (0, 0, 0, 0), (1, 2)])
def test_weights_that_cannot_be(weights):
    with pytest.raises(ConfigError, match="class_weights"):
        Classify(class_weights=weights, column=ONE.column)


def test_positive_weights_make_both_sides_of_a_class_weigh_the_same():
    targets = many_truth(200)
    head = MultiLabelClassify(positive_weights="balanced", column=MANY.column)
    head = head.with_class_counts(targets.sum(dim=0), len(targets))
    assert isinstance(head.positive_weights, tuple)
    weights = torch.tensor(head.positive_weights)
    torch.testing.assert_close(weights * targets.sum(dim=0), (1 - targets).sum(dim=0), rtol=1e-4, atol=0)
    outputs = logits(200)
    p = outputs.sigmoid()
    expected = -(weights * targets * p.log() + (1 - targets) * (1 - p).log()).mean(dim=1)
    torch.testing.assert_close(head.loss(outputs, targets), expected, rtol=1e-4, atol=1e-5)


def test_classes_of_rows():
    assert ONE.class_targets(torch.tensor([2, 0])).tolist() == [
        [False, False, True, False],
        [True, False, False, False],
    ]
    assert MANY.class_targets(torch.tensor([[1.0, 0, 0, 1]])).tolist() == [[True, False, False, True]]
    assert MANY.class_predictions(torch.tensor([[0.6, 0.4, 0.5, 0]])).tolist() == [[True, False, True, False]]
    assert ONE.class_predictions(torch.tensor([[0.1, 0.4, 0.3, 0.2]])).tolist() == [[False, True, False, False]]
