"""Digits, and strategies that take milliseconds: a nearest-mean classifier and what can go wrong with one."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import longspan as ls
from longspan.heads import TargetPrediction


class Trained:
    """Says the class whose mean image is nearest."""

    def __init__(self, means, labels, target, steps_done):
        self.means, self.labels, self.target, self.steps_done = means, labels, target, steps_done

    def predict(self, table):
        assert list(table.columns) == ["image"], "truths must not be there to be looked up"
        pixels = np.stack(table.column_values("image")).reshape(len(table), -1).astype(float)
        nearest = ((pixels[:, None] - self.means[None]) ** 2).sum(-1).argmin(1)
        return [ls.Prediction({self.target: TargetPrediction(self.labels[k])}) for k in nearest]

    def save(self, path):
        path.write_text(str(self.labels))
        return path


class NearestMean:
    """A strategy. `noise` draws from numpy's global state, as careless estimators do."""

    def __init__(self, noise=0.0, *, log=None, fails=(), dies=(), interrupts=(), sleep=0.0):
        self.noise, self.log, self.sleep = noise, log, sleep
        self.fails, self.dies, self.interrupts = tuple(fails), tuple(dies), tuple(interrupts)

    def to_json(self):
        return {"noise": self.noise}

    def train(self, task, *, seed=0, budget=None):
        import time

        run = (len(task.train), seed)
        if self.log is not None:
            with open(self.log, "a") as log:
                log.write(f"{len(task.train)} {seed} {os.getpid()}\n")
        if run in self.fails:
            raise ValueError(f"cannot learn {run}")
        if run in self.dies:
            os._exit(3)
        if run in self.interrupts:
            raise KeyboardInterrupt
        time.sleep(self.sleep)
        table = task.table.take(task.train.numpy())
        pixels = np.stack(table.column_values("image")).reshape(len(table), -1).astype(float)
        pixels += np.random.normal(size=pixels.shape) * self.noise
        target = task.target_names[0]
        truth = table.column_values(target)
        labels = sorted(set(truth))
        means = np.stack([pixels[[t == label for t in truth]].mean(0) for label in labels])
        return Trained(means, labels, target, 10 if budget is None else budget.steps)


@pytest.fixture(scope="session")
def digits():
    """360 digits of 8 x 8 pixels, 60 of them held out to validate and 60 to test."""
    table = ls.datasets.load("digits").sample(360, seed=0)
    return table.split(valid=60, test=60, seed=0)


@pytest.fixture
def task(digits):
    return ls.Task(digits, inputs="image", targets="digit", allow_leaks=True)


def send_by_value(module):
    """Classes of a module that worker processes cannot import go to them as they are."""
    try:
        import cloudpickle
    except ImportError:
        from joblib.externals import cloudpickle  # pyright: ignore - before joblib 1.6
    cloudpickle.register_pickle_by_value(module)


@pytest.fixture(scope="session")
def fakes():
    send_by_value(sys.modules[NearestMean.__module__])
    return SimpleNamespace(NearestMean=NearestMean, Trained=Trained)


def rows_of(study):
    """What two equal studies have in common: everything but seconds."""
    return study.frame().drop("seconds").rows()


@pytest.fixture(scope="session")
def rows():
    return rows_of
