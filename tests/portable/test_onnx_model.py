import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from longspan.columns import Image
from longspan.data import Table
from longspan.errors import ConfigError, DataError, ModelFileError, UnknownNameError
from longspan.pipeline import load
from longspan.portable import OnnxModel
from longspan.portable.onnx_model import ONNX_KEY, batch_of

IMAGES = [np.random.default_rng(seed).integers(0, 256, (28, 28), np.uint8) for seed in range(5)]


@pytest.fixture(scope="module")
def both(exported):
    predictor, written = exported
    return predictor, OnnxModel.load(written.path)


def test_predictions_are_those_of_the_model(both):
    predictor, model = both
    for one, other in zip(model.predict(IMAGES, batch_size=2), predictor.predict(IMAGES), strict=True):
        assert one.value == other.value
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)


def test_one_value_gives_one_prediction(both):
    predictor, model = both
    assert model.predict(IMAGES[0]).value == predictor.predict(IMAGES[0]).value


def test_rows_of_a_table(both):
    predictor, model = both
    table = Table.from_arrays({"photo": np.stack(IMAGES)}, {"photo": Image()})
    assert [each.value for each in model.predict(table)] == [each.value for each in predictor.predict(table)]


def test_no_rows_give_no_predictions(both):
    assert both[1].predict([]) == []


def test_faults_are_all_named(both, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        both[1].predict([IMAGES[0], str(bad), str(tmp_path / "missing.png")])
    assert "bad.png" in str(caught.value)
    assert "missing.png" in str(caught.value)


def test_sample_without_the_input_is_refused(both):
    with pytest.raises(UnknownNameError, match="photo"):
        both[1].predict({"phot": IMAGES[0]})


def test_ragged_values_are_padded_and_have_lengths():
    class Tokens:
        ragged, padding, shape, dtype = True, 9, (), np.int64

    values, lengths = batch_of(Tokens(), [np.array([1, 2, 3]), np.array([4])])
    assert values.tolist() == [[1, 2, 3], [4, 9, 9]]
    assert lengths.tolist() == [3, 1]


def altered(written, tmp_path, change):
    model = onnx.load(written.path)
    change(model)
    path = tmp_path / "altered.onnx"
    onnx.save(model, path)
    return path


def test_file_of_a_newer_version_is_refused(exported, tmp_path):
    def newer(model):
        entry = next(each for each in model.metadata_props if each.key == ONNX_KEY)
        entry.value = entry.value.replace('"format_version": 1', '"format_version": 99')

    with pytest.raises(ModelFileError, match=r"version 99.*Update longspan"):
        OnnxModel.load(altered(exported[1], tmp_path, newer))


def test_damaged_description_is_refused(exported, tmp_path):
    def cut(model):
        entry = next(each for each in model.metadata_props if each.key == ONNX_KEY)
        entry.value = '{"format_version": 1, "targets": {"animal": {}}, "inputs": {}}'

    with pytest.raises(ModelFileError, match="description in its metadata is damaged"):
        OnnxModel.load(altered(exported[1], tmp_path, cut))


def test_file_of_another_program_is_refused(tmp_path):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])  # fmt: skip
    path = tmp_path / "foreign.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    with pytest.raises(ModelFileError, match="not one that `longspan export` wrote"):
        OnnxModel.load(path)


def test_an_opset_that_is_not_there_is_named(exported, tmp_path):
    def newer(model):
        model.opset_import[0].version = 99

    with pytest.raises(ModelFileError, match=r"needs opset 99 .*knows up to (\d+).*--opset \1"):
        OnnxModel.load(altered(exported[1], tmp_path, newer))


def test_damaged_and_missing_files_are_refused(exported, tmp_path):
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(exported[1].path.read_bytes()[:5000])
    with pytest.raises(ModelFileError, match="damaged, not an ONNX file"):
        OnnxModel.load(cut)
    with pytest.raises(ModelFileError, match="does not exist"):
        OnnxModel.load(tmp_path / "nowhere.onnx")


def test_load_names_the_class_for_exported_models(exported):
    with pytest.raises(ConfigError, match=r"OnnxModel\.load"):
        load(exported[1].path)


def test_predicting_needs_no_pytorch(exported, tmp_path):
    from PIL import Image as PillowImage

    photo = tmp_path / "photo.png"
    PillowImage.fromarray(IMAGES[0]).save(photo)
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'torchvision', 'sklearn', 'safetensors', 'matplotlib'):\n"
        "            raise ModuleNotFoundError(name, name=name.split('.')[0])\n"
        "sys.meta_path.insert(0, Blocked())\n"
        f"sys.argv = ['longspan', 'predict', {str(exported[1].path)!r}, {str(photo)!r}]\n"
        "from longspan.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"animal={exported[0].predict(IMAGES[0]).value}" in done.stdout
