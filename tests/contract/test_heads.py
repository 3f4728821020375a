"""What holds for every registered head: one example of each kind goes through one list of checks.

A new head brings its example in its own test: `CONTRACT` in tests/heads/test_KIND.py, the arguments of `Example`.
"""

import dataclasses
import json
import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

from longspan.columns import Category, Column, MultiLabel, Number, Text
from longspan.errors import ConfigError, UnknownNameError
from longspan.heads import HEADS, Head, head_for, head_from_json
from longspan.inference.source import sum_losses
from longspan.models import FeatureShapes

ROWS = 6
STEPS = 7
FEATURES = 5


@dataclasses.dataclass(frozen=True)
class Example:
    """A fitted column, true values for `ROWS` rows, encoded, and predictions outputs that say the same."""

    column: Column
    targets: torch.Tensor
    perfect: torch.Tensor


def spelt(texts):
    """Certain of a character at every other step, of the blank between."""
    perfect = nn.functional.one_hot(torch.zeros(len(texts), STEPS, dtype=torch.int64), 4).float()
    for row, text in enumerate(texts):
        for place, character in enumerate(text):
            perfect[row, 2 * place] = nn.functional.one_hot(torch.tensor(character + 1), 4).float()
    return perfect


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
SETS = torch.tensor([[1.0, 0, 1], [0, 1, 0]] * 3)
TEXTS = [[0, 1], [2, 2, 2], [], [1], [0, 0, 1, 2], [2, 0]]


EXAMPLES = {
    "classify": Example(Category(vocab=("a", "b", "c")), LABELS, nn.functional.one_hot(LABELS, 3).float()),
    "multi_label_classify": Example(MultiLabel(vocab=("a", "b", "c")), SETS, SETS),
    "regress": Example(Number(mean=3.0, std=2.0), torch.arange(1.0, 7), torch.arange(1.0, 7)),
    "transcribe": Example(
        Text(vocab=("a", "b", "c"), max_length=STEPS, min_steps=5),
        torch.tensor([(text + [-1] * STEPS)[:STEPS] for text in TEXTS]),
        spelt(TEXTS),
    ),
}


def example_of(kind):
    """The example in the test of a kind."""
    path = Path(__file__).parents[1] / "heads" / f"test_{kind}.py"
    return Example(**runpy.run_path(str(path))["CONTRACT"])


# The others: test_heads_of_places.py, and tests/heads/test_generate.py for the one that reads anything.
KINDS = sorted(kind for kind, head in HEADS.items() if head.reads not in ("maps", "any"))
EXAMPLES |= {kind: example_of(kind) for kind in KINDS if kind not in EXAMPLES}
every = pytest.mark.parametrize("kind", KINDS)


def made(kind, **options) -> Head:
    return HEADS[kind](**options).with_column(EXAMPLES[kind].column)


def shape_of(head, width) -> tuple[int, ...]:
    return (ROWS, STEPS, width) if head.reads == "sequence" else (ROWS, width)


def outputs_of(head) -> torch.Tensor:
    return torch.randn(shape_of(head, head.num_outputs), generator=torch.Generator().manual_seed(0))


def features_of(head) -> torch.Tensor:
    return torch.randn(shape_of(head, FEATURES), generator=torch.Generator().manual_seed(1))


@every
def test_it_has_an_example_and_serves_its_column(kind):
    assert HEADS[kind].kind == kind
    assert EXAMPLES[kind].column.kind in HEADS[kind].column_kinds
    if HEADS[kind].is_default_for(EXAMPLES[kind].column):
        assert head_for(EXAMPLES[kind].column).kind == kind  # each kind of column has one default head


@every
@pytest.mark.parametrize("options", [{}, {"hidden": (7, 4), "dropout": 0.5}])
def test_layers_go_from_features_to_outputs_and_every_weight_learns(kind, options):
    head = made(kind, **options)
    layers = head.layers(FeatureShapes(FEATURES))
    outputs = layers(features_of(head))
    assert outputs.shape == shape_of(head, head.num_outputs)
    assert head.outputs_fault(outputs, ROWS) is None
    head.loss(outputs, EXAMPLES[kind].targets).sum().backward()
    assert all(parameter.grad is not None for parameter in layers.parameters())
    widths = [layer.out_features for layer in layers.modules() if isinstance(layer, nn.Linear)]
    last = getattr(head, "dim", head.num_outputs)  # an embedding has cosines to known people beside it
    assert widths == [*options.get("hidden", ()), last]


@every
def test_layers_are_the_same_in_both_modes_but_for_dropout(kind):
    head = made(kind, hidden=(7,), dropout=0.5)
    layers, x = head.layers(FeatureShapes(FEATURES)).eval(), features_of(head)
    assert torch.equal(layers(x), layers(x))
    assert layers.train()(x).shape == shape_of(head, head.num_outputs)


@every
def test_outputs_of_another_shape_are_refused_in_words(kind):
    head = made(kind)
    good = shape_of(head, head.num_outputs)
    for shape in ((), good[1:], (ROWS + 1, *good[1:]), (*good[:-1], good[-1] + 1), (*good, 1)):
        fault = head.outputs_fault(torch.empty(shape), ROWS)
        assert fault is not None
        assert fault.startswith(f"whose head needs ({ROWS}, ")
        assert fault.endswith(".")


@every
def test_losses_are_per_row_and_independent_of_the_other_rows(kind):
    head, targets = made(kind), EXAMPLES[kind].targets
    outputs = outputs_of(head)
    losses = head.loss(outputs, targets)
    assert losses.shape == (ROWS,)
    assert losses.dtype == torch.float32
    assert (losses >= 0).all()
    torch.testing.assert_close(head.loss(outputs[2:4], targets[2:4]), losses[2:4])


@every
def test_gradients_equal_finite_differences(kind):
    head, targets = made(kind), EXAMPLES[kind].targets
    outputs = outputs_of(head).requires_grad_()
    (gradient,) = torch.autograd.grad(head.loss(outputs, targets).sum(), outputs)
    step = 1e-2
    for place in ((0,) * outputs.ndim, (3, *(size - 1 for size in outputs.shape[1:]))):
        nudge = torch.zeros_like(outputs)
        nudge[place] = step
        with torch.no_grad():
            rise = (head.loss(outputs + nudge, targets) - head.loss(outputs - nudge, targets)).double().sum()
        assert float(rise) / (2 * step) == pytest.approx(float(gradient[place]), abs=2e-3)


@every
def test_a_missing_value_adds_nothing_to_loss_and_gradients(kind):
    head, targets = made(kind), EXAMPLES[kind].targets.clone()
    layers, x = head.layers(FeatureShapes(FEATURES)).eval(), features_of(head)  # batch statistics are of all rows
    there = torch.tensor([True, True, False, True, False, True])
    targets[~there] = 0  # what a store gives where a value is missing

    def gradients(rows, present):
        layers.zero_grad()
        loss = sum_losses({"t": head}, {"t": layers(x[rows])}, {"t": targets[rows]}, {"t": present})
        loss.backward()
        return loss.detach(), [parameter.grad.clone() for parameter in layers.parameters()]  # pyright: ignore

    with_gaps, without = gradients(torch.arange(ROWS), there), gradients(there.nonzero()[:, 0], torch.ones(4).bool())
    torch.testing.assert_close(with_gaps, without)
    loss, none = gradients(torch.arange(ROWS), torch.zeros(ROWS).bool())
    assert loss == 0
    assert all(not gradient.any() for gradient in none)


@every
def test_activated_outputs_decode_to_one_answer_per_row_in_json_values(kind):
    head = made(kind)
    predictions = head.postprocess(outputs_of(head))
    assert predictions.dtype == torch.float32
    assert len(predictions) == ROWS
    answers = head.decode(predictions)
    assert len(answers) == ROWS
    for answer in answers:
        assert json.loads(json.dumps(answer.value)) == answer.value
        assert (head.column.check(answer.value) is None) == head.predicts_values  # pyright: ignore
        assert answer.probability is None or 0 <= answer.probability <= 1
    assert head.decode(predictions[:0]) == []


@every
def test_perfect_answers_get_perfect_figures(kind):
    head = made(kind)
    figures = head.measure(EXAMPLES[kind].perfect, EXAMPLES[kind].targets)
    for metric in head.metrics:
        if metric.name in figures:
            assert figures[metric.name] == (1.0 if metric.better == "higher" else 0.0)
    assert set(figures) <= {metric.name for metric in head.metrics}
    assert head.metrics[0].name in figures
    assert all(type(figure) is float for figure in figures.values())


@every
def test_json_makes_the_same_head_again(kind):
    head = made(kind, hidden=(8, 4), dropout=0.25)
    again = head_from_json(json.loads(json.dumps(head.to_json(), allow_nan=False)))
    assert again == head
    assert type(again.hidden) is tuple  # pyright: ignore


@every
def test_a_head_for_another_column_is_refused(kind):
    others = [each.column for each in EXAMPLES.values() if each.column.kind not in HEADS[kind].column_kinds]
    for column in others:
        with pytest.raises(ConfigError, match=rf"The head {HEADS[kind].__name__} serves .* of kind '{column.kind}'"):
            head_for(column, HEADS[kind]())
    assert head_for(EXAMPLES[kind].column, HEADS[kind](dropout=0.5)).dropout == 0.5  # pyright: ignore


def test_losses_of_several_targets_are_summed():
    heads = {kind: made(kind) for kind in KINDS}
    outputs = {kind: outputs_of(head) for kind, head in heads.items()}
    targets = {kind: EXAMPLES[kind].targets for kind in heads}
    present = {kind: torch.ones(ROWS, dtype=torch.bool) for kind in heads}
    apart = [head.loss(outputs[kind], targets[kind]).mean() for kind, head in heads.items()]
    torch.testing.assert_close(sum_losses(heads, outputs, targets, present), sum(apart))


def test_columns_that_nothing_predicts_and_unknown_heads_are_refused():
    from longspan.columns import Image

    with pytest.raises(ConfigError, match="kind 'image' cannot be a target"):
        head_for(Image())
    with pytest.raises(UnknownNameError, match=r"There is no head 'clasify'. Did you mean 'classify'"):
        head_from_json({"kind": "clasify"})
