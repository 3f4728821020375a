"""Inputs of every kind, from a table to a trained model and back: what a user's own network gets of them."""

import numpy as np
import pytest
import torch
from torch import nn

import longspan as ls
from longspan.columns import Ragged, TokensSpec, VectorSpec
from longspan.errors import ConfigError, DataError


class Reader(nn.Module):
    """Mean of letter embeddings, a number, a category: one vector."""

    num_features = 12

    def __init__(self, vocab_size, categories, numbers=1):
        super().__init__()
        self.letters = nn.Embedding(vocab_size, 8, padding_idx=0)
        self.categories = nn.Embedding(categories, 3)
        self.numbers = nn.Linear(numbers, 1)
        self.seen = []

    def forward(self, word, age, sex):
        assert isinstance(word, Ragged)
        self.seen.append(word.values.shape[1] * len(word.values))
        letters = (self.letters(word.values) * word.mask[..., None]).sum(1) / word.lengths.clamp_min(1)[:, None]
        return torch.cat([letters, self.categories(sex), self.numbers(age.reshape(len(age), -1))], dim=1)


def people(rows=120, **options):
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdef"), rng.integers(1, 40))) for _ in range(rows)]
    age = 1e9 + rng.normal(size=rows)
    sex = rng.choice(["m", "f"], rows).tolist()
    scores = [
        years - 1e9 + (0.7 if which == "m" else -0.7) + 4 * (word.count("a") / len(word) - 1 / 6)
        for word, years, which in zip(words, age, sex, strict=True)
    ]
    label = [score > 0 for score in scores]
    cells = {"word": words, "age": age.tolist(), "sex": sex, "label": label}
    for name, row in options.pop("missing", []):
        cells[name][row] = None
    kinds = {
        "word": ls.Text(tokenizer=ls.CharacterTokens()),
        "age": ls.Number(),
        "sex": ls.Category(),
        "label": ls.Category(),
        **options,
    }
    return ls.Table.from_arrays(cells, kinds)


def learner_of(task, **options):
    task.prepare()
    word, age, sex = (column.spec() for column in task.inputs.values())
    torch.manual_seed(0)
    network = Reader(word.vocab_size, sex.categories[0], age.numbers)
    return ls.Learner(task, network, progress=False, device="cpu", **options)


def task_of(table, **options):
    return ls.Task(table.split(valid=20, seed=0), ["word", "age", "sex"], "label", **options)


def test_three_kinds_of_input_train_one_network(tmp_path):
    task = task_of(people())
    learner = learner_of(task, config=ls.TrainConfig(batch_size=16, precision="float32"))
    assert [type(column.spec()) for column in task.inputs.values()] == [TokensSpec, VectorSpec, VectorSpec]
    learner.fit(40, lr=2e-2)
    assert learner.evaluate("train")["accuracy"] > 0.9  # the age differs by one in a thousand million
    path = learner.save(tmp_path / "model.safetensors")
    spec = task.inputs["word"].spec()
    again = ls.load(path, model=Reader(spec.vocab_size, 2))
    sample = {"word": "fade", "age": 1e9 + 1, "sex": "m"}
    one, two = (each.predict(sample)["label"] for each in (learner.predictor(), again))
    assert one == two
    rows = task.table.take(task.valid.numpy())
    assert [p["label"] for p in again.predict(rows)] == [p["label"] for p in learner.predict(rows)]
    assert again.predict({**sample, "word": "zzz?"})["label"] in (True, False)  # unknown letters are no fault
    with pytest.raises(DataError, match="the input is missing"):
        again.predict({**sample, "age": None})


def test_batches_of_like_length_pad_less_and_are_the_same_again():
    task = task_of(people(400))
    counts, weights = [], []
    for _ in range(2):
        learner = learner_of(task, config=ls.TrainConfig(batch_size=16, precision="float32"))
        learner.network.backbone.seen.clear()
        learner.fit(1, lr=1e-3)
        counts.append(sum(learner.network.backbone.seen[:24]))
        weights.append(torch.cat([p.detach().flatten() for p in learner.network.parameters()]))
    assert counts[0] == counts[1]
    assert torch.equal(*weights)
    letters = sum(len(task.table.value(int(row), "word")) for row in task.train)
    assert counts[0] < 1.25 * letters


@pytest.mark.filterwarnings("ignore:Encoded values")
def test_values_read_while_training_give_the_same_weights():
    weights = []
    for room in ({}, {"cache_gb": 0}, {"cache_gb": 0, "disk_cache_gb": 0}):
        learner = learner_of(task_of(people(), **room), config=ls.TrainConfig(batch_size=16, precision="float32"))
        learner.fit(2, lr=1e-2)
        weights.append(torch.cat([p.detach().flatten() for p in learner.network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name", ["word", "age", "sex"])
def test_a_missing_input_is_a_fault_unless_its_column_says_what_it_means(name):
    missing = [(name, row) for row in range(0, 120, 7)]
    with pytest.raises(DataError, match="18 rows cannot be used") as caught:
        task_of(people(missing=missing)).prepare()
    assert "the input is missing" in str(caught.value)
    meaning = {
        "word": ls.Text(missing="empty", tokenizer=ls.CharacterTokens()),
        "age": ls.Number(missing="indicator"),
        "sex": ls.Category(missing="class"),
    }
    task = task_of(people(missing=missing, **{name: meaning[name]}))
    learner = learner_of(task, config=ls.TrainConfig(batch_size=16)).fit(1)
    sample = {"word": "fade", "age": 1e9 + 1, "sex": "m", name: None}
    assert learner.predict(sample)["label"] in (True, False)
    assert {"word": None, "age": (2, ()), "sex": (0, (3,))}[name] in (
        None,
        (getattr(task.inputs[name].spec(), "numbers", None), getattr(task.inputs[name].spec(), "categories", None)),
    )


def test_mixup_names_the_inputs_that_cannot_be_blended():
    with pytest.raises(ConfigError, match=r"'word', 'sex' \(text\) cannot be blended: set mixup=0"):
        learner_of(task_of(people()), config=ls.TrainConfig(mixup=0.2))


def test_a_number_alone_is_standardised():
    task = ls.Task(people().split(valid=20, seed=0), "age", "label")
    task.prepare()
    batch = next(task.samples.batches(task.train, 100))
    ready = task.inputs["age"].prepare(batch.inputs["age"])
    assert ready.dtype == torch.float32
    assert abs(float(ready.mean())) < 1e-5
    assert float(ready.std(correction=0)) == pytest.approx(1, abs=1e-5)
