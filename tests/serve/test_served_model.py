import numpy as np
import pytest

from longspan.columns import Boxes, Features
from longspan.errors import ConfigError
from longspan.pipeline import Pipeline, Stage
from longspan.portable import TrainedModel
from longspan.serve.config import split_name
from longspan.serve.results import result_of
from longspan.serve.served_model import Field, ServedModel


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
