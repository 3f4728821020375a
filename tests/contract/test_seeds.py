"""Same seed, same result; another seed, another result: every network and head, whatever was looked at before.

Results are weights after training, compared bit for bit by a hash of all of them.
"""

import hashlib
import os

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

import longspan as ls
from longspan.datasets import make_scenes
from longspan.heads import HEADS
from longspan.models import model_names

QUICK = (
    "lenet5", "space_displacement_lenet", "deep_cnn", "space_to_depth_cnn", "line_cnn", "resnet20", "squeezenet1_1",
    "resnet18", "mobilenet_v3_small",
)  # fmt: skip
SEQUENCES = ("line_cnn", "space_displacement_lenet")
SIDES = {"lenet5": 28, "deep_cnn": 28, "space_to_depth_cnn": 28, "alexnet": 96, "inception_v3": 128, "maxvit_t": 224}
SIDES |= {"vit_h_14": 56}
ROWS = 8
each_model = pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in model_names()]
)


def noise(rows, height, width, channels=1, seed=0):
    shape = (rows, height, width) if channels == 1 else (rows, height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def task_for(target, height=32, width=32, channels=3, rows=ROWS):
    """A few images of noise, with every kind of answer that does not lie in the image."""
    labels = ["a", "b"] * (rows // 2)
    cells = {
        "image": noise(rows, height, width, channels),
        "label": labels,
        "labels": [[x] if i % 3 else ["a", "b"] for i, x in enumerate(labels)],
        "number": np.linspace(0, 9, rows).tolist(),
        "text": ["ab", "b"] * (rows // 2),
        "points": [{"left": [4.0 + row, 9.0], "right": [20.0, 2.0 * row]} for row in range(rows)],
    }
    kinds = {
        "label": ls.Category(), "labels": ls.MultiLabel(), "number": ls.Number(), "text": ls.Text(),
        "points": ls.Keypoints(),
    }  # fmt: skip
    table = ls.Table.from_arrays(cells, {"image": ls.Image(), **kinds})
    return ls.Task(table.split(valid=2, seed=0, stratify=None), "image", target, allow_leaks=True)


def scenes_for(target):
    return ls.Task(make_scenes(12, seed=3).split(valid=4, seed=0), "image", target)


def make(task, model, *, seed=0, heads=None, augment=None, batch_size=3):
    config = ls.TrainConfig(
        batch_size=batch_size, precision="float32", optimizer="sgd", augment=augment or ls.Augment(flip=True, shift=0.1)
    )
    return ls.Learner(task, model, heads=heads, config=config, seed=seed, progress=False, device="cpu")


def digest(learner):
    """Of every weight and buffer."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in learner.network.state_dict().items():
        found.update(name.encode() + tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()


def trained(task, model, seed, **options):
    return digest(make(task, model, seed=seed, **options).fit(1, lr=1e-3))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@each_model
def test_each_network(name):
    quick = name in QUICK
    if name in SEQUENCES:
        task = task_for("text", 32, 64, 1)
    else:
        side = SIDES.get(name, 32 if quick else 64)
        grey = name in ("lenet5", "deep_cnn", "space_to_depth_cnn")
        task = task_for("label", side, side, 1 if grey else 3, rows=ROWS if quick else 6)
    # As a name, segnet is a design for masks; its config is the network.
    model = ls.SegNetConfig() if name == "segnet" else name
    first, again, other = (trained(task, model, seed, batch_size=3 if quick else 4) for seed in (3, 3, 4))
    assert first == again
    assert first != other


PLAIN = {
    "classify": "label", "multi_label_classify": "labels", "regress": "number", "transcribe": "text",
    "locate": "points", "generate": "text", "heat_maps": "points", "embed": "label",
}  # fmt: skip
IN_IMAGES = {"segment": "mask", "detect": "boxes", "segment_instances": "instances"}
SMALL = {
    "segment": {"width": 8},
    "detect": {"channels": 16, "box_head_dim": 16, "samples": 16, "proposals": 20},
    "segment_instances": {
        "channels": 16, "box_head_dim": 16, "samples": 16, "proposals": 20, "mask_width": 8, "mask_depth": 1
    },
}  # fmt: skip


def example(kind):
    """Task, network and heads for a kind of head."""
    if kind in IN_IMAGES:
        target = IN_IMAGES[kind]
        return scenes_for(target), "squeezenet1_1", {target: HEADS[kind](**SMALL[kind])}
    target = PLAIN[kind]
    if kind == "transcribe":
        return task_for(target, 32, 64, 1), "line_cnn", {target: HEADS[kind](dropout=0.2)}  # pyright: ignore
    return task_for(target), ls.SmallResNetConfig(blocks=1, width=4), {target: HEADS[kind](dropout=0.2)}


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_each_head(kind):
    task, model, heads = example(kind)
    first, again, other = (trained(task, model, seed, heads=heads) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("kind", ["classify", "transcribe", "segment", "detect"])
def test_looking_leaves_no_trace(kind, tmp_path):
    """Weights, history and the caller's random numbers are those of a training that nobody looked at."""
    task, model, heads = example(kind)
    alone = make(task, model, heads=heads).fit(1, lr=1e-3).fit(1, lr=1e-3)
    looked = make(task, model, heads=heads)
    state = torch.random.get_rng_state()

    def look():
        looked.lr_find(steps=3)
        looked.predict(task.table.take([0, 1]).select("image"))
        looked.evaluate()
        looked.scores("train")
        looked.show_batch(2)
        looked.show_results(2)
        looked.report(tmp_path / "report.html")
        looked.save(tmp_path / "model.safetensors")

    look()
    looked.fit(1, lr=1e-3)
    look()
    looked.fit(1, lr=1e-3)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert digest(looked) == digest(alone)
    clock = "seconds"
    records = [[{k: v for k, v in r.items() if k != clock} for r in learner.history] for learner in (looked, alone)]
    assert records[0] == records[1]


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_however_many_threads_decode_the_images(cores, tmp_path, monkeypatch):
    for row, pixels in enumerate(noise(80, 24, 24, 3)):
        PILImage.fromarray(pixels).save(tmp_path / f"{'ab'[row % 2]}_{row:02}.png")
    table = ls.Table.from_files(tmp_path, r"(?P<label>.)_\d+\.png")

    def training():
        task = ls.Task(table.split(valid=20, seed=0), "image", "label")
        return trained(task, ls.SmallResNetConfig(blocks=1, width=4), 0, batch_size=20)

    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    wanted = training()
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert training() == wanted


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_however_many_processes_run_a_study(jobs, tmp_path):
    recipe = ls.Recipe(ls.SmallResNetConfig(blocks=1, width=4), epochs=2, config=ls.TrainConfig(batch_size=4))
    frames = []
    for backend, at_once in (("inline", 1), ("processes", jobs)):
        task = task_for("label", rows=40)
        study = ls.Study(task, {"way": recipe}, [10, 20], 2, path=tmp_path / f"{backend}.sqlite", threads=1)
        study.run(jobs=at_once, backend=backend, progress=False)  # pyright: ignore
        frames.append(study.frame().drop("seconds").rows())
    assert frames[0] == frames[1]
