"""What holds for every registered system: its words and options, and that it learns a dozen made-up samples.

A new system brings its example here; a system without one fails the first test. An example is a short run: options
that take seconds on one core, and metrics that a network which has learned nothing is far from.
"""

import dataclasses
import importlib.util
import json
from typing import Any

import numpy as np
import pytest

import longspan as ls
from longspan.models import model_names
from longspan.systems import SYSTEMS, System, SystemRun, find_system
from longspan.systems.function_registry import load_with_functions
from longspan.systems.options import describe_options, parse_options

SMALL = "space_to_depth_cnn" if "space_to_depth_cnn" in model_names() else "unshuffle_cnn"
SCRATCH = {"weights": "none", "backbone": SMALL, "size": "64", "lr": 1e-2}


@dataclasses.dataclass(frozen=True)
class Example:
    """A short run."""

    options: dict[str, Any]
    least: dict[str, float]
    """Least values of its metrics."""
    known: tuple[str, str] | None = None
    """A data set and its target: of a dozen training rows the saved model must predict nearly all."""
    needs: str | None = None
    """A module that it cannot do without."""


EXAMPLES = {
    "quickstart": Example(
        {"sizes": "60", "seeds": 1, "steps": 120, "images": 50, "jobs": 1}, {"right, in stages, 60 images": 0.2}
    ),
    "read-numbers": Example(
        {"strategies": "in stages", "sizes": "60", "seeds": 1, "steps": 60, "images": 50, "source": 20, "jobs": 1},
        {"right, in stages, 60 images": 0.2},
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
        {**SCRATCH, "limit": 15, "epochs": 12}, {"ap50, faster_rcnn": 0.5, "mask_ap50, mask_rcnn": 0.5}
    ),
    "faces": Example({**SCRATCH, "epochs": 10, "channels": 16}, {"ap50": 0.5}),
    "objects": Example({**SCRATCH, "epochs": 12, "channels": 16}, {"ap50, training photos": 0.7}, ("coco128", "boxes")),
    "rcnn-to-faster": Example(
        {**SCRATCH, "limit": 15, "epochs": 10, "regions": 20, "search_px": 64, "crop_px": 32, "tune_epochs": 6},
        {"ap50, Faster R-CNN": 0.5, "ap50, R-CNN": 0.2},
        needs="cv2",
    ),
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
@pytest.mark.usefixtures("made_up_data")
def test_it_learns_a_dozen_samples(name, tmp_path):
    example = EXAMPLES[name]
    if example.needs and importlib.util.find_spec(example.needs) is None:
        pytest.skip(f"needs {example.needs}")
    system = SYSTEMS[name]
    system.run(system.options(**example.options), SystemRun(name, tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["system"] == name
    assert {
        metric: value for metric, value in result["metrics"].items() if value < example.least.get(metric, value)
    } == {}
    assert set(example.least) <= set(result["metrics"])
    assert {"report.html", "model.safetensors"} <= {path.name for path in tmp_path.iterdir()}
    model = load_with_functions(tmp_path / "model.safetensors", device="cpu")
    if example.known:
        assert mean_error(model, *example.known) <= 0.2


def mean_error(model, name, target):
    """Of the first dozen training rows, by the column's own measure."""
    table = ls.datasets.load(name)
    table = table.take(np.flatnonzero(np.asarray(table.column_values("part")) == "train")[:12])
    column = table.columns[target].fit(table.column_values(target))
    predictions = model.predict(table.select("image"))
    return np.mean([column.error(table.value(row, target), each[target]) for row, each in enumerate(predictions)])
