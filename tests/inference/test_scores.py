import math

import pytest
import torch

import longspan as ls
from longspan.inference.scores import Scores, join_target, predict_rows, score_rows
from longspan.inference.source import whole_source


@pytest.fixture(scope="module")
def learner(small):
    return small.learner(small.task(["side", "light", "lit"], missing=True, test=3))


def scored(learner, rows, batch_size):
    source = whole_source(learner.task.samples, learner.inputs, torch.device("cpu"), torch.float32)
    return score_rows(source, learner.network, rows, learner.heads, learner.task.targets, batch_size)


def test_scores_follow_the_rows_and_not_their_batches(learner):
    rows = learner.task.train
    whole = scored(learner, rows, 100)
    assert torch.equal(whole.rows, rows)
    for batch_size in (1, 3, 4):
        parts = scored(learner, rows, batch_size)
        for name in learner.heads:
            torch.testing.assert_close(parts.predictions[name], whole.predictions[name])
            torch.testing.assert_close(parts.losses[name], whole.losses[name])
            assert torch.equal(parts.targets[name], whole.targets[name])
    turned = scored(learner, rows.flip(0), 4)
    torch.testing.assert_close(turned.predictions["side"], whole.predictions["side"].flip(0))


def test_texts_of_like_length_share_a_batch_and_answers_stay_with_their_rows():
    texts = [" ".join("abcde"[(row + i) % 5] for i in range(1 + 7 * row % 30)) for row in range(30)]
    table = ls.Table.from_arrays({"text": texts, "even": [0, 1] * 15}, {"text": ls.Text(), "even": ls.Category()})
    task = ls.Task(table.split(valid=6, seed=0), "text", "even", allow_leaks=True)
    learner = ls.Learner(task, "text_gru", progress=False)
    source = whole_source(learner.task.samples, learner.inputs, torch.device("cpu"), torch.float32)
    network, heads, widths = learner.network.eval(), learner.heads, []
    rows, alone = torch.arange(30).flip(0), lambda batch: [{}]
    hook = network.backbone.register_forward_hook(lambda m, given, out: widths.append(given[0].values.shape[1]))
    found = predict_rows(source, network, rows, heads, 10, alone)["even"]
    scored = score_rows(source, network, rows, heads, learner.task.targets, 10)
    hook.remove()
    assert widths == [10, 20, 30] * 2  # the least that three batches of ten can have
    one_by_one = torch.cat([predict_rows(source, network, row, heads, 1, alone)["even"] for row in rows.split(1)])
    assert one_by_one.std(dim=0).min() > 1e-3
    torch.testing.assert_close(found, one_by_one)
    torch.testing.assert_close(scored.predictions["even"], one_by_one)
    assert scored.targets["even"].tolist() == [1, 0] * 15
    assert torch.equal(scored.rows, rows)


def test_missing_truths_lose_nothing_and_count_for_nothing(learner):
    scores = scored(learner, learner.task.train, 4)
    for name in ("side", "light"):
        there = torch.tensor([learner.task.table.value(int(row), name) is not None for row in scores.rows])
        assert 0 < there.sum() < len(there)
        assert torch.equal(scores.present[name], there)
        assert not scores.losses[name][~there].any()
    figures = scores.metrics(learner.heads)
    losses = [scores.losses[n][scores.present[n]].mean() for n in learner.heads]
    assert figures["loss"] == pytest.approx(float(sum(losses)), rel=1e-6)
    there = scores.present["side"]
    right = (scores.predictions["side"].argmax(dim=1) == scores.targets["side"])[there]
    assert figures["side.accuracy"] == pytest.approx(float(right.double().mean()), abs=1e-6)


def test_a_target_without_truth_gives_no_figure(learner):
    rows = torch.tensor([row for row in learner.task.train.tolist() if learner.task.table.value(row, "light") is None])
    figures = scored(learner, rows, 4).metrics(learner.heads)
    assert not any(name.startswith("light.") for name in figures)
    assert "side.accuracy" in figures
    assert math.isfinite(figures["loss"])


def test_no_rows_give_no_figures(learner):
    none = scored(learner, torch.empty(0, dtype=torch.int64), 4)
    assert none.metrics(learner.heads) == {}
    assert isinstance(none, Scores)


def test_figures_are_called_by_their_name_for_one_target_and_by_both_for_several():
    assert join_target("breed", "accuracy", 1) == "accuracy"
    assert join_target("breed", "accuracy", 2) == "breed.accuracy"
