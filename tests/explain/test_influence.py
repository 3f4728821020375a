"""Influential training rows, against a step of gradient descent that is really taken."""

import numpy as np
import polars as pl
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 120))
    labels = np.where(x + y > 0, "above", "below")
    table = ls.Table.from_frame(pl.DataFrame({"x": x, "y": y, "side": labels})).with_features("side")
    task = ls.Task(table.split(valid=30, seed=0), inputs="features", targets="side", allow_leaks=True)
    learner = ls.Learner(task, "mlp", config=ls.TrainConfig(batch_size=16), seed=0, progress=False)
    learner.fit(3, 3e-3)
    return learner, table.take(task.train.numpy()), table.take(task.valid.numpy())


def loss_of(predictor, table, row):
    head = predictor.heads["side"]
    (prediction,) = predictor.predict(table.take([row]))
    return -np.log(prediction.probabilities[table[row]["side"]]), head


def test_it_is_what_a_step_on_the_last_layer_changes(trained):
    learner, training, held_out = trained
    raw = training.select("x", "y", "side")  # as it is read from a file: without the input made of its columns
    (found,) = ls.explain.influence(learner, raw, held_out.take([0]), most=90)
    every = dict((*found.helped, *found.harmed))
    for row in (3, 17, 40):
        predictor = learner.predictor()
        before, head = loss_of(predictor, held_out, 0)
        last = next(module for module in predictor.network.heads.modules() if isinstance(module, torch.nn.Linear))
        features = {}
        hook = last.register_forward_pre_hook(lambda _, args, kept=features: kept.update(x=args[0]))
        samples = ls.data.encode_rows(training, np.array([row]), predictor.inputs, {"side": head.column})
        (batch,) = samples.batches(torch.tensor([row]), 1)
        outputs = predictor.network(predictor.inputs["features"].prepare(batch.inputs["features"], None))["side"]
        loss = head.loss(outputs, batch.targets["side"].long()).sum()
        gradients = torch.autograd.grad(loss, [last.weight, last.bias])
        hook.remove()
        rate, kept = 1e-3, [last.weight.detach().clone(), last.bias.detach().clone()]
        with torch.no_grad():
            for weight, gradient in zip((last.weight, last.bias), gradients, strict=True):
                weight -= rate * gradient
        after, _ = loss_of(predictor, held_out, 0)
        with torch.no_grad():
            for weight, old in zip((last.weight, last.bias), kept, strict=True):
                weight.copy_(old)
        assert (before - after) / rate == pytest.approx(every[row], rel=0.05, abs=1e-3)


def test_rows_are_named_by_their_number_and_sorted(trained):
    learner, training, held_out = trained
    found = ls.explain.influence(learner, training, held_out, most=3)
    assert [each.row for each in found] == list(range(len(held_out)))
    same = []
    for each in found:
        assert each.value == held_out[each.row]["side"]
        effects = [effect for _, effect in each.helped]
        assert effects == sorted(effects, reverse=True)
        assert all(effect > 0 for effect in effects)
        assert all(effect < 0 for _, effect in each.harmed)
        same += [training[row]["side"] == each.value for row, _ in each.helped]
    assert np.mean(same) > 0.8


def test_planted_wrong_labels_are_the_first_to_resist(trained):
    _, training, _ = trained
    rng = np.random.default_rng(1)
    labels = np.array(training.column_values("side"))
    wrong = rng.choice(len(labels), 5, replace=False)
    labels[wrong] = np.where(labels[wrong] == "above", "below", "above")
    changed = ls.Table.from_frame(training.select("x", "y").frame.with_columns(side=pl.Series(labels)))
    changed = changed.with_features("side") if "features" not in changed.columns else changed
    task = ls.Task(changed.split(valid=10, seed=0), inputs="features", targets="side", allow_leaks=True)
    learner = ls.Learner(task, "mlp", config=ls.TrainConfig(batch_size=16), seed=0, progress=False)
    learner.fit(6, 3e-3)
    first = [row for row, _ in ls.explain.self_influence(learner, changed)[:10]]
    assert len(set(first) & set(wrong.tolist())) >= 4


def test_what_has_no_last_layer_is_told(trained):
    learner, training, held_out = trained
    with pytest.raises(ConfigError, match="most must be at least 1"):
        ls.explain.influence(learner, training, held_out, most=0)
    task = ls.Task(training.split(valid=10, seed=0), inputs="features", targets="side", allow_leaks=True)
    with pytest.raises(ConfigError, match="boosted trees, which cannot find influential rows"):
        ls.explain.influence(ls.Boosting(trees=3).train(task), training, held_out)


def test_the_page_names_the_training_rows_behind_mistakes(trained, tmp_path):
    learner, training, held_out = trained
    ls.explain.write_explanation(tmp_path / "page.html", learner, held_out, training=training)
    page = (tmp_path / "page.html").read_text()
    assert "Behind the mistakes" in page
    assert "training rows that harmed most" in page or "There is no mistake in these rows." in page
