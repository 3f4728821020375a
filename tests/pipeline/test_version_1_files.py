"""Files that longspan 0.1.0 wrote: format version 1, with column kinds of that time."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import longspan as ls
from longspan.pipeline import FeaturesOf, Pipeline, functions_needed, load

FILES = Path(__file__).parent / "files"
EXPECTED = json.loads((FILES / "pipeline-v1-expected.json").read_text())


def cut_n(signal, start, *, length=99):
    return signal[start : start + length]


def restored(name, functions):
    found = load(FILES / name, functions=functions, device="cpu")
    assert isinstance(found, Pipeline)
    return found


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_functions_options_and_estimators_predict_as_they_did(pulses):
    path = FILES / "pipeline-v1-functions.safetensors"
    assert set(functions_needed(path)) == {"find", "cut", "name", "join"}
    functions = {"find": pulses.find, "cut": cut_n, "name": pulses.classifier(), "join": pulses.join}
    pipeline = restored(path.name, functions)
    assert [stage.kind for stage in pipeline.stages] == ["function", "function", "estimator", "function"]
    assert pipeline.stages[2].train_on == "both"
    assert pipeline.run(pulses.table(40, seed=3, noise=1))["word"] == EXPECTED["words"]


def test_networks_ensembles_and_features_predict_as_they_did(pulses):
    pipeline = restored("pipeline-v1-networks.safetensors", {"say": LogisticRegression()})
    assert [stage.kind for stage in pipeline.stages] == ["trained", "trained", "features", "estimator"]
    assert isinstance(pipeline.model("vote"), ls.Ensemble)
    assert pipeline.stages[2].what == FeaturesOf(stage="see", grid=2)
    assert pipeline.outputs == ("word", "side", "voted")
    found = pipeline.run(pulses.image_table(20, seed=5))
    assert (found["side"], found["voted"]) == (EXPECTED["side"], EXPECTED["voted"])
    assert float(np.mean(found["seen"])) == pytest.approx(EXPECTED["seen_mean"], abs=1e-4)
    assert np.asarray(found["word"]) == pytest.approx(np.asarray(EXPECTED["word"]), abs=1e-4)
