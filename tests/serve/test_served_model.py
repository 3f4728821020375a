import numpy as np
import pytest
import torch

from longspan.columns import Audio, Boxes, Features
from longspan.errors import ConfigError
from longspan.pipeline import Pipeline, Stage
from longspan.portable import OnnxModel, TrainedModel
from longspan.serve.config import split_name
from longspan.serve.results import result_of
from longspan.serve.served_model import Field, ServedModel, load_all
from longspan.systems.numbers.find_digits import find_digits


class Rows(TrainedModel):
    """A model that reads rows of a table."""

    what = "rows"
    target_columns = {"wage": None}  # noqa: RUF012

    def __init__(self, columns=None):
        features = Features(numbers=["age"], categories=["job"], dates=["since"], min_count=1)
        rows = [
            {"age": 20.00001, "job": "baker", "since": "2020-01-01"},
            {"age": 40, "job": "smith", "since": "2021-01-01"},
        ]
        self.columns = columns or {"features": features.fit(rows)}

    @property
    def input_columns(self):
        return self.columns

    def predict(self, values):
        return values


def test_fields_of_a_row_come_from_its_columns():
    model = ServedModel("wages", Rows())
    assert [(field.name, field.kind) for field in model.fields] == [
        ("age", "number"), ("job", "category"), ("since", "date"),
    ]  # fmt: skip
    assert model.fields[0].example == 30
    assert model.fields[1].values == ("baker", "smith")
    assert model.value({"age": 1, "job": None, "since": None}) == {"age": 1, "job": None, "since": None}
    assert model.describe()["predicts"] == ["wage"]


def test_every_stage_of_a_pipeline_is_told():
    crop = Stage("crop", lambda image: np.asarray(image)[:2, :2].astype(np.uint8), reads="image", adds="corner")
    pipeline = Pipeline([crop, Stage("mean", lambda corner: float(corner.mean()), reads="corner", adds="brightness")])
    model = ServedModel("light", pipeline)
    (prediction,) = model.predict([np.full((4, 4), 7, np.uint8)])
    found = result_of(model, prediction)
    assert model.fields == (Field("image", "image"),)
    assert found["prediction"] == {"brightness": 7.0}
    assert [stage["stage"] for stage in found["stages"]] == ["crop", "mean"]
    assert found["stages"][0]["adds"]["corner"]["image"].startswith("data:image/png;base64,")


def test_what_a_pipeline_reads_is_what_its_stages_say():
    """The name decides nothing: an undeclared input is an image."""
    for name, columns, expected in (
        ("talk", {"talk": Audio()}, Field("talk", "audio", as_file=True)),
        ("talk", {"talk": Audio(rate_hz=8000)}, Field("talk", "audio", rate_hz=8000)),
        ("audio", {}, Field("audio", "image")),
    ):
        model = ServedModel("length", Pipeline([Stage("length", str, reads=name, adds="seconds", columns=columns)]))
        assert model.fields == (expected,)


def test_inputs_that_cannot_be_sent_are_refused():
    with pytest.raises(ConfigError, match="kind boxes"):
        ServedModel("boxes", Rows({"where": Boxes(vocab=("a",))}))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("pets=a/b.onnx", ("pets", "a/b.onnx")), ("a/b.onnx", (None, "a/b.onnx")), ("a/b=c.onnx", (None, "a/b=c.onnx")),
    ],
)  # fmt: skip
def test_names_before_files(given, expected):
    assert split_name(given) == expected


@pytest.fixture
def torch_threads():
    before = torch.get_num_threads()
    yield torch.get_num_threads
    torch.set_num_threads(before)


def test_models_share_the_cores_out_among_the_threads_that_compute(exported, tmp_path, torch_threads, monkeypatch):
    """With 8 cores and 4 threads that compute requests, a batch is computed by 2."""
    learner, report = exported
    learner.save(tmp_path / "net.safetensors")
    threads = []
    load = OnnxModel.load

    def told(path, **options):
        threads.append(options["threads"])
        return load(path, threads=1)

    monkeypatch.setattr(OnnxModel, "load", told)
    models = load_all([f"a={report.path}", str(tmp_path / "net.safetensors")], device="cpu", threads=4, cores=8)
    assert [model.name for model in models] == ["a", "net"]
    assert threads == [2]
    assert torch_threads() == 2
    assert models[0].file_mb == pytest.approx(report.path.stat().st_size / 1e6)


def test_a_pipeline_that_is_served_alone_computes_with_all_cores(tmp_path, torch_threads):
    """Its requests are computed by one thread, however many there are."""
    Pipeline([Stage("find", find_digits, reads="image", adds="spans")]).save(tmp_path / "find.safetensors")
    (model,) = load_all([str(tmp_path / "find.safetensors")], device="cpu", threads=4, cores=4)
    assert not model.parallel
    assert torch_threads() == 4
