import numpy as np
import pytest

from longspan.columns import Category, Number, Text
from longspan.errors import ConfigError
from longspan.portable import TrainedModel
from longspan.portable.known_rows import ROW_PARTS


class Mean(TrainedModel):
    what = "a mean"
    abilities = frozenset({"batch_size"})

    def __init__(self, columns):
        self.columns = columns

    @property
    def input_columns(self):
        return self.columns

    @property
    def target_columns(self):
        return {"weight": Number(mean=0.0, std=1.0), "kind": None}

    def predict(self, data):
        return [0.0] * len(data)


class Measured(Mean):
    def evaluate(self, data):
        return {"mae": float(len(data))}


class Rows(list):
    """A list that gives some of its rows as a table does."""

    def take(self, rows):
        return [self[row] for row in rows]


def test_what_a_model_reads_follows_from_its_columns():
    text, label = Text(vocab=("a",), max_length=5, min_steps=1).as_input(), Category(vocab=("a", "b"))
    assert Mean({"review": text}).reads == "texts"
    assert Mean({"review": text, "rating": label}).reads == "files"
    assert Mean({"image": None}).reads == "files"
    assert Mean({}).reads == "files"


def test_options_that_a_model_does_not_have_are_refused_by_name():
    model = Mean({"image": None})
    model.check_abilities(views=False, tiles=False)
    with pytest.raises(ConfigError, match=r"^--open-vault is for single networks.*; this model is a mean\.$"):
        model.check_abilities(open_vault=True)
    with pytest.raises(ConfigError, match="This model is a mean, which cannot be exported"):
        model.single_network("be exported")
    with pytest.raises(ConfigError, match="a mean, which cannot be evaluated"):
        model.evaluate(Rows("ab"))


def test_rows_are_all_new_to_a_model_that_keeps_none():
    model = Measured({"image": None})
    found = model.recognise(Rows("abc"))
    assert {part: list(rows) for part, rows in found.items()} == {
        part: [0, 1, 2] if part == "new" else [] for part in ROW_PARTS
    }
    parts = model.evaluate_parts(Rows("abc"))
    assert list(parts) == ["new"]
    assert parts["new"].metrics == {"mae": 3.0}
    assert model.evaluate_parts(Rows("abc"), parts=("test",))["new"].metrics == {}
    np.testing.assert_array_equal(parts["new"].rows, [0, 1, 2])


def test_targets_without_a_place_are_not_located():
    assert Mean({"image": None}).located == {}
