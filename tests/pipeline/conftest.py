"""A small world in stages: pulses in a signal are found, cut out, named, and joined to a word."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.pipeline import Pipeline, Stage

SHAPES = ([5, 1, 1], [1, 5, 1], [1, 1, 5])
NAMES = ("a", "b", "c")


def find(signal):
    """Where a pulse starts: the first number after a zero."""
    return [i for i, value in enumerate(signal) if value and (i == 0 or not signal[i - 1])]


def cut(signal, start):
    return signal[start : start + 3]


def join(names):
    return "".join(names)


def make_table(rows=60, seed=0, noise=0.3, lengths=(1, 4)):
    """Signals of 20 numbers with one to three pulses, and the truth of every stage but `cut`."""
    generator = np.random.default_rng(seed)
    cells = {"signal": [], "starts": [], "names": [], "word": []}
    for _ in range(rows):
        kinds = generator.integers(0, 3, generator.integers(*lengths))
        signal, starts = [0.0], []
        for kind in kinds:
            starts.append(len(signal))
            signal += [*np.abs(np.asarray(SHAPES[kind]) + noise * generator.normal(size=3)) + 0.01, 0.0]
        cells["signal"].append([float(x) for x in signal] + [0.0] * (20 - len(signal)))
        cells["starts"].append(starts)
        cells["names"].append([NAMES[kind] for kind in kinds])
        cells["word"].append("".join(NAMES[kind] for kind in kinds))
    return ls.Table.from_arrays(cells, dict.fromkeys(cells, ls.Raw()))


def classifier():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0)


def make_stages(finder=find, cutter=cut, namer=None, joiner=join, **options):
    return [
        Stage("find", finder, reads="signal", adds="starts"),
        Stage("cut", cutter, reads=["signal", "starts"], adds="pieces", each="starts"),
        Stage("name", classifier() if namer is None else namer, reads="pieces", adds="names", each="pieces", **options),
        Stage("join", joiner, reads="names", adds="word"),
    ]


def make_pipeline(**options):
    return Pipeline(make_stages(**options))


class Majority:
    """A strategy that needs no time: it answers with the commonest label, and remembers what it was trained on."""

    def __init__(self, steps=7):
        self.steps = steps
        self.calls = []

    def to_json(self):
        return {"strategy": "majority", "steps": self.steps}

    def train(self, task, *, seed=0, budget=None):
        task.prepare()
        self.calls.append(SimpleNamespace(task=task, seed=seed, budget=budget))
        labels = {}
        for name in task.target_names:
            values = [v for v in task.table.column_values(name) if v is not None]
            labels[name] = max(sorted(set(values)), key=values.count)
        return Constant(labels, self.steps)


class Constant:
    def __init__(self, labels, steps):
        self.labels = labels
        self.steps_done = steps
        self.tables = []

    def predict(self, data):
        assert isinstance(data, ls.Table)
        self.tables.append(data)
        return [self.labels] * len(data)

    def save(self, path):
        raise NotImplementedError


def images(rows=24, side=8, seed=0):
    """Images that are lit on the left or on the right."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 60, (rows, side, side)).astype(np.uint8)
    sides = ["left" if i % 2 else "right" for i in range(rows)]
    for i, where in enumerate(sides):
        pixels[i, :, slice(0, side // 2) if where == "left" else slice(side // 2, side)] += 150
    return pixels, sides


def image_table(rows=24, seed=0):
    pixels, sides = images(rows, seed=seed)
    return ls.Table.from_arrays({"image": pixels, "side": sides}, {"image": ls.Image(), "side": ls.Category()})


RECIPE = ls.Recipe(
    ls.SmallResNetConfig(blocks=1, width=4),
    epochs=6,
    lr=1e-2,
    config=ls.TrainConfig(batch_size=8, precision="float32"),
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def pulses():
    """Builders of the small world, its functions, and stand-ins for strategies."""
    return SimpleNamespace(
        table=make_table, stages=make_stages, pipeline=make_pipeline, find=find, cut=cut, join=join,
        classifier=classifier, Majority=Majority, Constant=Constant, images=images, image_table=image_table,
        RECIPE=RECIPE,
    )  # fmt: skip
