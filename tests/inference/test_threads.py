"""Several threads on one loaded model predict what one thread does, bit for bit."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.datasets import make_scenes
from longspan.heads import HEADS
from longspan.train import Callback

THREADS, ROUNDS = 8, 3


def at_once(calls):
    """Results of all calls, started together in threads of their own."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        return [call() for _ in range(ROUNDS)]

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.fixture(scope="module")
def model(small, tmp_path_factory):
    config = ls.TrainConfig(batch_size=5, precision="float32", augment=ls.Augment(flip=True, rotate_deg=20))
    learner = small.learner(small.task(["side", "light"]), config=config, heads={"side": ls.Classify(dropout=0.5)})
    return ls.load(learner.fit(1).save(tmp_path_factory.mktemp("model") / "m.safetensors"), device="cpu")


@pytest.mark.filterwarnings("ignore:.*rows trained this model")
def test_predictions_views_and_metrics(model, small):
    table = small.table()
    images = list(table.arrays["image"])
    calls = [
        lambda: model.raw_predictions(images[:7]).values,
        lambda: model.raw_predictions(images, views=3).values,
        lambda: model.raw_predictions(images[3:], batch_size=4).values,
        lambda: {k: torch.tensor(v) for k, v in model.evaluate(table).items()},
    ] * (THREADS // 4)
    alone = [call() for call in calls]
    for expected, found in zip(alone, at_once(calls), strict=True):
        for each in found:
            assert all(torch.equal(expected[name], each[name]) for name in expected)


@pytest.mark.filterwarnings("ignore:.*rows trained this model")
def test_tiles_of_masks_and_detections_of_images(tmp_path):
    scenes = make_scenes(8, seed=3)
    small = {"mask": HEADS["segment"](width=8), "boxes": HEADS["detect"](channels=8, box_head_dim=8, proposals=20)}
    models = {}
    for target, head in small.items():
        task = ls.Task(scenes.split(valid=2, seed=0), "image", target)
        config = ls.TrainConfig(batch_size=3, precision="float32")
        learner = ls.Learner(task, "squeezenet1_1", heads={target: head}, config=config, progress=False, device="cpu")
        models[target] = ls.load(learner.save(tmp_path / f"{target}.safetensors"), device="cpu")
    wide = np.random.default_rng(0).integers(0, 256, (96, 130, 3), dtype=np.uint8)
    calls = [
        lambda: models["mask"].predict(wide, tiles=True)["mask"],
        lambda: models["mask"].predict(wide)["mask"],
        lambda: models["boxes"].raw_predictions(wide).values["boxes"].numpy(),
        lambda: models["boxes"].evaluate(scenes.take([0, 1, 2])),
    ] * (THREADS // 4)
    alone = [call() for call in calls]
    for expected, found in zip(alone, at_once(calls), strict=True):
        for each in found:
            np.testing.assert_equal(each, expected)


def test_diagnostics_in_the_middle_of_an_epoch_change_nothing_in_the_training(small):
    modes = []

    class Look(Callback):
        learner = None

        def step_end(self, state):
            before = [module.training for module in state.network.modules()]
            threads = [
                threading.Thread(target=call)
                for call in (
                    self.learner.evaluate,
                    lambda: self.learner.predict(list(small.table().arrays["image"][:3])),
                    self.learner.scores,
                )
            ]
            for thread in threads:
                thread.start()
            modes.append(before == [module.training for module in state.network.modules()])
            for thread in threads:
                thread.join()
            modes.append(before == [module.training for module in state.network.modules()])

    look = Look()
    looked = small.learner(callbacks=[look])
    look.learner = looked
    plain = small.learner(callbacks=[Callback()])
    assert small.same(looked.fit(2), plain.fit(2))
    assert all(modes)
