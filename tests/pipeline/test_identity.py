import functools
import json
from dataclasses import dataclass

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import longspan as ls
from longspan.pipeline import Pipeline, Stage
from longspan.pipeline.identity import qualified_name


@dataclass
class Crop:
    size_px: int

    def __call__(self, image):
        return image


class Raw:
    def __call__(self, x):
        return x


def test_a_description_is_json_and_the_same_every_time(pulses):
    found = pulses.pipeline(namer=pulses.Majority()).to_json()
    assert json.loads(json.dumps(found)) == found
    assert found == pulses.pipeline(namer=pulses.Majority()).to_json()
    assert "0x" not in json.dumps(found)
    assert found["stages"][2]["what"] == {"strategy": "majority", "steps": 7}
    assert found["stages"][0]["what"] == {"function": "conftest.find"} or "find" in json.dumps(found["stages"][0])


@pytest.mark.parametrize(
    "other",
    [
        {"reads": "z"},
        {"adds": "z"},
        {"adds": {"b": ls.Number()}},
        {"adds": {"b": ls.Number(unit="m")}},
        {"each": "a"},
        {"train_on": "predicted"},
        {"size_px": 8},
        {"name": "t"},
        {"what": LogisticRegression(C=2)},
        {"train_on": "predicted", "label": len},
    ],
)
def test_whatever_is_different_shows(other):
    options = {"name": "s", "what": LogisticRegression(), "reads": "a", "adds": "b"}
    one, two = (
        Pipeline([Stage(o.pop("name"), o.pop("what"), **o)]).to_json() for o in (options.copy(), options | other)
    )
    assert one != two


def test_names_hold_no_place_in_memory():
    assert qualified_name(len) == "builtins.len"
    assert qualified_name(Raw()).endswith("Raw")
    assert qualified_name(functools.partial(round, ndigits=2)) == "builtins.round(ndigits=2)"
    assert "0x" not in qualified_name(functools.partial(Raw(), Raw()))


def describe(what):
    return Pipeline([Stage("s", what, reads="a", adds="b")]).to_json()["stages"][0]["what"]


def test_options_of_callables_and_estimators_are_seen():
    assert describe(Crop(8))["size_px"] == 8
    assert describe(Crop(8)) != describe(Crop(9))
    nested = [
        make_pipeline(StandardScaler(with_mean=m), FunctionTransformer(len), LogisticRegression()) for m in (0, 1)
    ]
    assert describe(nested[0]) != describe(nested[1])
    assert "builtins.len" in json.dumps(describe(nested[0]))
    assert "0x" not in json.dumps(describe(nested[0]))


def test_a_trained_model_is_known_by_its_weights(pulses):
    task = ls.Task(pulses.image_table().split(seed=1), "image", "side", allow_leaks=True)
    one, two = (pulses.RECIPE.learner(task, seed=seed) for seed in (0, 1))
    assert describe(one) == describe(one.predictor()) | {"trained": "Learner"}
    assert describe(one)["weights"] != describe(two)["weights"]
    assert describe(ls.Ensemble([one, two]))["weights"] == describe(one)["weights"] + describe(two)["weights"]
