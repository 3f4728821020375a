"""What holds for every registered system: its words and options, and that it learns a dozen made-up samples.

A new system brings its example here; a system without one fails the first test. An example is a short run: options
that take seconds on one core, and metrics that a network which has learned nothing is far from.
"""

import dataclasses
import json
import os
from typing import Any

import numpy as np
import pytest

import longspan as ls
from longspan.deploy import timing
from longspan.models import model_names
from longspan.systems import SYSTEMS, System, SystemRun, find_system
from longspan.systems.function_registry import load_with_functions
from longspan.systems.options import describe_options, parse_options

SMALL = "space_to_depth_cnn" if "space_to_depth_cnn" in model_names() else "unshuffle_cnn"
SCRATCH = {"weights": "none", "backbone": SMALL, "size": "64", "lr": 1e-2}
DETECTOR = {
    **SCRATCH, "backbone": "squeezenet1_1", "epochs": 5, "lr": 3e-3, "channels": 16, "box_head_dim": 32, "samples": 32,
    "proposals": 40,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Example:
    """A short run."""

    options: dict[str, Any]
    least: dict[str, float]
    """Least values of its metrics."""
    known: tuple[str, str] | None = None
    """A data set and its target: of a dozen training rows the saved model must predict nearly all."""
    falls: bool = False
    """Whether a few epochs show no more than that the training loss falls; `least` then takes many."""
    long: bool = False
    """Whether it takes too long for the default run; it has a `slow` test of its own."""
    needs: str | None = None
    """A module that it cannot do without."""
    trains: bool = True
    """Whether it ends in a model."""


EXAMPLES = {
    "play-games": Example({}, {}, long=True),
    "drive": Example(
        {
            "strategies": "in stages",
            "sizes": "40",
            "seeds": 1,
            "episodes": 1,
            "epochs": 1,
            "length_m": 100.0,
            "jobs": 1,
        },
        {},
        needs="gymnasium",
        long=True,
    ),
    "steer": Example(
        {"epochs": 16, "seeds": 1, "size": "48x64", "batch_size": 8, "lr": 4e-3}, {"R2 on the test run": 0.3}
    ),
    "quickstart": Example(
        {"sizes": "80", "seeds": 1, "steps": 20, "images": 50, "jobs": 1}, {"right, in stages, 80 images": 0.05}
    ),
    "read-numbers": Example(
        {"strategies": "in stages", "sizes": "20", "seeds": 1, "steps": 40, "images": 50, "source": 20, "jobs": 1},
        {"right, in stages, 20 images": 0.05},
    ),
    "spoken-numbers": Example(
        {"strategies": "in stages", "sizes": "20", "seeds": 1, "steps": 40, "recordings": 50, "held_out": "theo"},
        {},
        needs="soundfile",
        long=True,
    ),
    "transcribe": Example(
        {"strategies": "in stages, monophones", "hours": "0.03", "limit": 4, "vocabulary": 100, "jobs": 1},
        {},
        needs="pocketsphinx",
        long=True,
    ),
    "mnist-deep-cnn": Example(
        {"preset": "fast", "limit": 200, "epochs": 12}, {"test_accuracy": 0.9}, ("mnist", "digit")
    ),
    "cats-or-dogs": Example(
        {"model": SMALL, "weights": "none", "pool": None, "size_px": 32, "head_epochs": 20, "lr": 1e-2},
        {},
        ("pets", "cat"),
    ),
    "street-scenes": Example(
        {**SCRATCH, "networks": "unet", "epochs": 12, "views": 2}, {"pixel_accuracy, unet": 0.9}, ("camvid", "mask")
    ),
    "lanes": Example({**SCRATCH, "epochs": 10, "batch_size": 4}, {"iou of free space": 0.9}),
    "pedestrians": Example(
        {**DETECTOR, "networks": "mask_rcnn", "epochs": 4, "limit": 15}, {"mask_ap50, mask_rcnn": 0.5}, falls=True
    ),
    "faces": Example(DETECTOR, {"ap50": 0.5}, falls=True),
    "objects": Example(DETECTOR, {"ap50, training photos": 0.5}, falls=True),
    "rcnn-to-faster": Example(
        {**DETECTOR, "epochs": 1, "limit": 15, "regions": 20, "search_px": 64, "crop_px": 32, "tune_epochs": 2},
        {"ap50, R-CNN": 0.3},
        needs="cv2",
    ),
    "sound-as-image": Example(
        {"data": "fsdd", "model": SMALL, "weights": "none", "head_epochs": 0, "epochs": 20, "mels": 32, "lr": 1e-2},
        {},
        ("fsdd", "digit"),
        needs="soundfile",
    ),
    "keywords": Example(
        {"model": SMALL, "head_epochs": 0, "epochs": 12, "batch_size": 8, "lr": 1e-3, "augment": False},
        {},
        ("speech-commands-test", "word"),
    ),
    "bike-demand": Example({"held_out": 0.3, "origins": 2}, {"r2": 0.8}),
    "house-prices": Example({"folds": 2}, {"r2": 0.9}),
    "store-sales": Example({"horizon": 1}, {"r2": 0.9}),
    "claim-random-splits": Example({"data": "bike-sharing", "folds": 2}, {"bike-sharing, ratio": 0.5}),
    "claim-feedback": Example(
        {"runs": 50, "days": 400, "city_days": 50}, {"corrected: share, simulated": 0.5}, trains=False
    ),
    "claim-two-layers": Example(
        {"functions": "parity", "bits": 4, "steps": 400, "tries": 3},
        {"parity: units grow as n to the power": 0.5},
        trains=False,
    ),
    "claim-shift": Example(
        {"limit": 60, "tested": 20, "shown": 20, "planes": "4,8,16", "epochs": 1},
        {"perceptron, change of response at 8 px": 0.1},
        trains=False,
    ),
    # On photos and faces, of which there are no made-up ones here; tests/systems/claims runs them on a dozen.
    "claim-features": Example({}, {}, long=True, trains=False),
    "claim-manifold": Example({}, {}, long=True, trains=False),
    "claim-depth": Example({}, {}, long=True, trains=False),
    "claim-photos": Example({}, {}, long=True, trains=False),
    "adult": Example({"folds": 2}, {"accuracy": 0.9}),
    "movie-reviews": Example({"strategy": "text_cnn", "epochs": 12, "folds": 3, "only": 1}, {"accuracy": 0.9}),
    "captions": Example(
        {
            "strategy": "staged",
            "backbone": SMALL,
            "weights": "none",
            "size_px": 32,
            "epochs": 1,
            "words": 4,
        },
        {"cider, staged": 0.0},
    ),
    "bone-age": Example(
        {
            "sizes": "24",
            "seeds": 1,
            "strategies": "in stages",
            "backbone": SMALL,
            "small": "squeezenet1_1",
            "weights": "none",
            "joint_epochs": 1,
            "jobs": 1,
        },
        {"months, mean of the training ages": 20.0},
    ),
    "radiology": Example(
        {
            "sizes": "40",
            "seeds": 1,
            "backbone": SMALL,
            "weights": "none",
            "epochs": 2,
            "steps": 30,
            "source": 20,
            "source_epochs": 1,
            "lr": 3e-3,
            "size_px": 32,
            "jobs": 1,
        },
        {"AUC, from scratch, 40 images": 0.95},
        ("pneumonia", "finding"),
    ),
    "style": Example(
        {"size_px": 64, "steps": 8, "weights": "none", "row": False}, {"style loss of the photo": 0.1}, trains=False
    ),
    "generate-images": Example(
        {"steps": 4, "width": 4, "batch_size": 16, "compared": 50},
        {"real images: precision": 0.5, "relativistic: variety": 0.0},
        trains=False,
    ),
    "smaller": Example(
        {
            "model": SMALL,
            "weights": "none",
            "pool": None,
            "size_px": 32,
            "head_epochs": 5,
            "lr": 1e-2,
            "runs": 4,
            "variants": "onnx",
        },
        {"times as quick, onnx": 0.01},
    ),
    "turnstile": Example({}, {}, long=True),
    "scale-out": Example({}, {}, long=True, trains=False),
    "translate": Example({"strategy": "staged"}, {"bleu_test2016": 50.0}),
}
every = pytest.mark.parametrize("name", list(SYSTEMS))


@every
def test_it_has_an_example_and_its_own_name(name):
    assert name in EXAMPLES
    assert isinstance(SYSTEMS[name], System)
    assert SYSTEMS[name].name == name
    assert find_system(name) is SYSTEMS[name]


@every
def test_it_says_what_it_shows_and_what_it_needs(name):
    system = SYSTEMS[name]
    assert system.summary.endswith(".")
    assert system.summary[0].isupper()
    assert not system.needs.endswith(".")  # ends the sentence "Needs ..."


@every
def test_its_options_are_a_final_frozen_dataclass_with_words(name):
    options = SYSTEMS[name].options
    assert options.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(options))
    assert getattr(options, "__final__", False), "mark it @final"
    assert options.__doc__ != "What may be changed."
    assert parse_options(options, []) == options()
    for written, words in describe_options(options):
        assert words[:1].isalpha(), f"{written} has no docstring"
    json.dumps(dataclasses.asdict(options()))


@every
@pytest.mark.filterwarnings("ignore:Of the classes")  # the made-up streets have three of CamVid's 32
def test_it_learns_a_dozen_samples(name, tmp_path, ran):
    example = EXAMPLES[name]
    if example.long:
        pytest.skip("takes too long for the default run; tests/systems has a slow test")
    result, model = ran(name, example.options)
    assert result["system"] == name
    assert set(example.least) <= set(result["metrics"])
    files = {path.name for path in tmp_path.iterdir()}
    assert "report.html" in files
    assert ("model.safetensors" in files) == example.trains
    if example.falls:  # average precision starts to rise where the loss has long fallen
        losses = [epoch["train_loss"] for epoch in model.history]
        assert losses[-1] <= 0.6 * losses[0]
    else:
        assert below(example, result) == {}
    if not example.trains:
        return
    predictor = load_with_functions(tmp_path / "model.safetensors", device="cpu")
    if example.known:
        assert mean_error(predictor, *example.known) <= 0.2


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, example in EXAMPLES.items() if example.falls])
def test_it_finds_the_objects_of_a_dozen_samples(name, ran):
    result, _ = ran(name, {**EXAMPLES[name].options, "epochs": 80})
    assert below(EXAMPLES[name], result) == {}


@pytest.fixture
def ran(made_up_data, monkeypatch, tmp_path):
    """Runs a system into `tmp_path`: its result, and the learner or file that it finished with."""
    finish, run_study = SystemRun.finish, ls.Study.run
    finished = []

    def caught(self, model, *arguments, **options):
        finished.append(model)
        finish(self, model, *arguments, **options)

    def run(name, options):
        if EXAMPLES[name].needs:
            pytest.importorskip(EXAMPLES[name].needs)
        system = SYSTEMS[name]
        system.run(system.options(**options), SystemRun(name, tmp_path, quiet=True))
        return json.loads((tmp_path / "result.json").read_text()), finished[0]

    monkeypatch.setattr(SystemRun, "finish", caught)

    def inline(self, **_):  # processes of their own would import PyTorch once more; a run has one thread
        run_study(self, os.cpu_count() or 1, "inline", progress=False)

    monkeypatch.setattr(ls.Study, "run", inline)
    monkeypatch.setattr(timing, "_ROUNDS", 1)
    return run


def below(example, result):
    """The metrics that are too low."""
    return {name: result["metrics"][name] for name, least in example.least.items() if result["metrics"][name] < least}


def mean_error(model, name, target):
    """Of the first dozen training rows, by the column's own measure."""
    table = ls.datasets.load(name)
    if "part" in table.columns:
        table = table.take(np.flatnonzero(np.asarray(table.column_values("part")) == "train"))
    table = table.take(np.arange(min(12, len(table))))
    column = table.columns[target].fit(table.column_values(target))
    predictions = model.predict(table.select(*model.inputs))
    return np.mean([column.error(table.value(row, target), each[target]) for row, each in enumerate(predictions)])
