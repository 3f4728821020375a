import numpy as np
import pytest

import longspan as ls
from longspan.deploy import export
from longspan.deploy.quantization import has_vnni, integer_layers, quantize
from longspan.errors import ConfigError
from longspan.portable.new_values import EncodedValues, encode_table


@pytest.fixture(scope="module")
def files(trained, tmp_path_factory):
    """The exported model, its rows, the 8-bit file, and how many layers compute in integers."""
    folder = tmp_path_factory.mktemp("int8")
    predictor = trained.predictor()
    source = export(predictor, folder / "float.onnx", dynamic_size=False).path
    rows = encode_table(trained.task.table.take(trained.task.train.numpy()), predictor.inputs)
    return source, rows, folder / "int8.onnx", quantize(source, folder / "int8.onnx", rows)


def test_every_convolution_and_the_last_layer_compute_in_integers(files):
    *_, out, layers = files
    assert layers == integer_layers(out) >= 20  # resnet20: 19 convolutions and one linear layer
    assert integer_layers(files[0]) == 0


def test_predictions_stay_close_and_labels_stay_in_the_file(files, trained):
    source, rows, out, _ = files
    one, other = ls.OnnxModel.load(source), ls.OnnxModel.load(out)
    some = slice(0, 40)
    apart = np.abs(one.run(rows, some)["side"] - other.run(rows, some)["side"])
    assert 0 < apart.mean() < 0.05
    assert other.columns["side"] == trained.heads["side"].column
    assert out.stat().st_size < 0.6 * source.stat().st_size


def test_an_empty_calibration_set_is_refused(files, tmp_path):
    with pytest.raises(ConfigError, match="the calibration set is empty"):
        quantize(files[0], tmp_path / "x.onnx", EncodedValues({"image": []}))
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_integers_is_an_error_and_leaves_no_file(files, tmp_path, monkeypatch):
    monkeypatch.setattr("longspan.deploy.quantization.integer_layers", lambda path: 0)
    with pytest.raises(ConfigError, match=r"None of the 2\d layers of this model is computed in integers"):
        quantize(files[0], tmp_path / "x.onnx", files[1])
    assert list(tmp_path.iterdir()) == []


def test_weights_have_seven_bits_where_products_would_overflow(files, tmp_path):
    import onnx

    widest = []
    for reduced in (True, False):
        quantize(files[0], tmp_path / "x.onnx", files[1], reduce_range=reduced)
        weights = [
            onnx.numpy_helper.to_array(each)
            for each in onnx.load(tmp_path / "x.onnx").graph.initializer
            if each.data_type == onnx.TensorProto.INT8 and len(each.dims) == 4
        ]
        widest.append(max(int(np.abs(each.astype(int)).max()) for each in weights))
    assert widest[0] <= 64 < widest[1] <= 127
    assert isinstance(has_vnni(), bool)
