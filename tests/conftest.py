"""Fixtures for every test: seeds, and the folder with real data packs."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # one worker per core: with more threads they would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import torch
from torch import nn

import longspan as ls
from longspan.train import Learner

# The same examples in every run: a change is judged by what it changes. HYPOTHESIS_PROFILE=default draws others.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_xdist_auto_num_workers(config):
    """One worker per core for folders; 0 where files or tests are named: they run in this process.

    Every worker imports PyTorch first, which takes longer than most files.
    """
    return os.cpu_count() if any(Path(argument).is_dir() for argument in config.args) else 0


# What takes longest starts first, so that no worker is left alone with it at the end.
LONGEST = (
    "tests/contract/test_systems.py", "tests/test_plugins.py", "tests/test_damaged.py", "tests/study/runs",
    "tests/systems", "tests/test_readme.py", "tests/contract", "tests/cli", "tests/test_docs.py", "tests/explain",
    "tests/inference/test_transcripts.py", "tests/test_import_circles.py", "tests/train", "tests/models/audio",
)  # fmt: skip


def pytest_collection_modifyitems(config, items):
    """Order files by how long they take; tests of a file keep their order."""

    def place(item):
        path = item.path.relative_to(config.rootpath).as_posix()
        return next((place for place, name in enumerate(LONGEST) if path.startswith(name)), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def _seeded():
    """Each test starts from the same random state, so that order and selection do not matter."""
    torch.manual_seed(0)


UNDRAWN = ("tests/cli", "tests/contract", "tests/systems")


@pytest.fixture(autouse=True)
def _undrawn_figures(request, monkeypatch):
    """Figures of reports stay empty here: drawing them takes longer than all else, and has tests of its own."""
    path = request.path.relative_to(request.config.rootpath).as_posix()
    if path.startswith(UNDRAWN):
        empty = '<svg role="img" aria-label="left out"></svg>'
        monkeypatch.setattr("longspan.report.document.inline_svg", lambda *_, **__: empty)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data packs that LONGSPAN_DATA names; tests that need it skip without it."""
    folder = os.environ.get("LONGSPAN_DATA")
    if not folder:
        pytest.skip("needs real data: set LONGSPAN_DATA to the folder of data packs")
    return Path(folder)


@pytest.fixture
def ctrl_c_is_heard():
    """Whatever started the tests: a shell lets what runs in its background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


SIDE = 8
MODEL = ls.SmallResNetConfig(blocks=1, width=4)


class Net(nn.Module):
    """Two convolutions, batch statistics and dropout; `num_features` makes it a backbone."""

    def __init__(self, num_features=6, channels=1):
        super().__init__()
        self.num_features = num_features
        self.conv1 = nn.Conv2d(channels, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.2)
        self.conv2 = nn.Conv2d(4, num_features, 3, padding=1)

    def forward(self, x):
        return self.conv2(self.dropout(self.norm(self.conv1(x)).relu())).relu().mean(dim=(2, 3))


def make_table(rows=20, *, missing=False, pixels=None):
    """Noise that is brighter on the left or on the right; how bright is a number, which sides are lit are labels."""
    generator = np.random.default_rng(3)
    side = np.arange(rows) % 2
    light = generator.integers(40, 100, rows)
    images = generator.integers(0, 80, (rows, SIDE, SIDE)).astype(np.uint8)
    for i in range(rows):
        half = slice(0, SIDE // 2) if side[i] else slice(SIDE // 2, SIDE)
        images[i, :, half] += light[i].astype(np.uint8)
    columns = {"image": ls.Image(), "side": ls.Category(), "light": ls.Number(unit="lx"), "lit": ls.MultiLabel()}
    cells = {
        "image": images if pixels is None else pixels,
        "side": ["left" if s else "right" for s in side],
        "light": light.astype(float).tolist(),
        "lit": [
            ["left"] if s else ["right", "bright"] if value > 70 else ["right"]
            for s, value in zip(side, light, strict=True)
        ],
    }
    if missing:
        cells["side"] = [None if i % 5 == 4 else value for i, value in enumerate(cells["side"])]
        cells["light"] = [None if i % 3 == 1 else value for i, value in enumerate(cells["light"])]
    return ls.Table.from_arrays(cells, columns)


def make_task(targets="side", *, rows=20, valid=6, test=0, missing=False, table=None, **options):
    table = make_table(rows, missing=missing) if table is None else table
    split = table.split(valid=valid, test=test, seed=1, stratify=None)
    return ls.Task(split, "image", targets, **options)


def make_learner(task=None, model=MODEL, *, config=None, batch_size=5, **options):
    config = config or ls.TrainConfig(batch_size=batch_size, precision="float32")
    return Learner(task or make_task(), model, config=config, progress=False, device="cpu", **options)


def weights(owner):
    """A copy of every weight and buffer, by name."""
    network = getattr(owner, "network", owner)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one, other):
    """Bit for bit, in every weight and buffer."""
    one, other = (x if isinstance(x, dict) else weights(x) for x in (one, other))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def records(learner):
    """The history without what a clock says."""
    return [{k: v for k, v in record.items() if k != "seconds"} for record in learner.history]


@pytest.fixture(scope="session")
def small():
    """Builders of small tasks and learners, and comparisons of what they learned."""
    return SimpleNamespace(
        Net=Net,
        MODEL=MODEL,
        table=make_table,
        task=make_task,
        learner=make_learner,
        weights=weights,
        same=same,
        records=records,
    )


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """LeNet-5 with random weights for two classes of grey images, and what `export` wrote of it."""
    from longspan.deploy import export
    from longspan.inference.network import Network

    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = ls.Classify().with_column(ls.Category(vocab=("cat", "dog")))
        network = Network(ls.models.create("lenet5", in_channels=1, size_px=(28, 28)), {"animal": head}).eval()
    column = ls.Image(size_px=(28, 28), channels=1, mean=(0.4,), std=(0.2,))
    predictor = ls.Predictor(network, {"photo": column}, {"animal": head}, device="cpu", precision="float32")
    return predictor, export(predictor, tmp_path_factory.mktemp("onnx") / "tiny.onnx", dynamic_size=False)
