from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.train.budget import fit_phases


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    images = (rng.integers(0, 60, (48, 8, 8)) + 120 * labels[:, None, None]).astype(np.uint8)
    table = ls.Table.from_arrays(
        {"image": images, "bright": labels.astype(bool)}, {"image": ls.Image(), "bright": ls.Category()}
    )
    return ls.Task(table.split(valid=8, seed=0), inputs="image", targets="bright")


def make_net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))


RECIPE = ls.Recipe(make_net, epochs=2, lr=0.01, config=ls.TrainConfig(batch_size=10))


def weights(learner):
    return torch.cat([p.detach().flatten() for p in learner.network.parameters()])


def test_it_trains_as_a_learner_by_hand_does(task):
    recipe = ls.Recipe(ls.SmallResNetConfig(blocks=1), epochs=2, lr=0.01, config=RECIPE.config)
    learner = ls.Learner(task, ls.SmallResNetConfig(blocks=1), config=RECIPE.config, seed=3, progress=False)
    learner.fit_one_cycle(2, 0.01)
    trained = recipe.train(task, seed=3)
    assert trained.steps_done == 2 * 4
    assert torch.equal(weights(trained), weights(learner))


def test_it_prints_epochs_where_that_is_asked_for(task, capsys):
    RECIPE.train(task)
    assert capsys.readouterr().out == ""
    recipe = ls.Recipe(ls.SmallResNetConfig(blocks=1), epochs=2, lr=0.01, config=RECIPE.config)
    ls.Transfer(recipe, recipe.train(task, progress=True)).train(task, progress=True)
    assert capsys.readouterr().out.count("train_loss") == 2 + 2


def test_the_same_seed_gives_the_same_weights_also_of_a_module_of_yours(task):
    first = weights(RECIPE.train(task, seed=3))
    assert torch.equal(first, weights(RECIPE.train(task, seed=3)))
    assert not torch.equal(first, weights(RECIPE.train(task, seed=4)))


@pytest.mark.parametrize(("steps", "taken"), [(4, 4), (16, 16), (19, 20), (1, 4)])
def test_a_budget_of_steps_is_met_to_half_an_epoch(task, steps, taken):
    assert RECIPE.train(task, budget=ls.Budget(steps=steps)).steps_done == taken


@pytest.mark.parametrize(("least", "taken"), [(0, 8), (8, 8), (14, 16), (40, 40)])
def test_few_rows_get_more_epochs_until_the_steps_are_enough_and_a_budget_replaces_that(task, least, taken):
    recipe = replace(RECIPE, min_steps=least)
    assert recipe.train(task).steps_done == taken
    assert recipe.train(task, budget=ls.Budget(steps=4)).steps_done == 4


def test_inputs_are_read_as_the_recipe_says_and_learned_from_the_rows_of_the_subset():
    texts = [f"a {word} film number {n}" for n in range(20) for word in ("good", "bad")]
    table = ls.Table.from_arrays({"text": texts, "label": ["p", "n"] * 20}, {"text": ls.Text(), "label": ls.Category()})
    task = ls.Task(table.split(valid=0, seed=0), "text", "label", allow_leaks=True)
    recipe = ls.Recipe("text_cnn", epochs=4, lr=1e-2, columns={"text": ls.Text(tokenizer=ls.CharacterTokens())})
    learner = recipe.train(task.subset(task.train[:12]), seed=1)
    assert isinstance(learner.inputs["text"].tokenizer, ls.CharacterTokens)
    assert learner.predict(table.select("text"))[0]["label"] in ("p", "n")
    assert not isinstance(task.inputs["text"].tokenizer, ls.CharacterTokens)
    assert len(learner.task.train) == 12
    assert recipe.to_json() != replace(recipe, columns={}).to_json()
    assert not {"columns", "min_steps"} & {*replace(recipe, columns={}).to_json()}  # older studies go on
    with pytest.raises(UnknownNameError, match="texts"):
        replace(recipe, columns={"texts": ls.Text()}).train(task)


def test_phases_keep_their_proportions():
    phases = (ls.Phase(epochs=1, frozen=1.0), ls.Phase(epochs=3))
    assert [phase.epochs for phase in fit_phases(phases, 120, 10)] == [3, 9]
    assert [phase.epochs for phase in fit_phases(phases, 10, 10)] == [1, 1]
    assert fit_phases(phases, 120, 10)[0].frozen == 1.0


def test_a_budget_of_seconds_buys_more_steps_when_it_is_larger(task):
    few, many = (RECIPE.train(task, budget=ls.Budget(seconds=s)).steps_done for s in (0.02, 0.4))
    assert many > few


@pytest.mark.parametrize("wrong", [{}, {"steps": 1, "seconds": 1.0}, {"steps": 0}, {"seconds": 0.0}, {"steps": 1.5}])
def test_a_budget_is_one_positive_amount(wrong):
    with pytest.raises(ConfigError, match="Budget"):
        ls.Budget(**wrong)


def test_a_budget_is_shared_and_described():
    assert ls.Budget(steps=1000).fraction(0.25) == ls.Budget(steps=250)
    assert ls.Budget(steps=2).fraction(0.1) == ls.Budget(steps=1)
    assert ls.Budget(seconds=30.0).fraction(0.5) == ls.Budget(seconds=15.0)
    assert ls.Budget(steps=1000).describe() == "1,000 steps"
    assert ls.Budget(seconds=30.0).describe() == "30 seconds"


def test_a_module_is_refused_with_the_cure():
    with pytest.raises(ConfigError, match="function that makes your module"):
        ls.Recipe(make_net())


def test_the_recipe_of_a_learner_repeats_its_training(task):
    learner = ls.Learner(
        task, ls.SmallResNetConfig(blocks=1), seed=2, callbacks=[ls.WeightAverage(0.9)], progress=False
    )
    with pytest.raises(ConfigError, match="not been trained yet"):
        ls.Recipe.of(learner)
    learner.fit(1, 0.01)
    recipe = ls.Recipe.of(learner)
    assert torch.equal(weights(recipe.train(task, seed=2)), weights(learner))
    with pytest.raises(ConfigError, match="module of yours"):
        ls.Recipe.of(RECIPE.train(task))


def test_its_json_changes_with_what_matters():
    described = [
        ls.Recipe("lenet5").to_json(),
        ls.Recipe("lenet5", lr=1e-3).to_json(),
        ls.Recipe("lenet5", epochs=3).to_json(),
        ls.Recipe(ls.SmallResNetConfig(blocks=1)).to_json(),
        RECIPE.to_json(),
        ls.Recipe("lenet5", heads={"digit": ls.Classify(dropout=0.5)}).to_json(),
    ]
    assert len({str(each) for each in described}) == len(described)
    assert ls.Recipe("lenet5").to_json() == described[0]


class TestSubset:
    def test_other_training_rows_the_same_columns_and_nothing_held_out(self, task):
        rows = task.train[[3, 1, 7]]
        part = task.subset(rows)
        assert part.train.tolist() == sorted(rows.tolist())
        assert len(part.valid) == len(part.split.vault) == 0
        assert part.targets is task.targets
        assert part.samples is task.samples
        assert len(task.train) == 40

    @pytest.mark.parametrize(("rows", "words"), [("valid", "is not one of them"), ("none", "no row was given")])
    def test_only_training_rows(self, task, rows, words):
        with pytest.raises(ConfigError, match=words):
            task.subset(task.valid[:1] if rows == "valid" else [])

    def test_a_class_that_the_subset_lacks_stays_in_the_vocabulary(self, task):
        labels = np.asarray(task.table.column_values("bright"))[task.train.numpy()]
        learner = RECIPE.train(task.subset(task.train.numpy()[labels][:6]))
        assert learner.predict(task.table).__len__() == 48
        assert learner.heads["bright"].column.vocab == (False, True)
