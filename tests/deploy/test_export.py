import json
import sys

import numpy as np
import onnx
import pytest

from longspan.deploy import export
from longspan.deploy.comparison import _alike, compare
from longspan.errors import ConfigError, DataError, ModelFileError
from longspan.heads import Classify
from longspan.inference import Ensemble
from longspan.portable import OnnxModel
from longspan.portable.new_values import encode_values
from longspan.portable.onnx_model import ONNX_KEY


def test_file_holds_preprocessing_and_labels(exported):
    _, written = exported
    (entry,) = [each for each in onnx.load(written.path).metadata_props if each.key == ONNX_KEY]
    described = json.loads(entry.value)
    assert described["inputs"]["photo"]["mean"] == [0.4]
    assert described["targets"]["animal"]["decoder"] == {"kind": "classes", "vocab": ["cat", "dog"]}
    assert described["info"] == {"model": "lenet5"}


def test_graph_computes_what_the_model_computes(exported):
    _, written = exported
    assert written.comparison.largest_difference < 1e-5
    assert written.comparison.agreement == {"animal": 1.0}
    assert written.made_up
    onnx.checker.check_model(onnx.load(written.path))


def test_any_number_of_rows(exported):
    model = OnnxModel.load(exported[1].path)
    images = [np.zeros((28, 28), np.uint8)] * 7
    assert len(model.predict(images, batch_size=7)) == len(model.predict(images, batch_size=1)) == 7


def test_difference_of_other_weights_is_seen(exported):
    predictor, written = exported
    other = predictor.network.state_dict()
    kept = {name: tensor.clone() for name, tensor in other.items()}
    read = encode_values([np.full((28, 28), 90, np.uint8)], predictor.inputs)
    try:
        for tensor in other.values():
            tensor.mul_(1.1)
        assert compare(predictor, OnnxModel.load(written.path), read).largest_difference > 1e-4
    finally:
        predictor.network.load_state_dict(kept)


def test_outputs_that_are_not_numbers_never_count_as_equal(exported):
    predictor, written = exported
    loaded = OnnxModel.load(written.path)
    read = encode_values([np.full((28, 28), 90, np.uint8)], predictor.inputs)
    run = loaded.run
    loaded.run = lambda *given: {name: np.full_like(each, np.nan) for name, each in run(*given).items()}
    assert np.isnan(compare(predictor, loaded, read).largest_difference)


def test_nothing_is_written_where_outputs_differ(exported, tmp_path):
    with pytest.raises(ModelFileError, match="was not written"):
        export(exported[0], tmp_path / "x.onnx", dynamic_size=False, limit=-1.0)
    assert list(tmp_path.iterdir()) == []


def test_head_without_decoder_is_named(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(Classify, "value_decoder", None)
    with pytest.raises(ConfigError, match="target 'animal' has head Classify"):
        export(exported[0], tmp_path / "x.onnx")


def test_weights_that_no_file_holds_are_refused_before_anything_is_traced(exported, tmp_path, monkeypatch):
    learner, _ = exported
    module = sys.modules["longspan.deploy.export"]  # the function has the same name
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    monkeypatch.setattr(module, "traced_programs", None)
    with pytest.raises(ConfigError, match=r"weights take 0\.0 GB in float32, and an ONNX file holds less than 2\.1 GB"):
        export(learner, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_ensembles_are_refused(exported, tmp_path):
    with pytest.raises(ConfigError, match="Ensemble cannot be exported"):
        export(Ensemble([exported[0], exported[0]]), tmp_path / "x.onnx")


@pytest.mark.parametrize("opset", [17, 99])
def test_an_opset_that_is_not_there_is_refused(exported, tmp_path, opset):
    with pytest.raises(ConfigError, match=rf"Opset {opset} is not there: the exporter writes from 18, .*up to \d+"):
        export(exported[0], tmp_path / "x.onnx", opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_the_opset_that_was_asked_for(exported, tmp_path):
    assert export(exported[0], tmp_path / "x.onnx", dynamic_size=False, opset=18).opset == 18
    (found,) = [each.version for each in onnx.load(tmp_path / "x.onnx").opset_import if each.domain == ""]
    assert found == 18


def test_an_opset_that_the_exporter_leaves_out_is_refused(exported, tmp_path, monkeypatch):
    newest = onnx.defs.onnx_opset_version()
    monkeypatch.setattr(
        sys.modules["longspan.deploy.export"], "_opset", lambda proto: 18
    )  # it warns, and writes another
    with pytest.raises(ConfigError, match=f"cannot be written in opset {newest}: .* gives opset 18"):
        export(exported[0], tmp_path / "x.onnx", dynamic_size=False, opset=newest)
    assert list(tmp_path.iterdir()) == []


def test_name_must_end_in_onnx(exported, tmp_path):
    with pytest.raises(ConfigError, match=r"ends in \.onnx"):
        export(exported[0], tmp_path / "x.safetensors")


def test_rows_that_cannot_be_read_are_named(exported, tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.png"):
        export(exported[0], tmp_path / "x.onnx", ["nowhere.png"])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "a", True), ("a", "b", False), (1.0, 1.0005, True), (1.0, 1.01, False), ([1.0, "a"], [1.0, "a"], True),
        ([1.0], [1.0, 2.0], False), ({"x": [1.0]}, {"x": [1.0]}, True), ({"x": 1.0}, {"y": 1.0}, False),
        (np.zeros((2, 2)), np.zeros((2, 2)), True), (np.zeros((2, 2)), np.ones((2, 2)), False),
    ],
)  # fmt: skip
def test_values_that_count_as_the_same(one, other, same):
    assert _alike(one, other) is same
