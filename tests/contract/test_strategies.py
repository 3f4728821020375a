"""What holds for every kind of strategy that a study takes; a new kind without an example fails the first test."""

import importlib
import inspect
import json
import pkgutil

import numpy as np
import pytest

import longspan as ls
from longspan.pipeline.identity import describe_object
from longspan.train import Boosting
from longspan.train.estimators.word_counts import WordCounts

RECIPE = ls.Recipe(
    ls.SmallResNetConfig(blocks=1, width=4),
    epochs=2,
    lr=1e-2,
    config=ls.TrainConfig(batch_size=5, precision="float32"),
)
EXAMPLES = {
    "Recipe": lambda small: RECIPE,
    "Pipeline": lambda small: ls.Pipeline([ls.Stage("see", RECIPE, reads="image", adds="side")]),
    "SingleTask": lambda small: ls.SingleTask(RECIPE),
    "Transfer": lambda small: ls.Transfer(RECIPE, small.task(table=other_images(small), allow_leaks=True)),
    "Boosting": lambda small: Boosting(trees=3, min_rows=2),
    "TableRecipe": lambda small: ls.TableRecipe(),
    "WordCounts": lambda small: WordCounts(),
    "PhraseTranslation": lambda small: ls.PhraseTranslation(trials=1),
}
every = pytest.mark.parametrize("kind", list(EXAMPLES))


def other_images(small):
    """Other noise: a source task shares no row with the target task."""
    pixels = np.random.default_rng(11).integers(0, 255, (20, 8, 8)).astype(np.uint8)
    return small.table(pixels=pixels)


def kinds():
    """Classes outside the ready-made systems that train as a strategy does."""
    found = set()
    for module in pkgutil.walk_packages(ls.__path__, "longspan."):
        if module.name.startswith(("longspan.systems", "longspan.cli", "longspan.__main__")):
            continue
        for name, each in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(each) and each.__module__ == module.name and not getattr(each, "_is_protocol", False):
                train = vars(each).get("train")
                if inspect.isfunction(train) and {"task", "seed", "budget"} <= set(inspect.signature(train).parameters):
                    found.add(name)
    return found


def task_for(kind, small, target="side"):
    if kind in ("WordCounts", "PhraseTranslation"):
        sides = ["l", "r"] if kind == "WordCounts" else ["High", "Low"]
        cells = {"text": [f"{'low' if r % 2 else 'high'} {r if kind == 'WordCounts' else ''}" for r in range(40)]}
        kinds = {"text": ls.Text(), "side": ls.Category()}
        if kind == "PhraseTranslation":
            kinds["side"] = ls.Text(tokenizer=ls.WordTokens())
        table = ls.Table.from_arrays({**cells, "side": sides * 20}, kinds)
        return ls.Task(table.split(valid=6, seed=1, stratify=None), "text", target, allow_leaks=True)
    if kind not in ("Boosting", "TableRecipe"):
        return small.task(target, allow_leaks=True)
    rows = np.arange(40)
    cells = {
        "a": (rows % 7).astype(float),
        "b": (rows % 3).astype(float),
        "side": ["l" if r % 2 else "r" for r in rows],
    }
    columns = {"a": ls.Number(), "b": ls.Number(), "side": ls.Category()}
    table = ls.Table.from_arrays(cells, columns).with_features("side")
    return ls.Task(table.split(valid=6, seed=1, stratify=None), "features", target, allow_leaks=True)


def inputs_of(task):
    return task.table.select(*task.input_names).take(np.arange(4))


def values(trained, task, table=None):
    """What is predicted for four rows, of which no target is shown."""
    (target,) = task.target_names
    predicted = trained.predict(inputs_of(task) if table is None else table)
    return [(each[target], each.probabilities if hasattr(each, "probabilities") else None) for each in predicted]


def test_every_kind_has_an_example():
    assert kinds() == set(EXAMPLES)


@every
def test_the_same_seed_gives_the_same_predictor_and_it_is_loaded_bit_for_bit(kind, small, tmp_path):
    task = task_for(kind, small)
    one, two = (EXAMPLES[kind](small).train(task, seed=3, budget=ls.Budget(steps=4)) for _ in range(2))
    assert one.steps_done == two.steps_done
    assert one.steps_done > 0 or kind in ("WordCounts", "PhraseTranslation")  # solved and counted, without steps
    assert values(one, task) == values(two, task)
    assert all(value in task.table.column_values("side") for value, _ in values(one, task))
    path = one.save(tmp_path / "model.safetensors")
    assert values(ls.load(path, device="cpu"), task) == values(one, task)


@every
def test_training_leaves_the_task_and_the_random_state_as_they_were(kind, small):
    import torch

    task, strategy = task_for(kind, small), EXAMPLES[kind](small)
    state, before = torch.random.get_rng_state(), describe_object(strategy)
    strategy.train(task, seed=1, budget=ls.Budget(steps=2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert describe_object(strategy) == before
    json.dumps(before, allow_nan=False)
    assert not task.split.vault.openings


@every
def test_columns_that_are_not_there_are_named(kind, small):
    task = task_for(kind, small)
    trained = EXAMPLES[kind](small).train(task, seed=0, budget=ls.Budget(steps=1))
    unknown = ls.Table.from_arrays({"weight": [1.0, 2.0]}, {"weight": ls.Number()})
    with pytest.raises(ls.LongspanError, match=r"image|text|features|weight|'a'"):
        trained.predict(unknown)
