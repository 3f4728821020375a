import json

import pytest

from longspan.errors import ConfigError, UnknownNameError
from longspan.heads import TargetPrediction
from longspan.inference import Prediction, predictions_to_frame

CAT = TargetPrediction(True, 0.98765, {False: 0.01235, True: 0.98765})
AGE = TargetPrediction(12.3456)
TAGS = TargetPrediction(["a"], 0.5, {"a": 0.9, "b": 0.2})


def test_one_target_has_short_names():
    prediction = Prediction({"cat": CAT}, "a.jpg")
    assert prediction["cat"] is prediction.value is True
    assert prediction.probability == 0.98765
    assert prediction.probabilities == {False: 0.01235, True: 0.98765}
    assert repr(prediction) == "Prediction(cat=True, probability=0.99)"


def test_several_targets_are_asked_by_name():
    prediction = Prediction({"cat": CAT, "age": AGE})
    assert (prediction["cat"], prediction["age"]) == (True, 12.3456)
    assert repr(prediction) == "Prediction(cat=True, cat_probability=0.99, age=12.35)"
    for short in ("value", "probability", "probabilities"):
        with pytest.raises(ConfigError, match=r"several targets; ask for one: prediction\['cat'\]"):
            getattr(prediction, short)
    with pytest.raises(UnknownNameError, match=r"There is no target 'agee'. Did you mean 'age'"):
        prediction["agee"]


def test_json_has_the_file_and_every_figure():
    fields = json.loads(json.dumps(Prediction({"cat": CAT}, "a.jpg").to_json()))
    assert fields == {
        "file": "a.jpg",
        "cat": True,
        "probability": 0.98765,
        "probabilities": {"False": 0.01235, "True": 0.98765},
    }
    several = Prediction({"tags": TAGS, "age": AGE}).to_json()
    assert several == {
        "tags": ["a"],
        "tags_probability": 0.5,
        "tags_probabilities": {"a": 0.9, "b": 0.2},
        "age": 12.3456,
    }


def test_a_frame_has_a_row_per_prediction_in_order():
    frame = predictions_to_frame([Prediction({"age": AGE, "cat": CAT}, name) for name in ("b.jpg", "a.jpg")])
    assert frame.columns == ["file", "age", "cat", "cat_probability"]
    assert frame["file"].to_list() == ["b.jpg", "a.jpg"]
    assert predictions_to_frame([Prediction({"tags": TAGS})])["tags"].to_list() == [["a"]]
    assert predictions_to_frame([]).is_empty()


@pytest.mark.parametrize("name", ["file", "probability", "probabilities", "file_"])
def test_a_target_named_like_a_field_of_ours_keeps_its_value(name):
    prediction = Prediction({name: TargetPrediction("cat", 0.75, {"cat": 0.75, "dog": 0.25})}, "a.png")
    fields, row = prediction.to_json(), predictions_to_frame([prediction]).row(0, named=True)
    assert fields[name] == row[name] == "cat"
    assert "a.png" in fields.values()
    assert "a.png" in row.values()
    assert len(fields) == 4
    assert len(row) == 3


def test_a_target_named_like_the_probability_of_another():
    prediction = Prediction(
        {"a": TargetPrediction("x", 0.5, None), "a_probability": TargetPrediction("y", 0.7, None)}, None
    )
    row = predictions_to_frame([prediction]).row(0, named=True)
    assert row == {"a": "x", "a_probability_": 0.5, "a_probability": "y", "a_probability_probability": 0.7}
