"""What holds for every registered column: one example of each kind goes through one list of checks.

A new column brings its example in its own test: `CONTRACT` in tests/columns/test_KIND.py, the arguments of `Example`.
"""

import dataclasses
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from longspan.columns import (
    COLUMNS,
    Audio,
    Boxes,
    Category,
    Column,
    Features,
    Image,
    Instances,
    Mask,
    MultiLabel,
    Number,
    Text,
    column_from_json,
)
from longspan.errors import LongspanError, UnknownNameError
from longspan.vision import AugmentParams

CLASSES = np.random.default_rng(1).choice([0, 1, 2, 255], (3, 6, 8)).astype(np.uint8)
BOX = {"box": [1.0, 2.0, 4.0, 5.0], "label": "a"}
THING = {"box": [1.0, 0.0, 3.0, 6.0], "label": "b", "rle": {"size": [6, 8], "counts": [6, 12, 30]}, "ignore": True}
SOUNDS = np.random.default_rng(2).integers(-9000, 9000, (3, 800), np.int16)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 6, 8, 3), np.uint8)


@dataclasses.dataclass(frozen=True)
class Example:
    """A column as a user makes it, good values, and values that cannot be used."""

    column: Column
    values: list
    bad: list
    no_training: list
    """Training values from which nothing can be learned."""
    comes_back: bool = True


EXAMPLES = {
    "image": Example(Image(mean=(0.5,) * 3, std=(0.2,) * 3), list(PIXELS), ["gone.png", 3, b"no"], ["gone.png"]),
    "audio": Example(
        Audio(rate_hz=8000, mean=(0.0,) * 64, std=(9.0,) * 64),
        list(SOUNDS),
        ["gone.wav", 3, b"no", SOUNDS[0] * 0],
        ["gone.wav"],
    ),
    "category": Example(Category(), ["b", "a", "b"], ["x", 3, None, ["a"]], ["a", "a"]),
    "multi_label": Example(MultiLabel(), [["a"], ["a", "b"], []], ["a", ["x"], 3, None], [[]]),
    "number": Example(Number(), [1.5, -2.0, 4.0], ["x", None, float("nan"), [1]], ["x"]),
    "mask": Example(
        Mask(size_px=(6, 8)), list(CLASSES), ["gone.png", 3, CLASSES / 2, CLASSES * 0 + 9], [np.zeros((6, 8), np.uint8)]
    ),
    "boxes": Example(
        Boxes(size_px=(6, 8)),
        [[BOX], [], [{**BOX, "label": "b", "ignore": True}, BOX]],
        [3, None, "x", [[1, 2, 3]], [{**BOX, "label": "c"}], [[4, 2, 1, 5]], [BOX] * 99],
        [[]],
    ),
    "instances": Example(
        Instances(size_px=(6, 8)),
        [[THING], [], [THING, THING]],
        [3, None, "x", [[1, 2, 3]], [{**THING, "label": "c"}], [BOX], [THING] * 99],
        [[]],
    ),
    "features": Example(
        Features(numbers=["age", "pay"], categories=["job"], min_count=1),
        [{"age": 1.0, "pay": None, "job": "a"}, {"age": -1.0, "pay": 2.0, "job": None}],
        ["x", None, {"age": 1.0}, {"age": "old", "pay": 1.0, "job": "a"}, {"age": float("inf"), "pay": 1, "job": "b"}],
        [{"age": None, "pay": None, "job": None}],
    ),
    "text": Example(Text(), ["ba", "", "abba"], ["x", "a" * 99, 3, None, ["a"]], [""]),
}


def example_of(kind):
    """The example in the test of a kind."""
    path = Path(__file__).parents[1] / "columns" / f"test_{kind}.py"
    return Example(**runpy.run_path(str(path))["CONTRACT"])


EXAMPLES |= {kind: example_of(kind) for kind, c in COLUMNS.items() if c.for_networks and kind not in EXAMPLES}
# Plain values stand in no batch; tests/columns/test_plain.py has their rules.
every = pytest.mark.parametrize("kind", sorted(kind for kind, column in COLUMNS.items() if column.for_networks))


def fitted(kind) -> Column:
    return EXAMPLES[kind].column.fit(EXAMPLES[kind].values)


@every
def test_it_has_an_example_and_its_own_kind(kind):
    assert COLUMNS[kind].kind == kind
    assert isinstance(EXAMPLES[kind].column, COLUMNS[kind])


@every
def test_fit_gives_a_new_column_and_changes_nothing(kind):
    column = EXAMPLES[kind].column
    before = json.dumps(column.to_json())
    assert fitted(kind) is not column
    assert json.dumps(column.to_json()) == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(column, dataclasses.fields(column)[0].name, None)


@every
def test_fit_reads_a_generator_and_gives_equal_columns(kind):
    values = EXAMPLES[kind].values
    assert EXAMPLES[kind].column.fit(value for value in values) == fitted(kind)
    assert fitted(kind).fit(values) == fitted(kind)


@every
def test_encoded_values_have_the_promised_shape_and_type(kind):
    column = fitted(kind)
    for value in EXAMPLES[kind].values:
        assert column.check(value) is None
        encoded = column.encode(value)
        assert isinstance(encoded, np.ndarray)
        assert encoded.shape == column.shape
        assert encoded.dtype == column.dtype


@every
def test_values_come_back(kind):
    column = fitted(kind)
    for value in EXAMPLES[kind].values:
        assert np.array_equal(column.decode(column.encode(value)), value)
        assert np.array_equal(column.decode(torch.from_numpy(column.encode(value).copy())), value)


@every
def test_encode_leaves_the_value_alone(kind):
    column = fitted(kind)
    for value in EXAMPLES[kind].values:
        before = json.dumps(value.tolist() if isinstance(value, np.ndarray) else value)
        column.encode(value)
        assert json.dumps(value.tolist() if isinstance(value, np.ndarray) else value) == before


@every
def test_check_and_encode_agree_on_what_is_wrong(kind):
    column = fitted(kind)
    for value in EXAMPLES[kind].bad:
        fault = column.check(value)
        assert fault
        assert not fault.endswith(".")
        with pytest.raises(ValueError, match=r".") as caught:
            column.encode(value)
        assert str(caught.value) == fault


@every
def test_nothing_to_learn_from_is_a_longspan_error(kind):
    with pytest.raises(LongspanError):
        COLUMNS[kind]().fit(EXAMPLES[kind].no_training)


@every
def test_prepare_is_per_row_and_ignores_what_has_no_place_in_it(kind):
    column = fitted(kind)
    batch = torch.from_numpy(np.stack([column.encode(value) for value in EXAMPLES[kind].values]))
    before = batch.clone()
    prepared = column.prepare(batch)
    assert len(prepared) == len(batch)
    assert torch.equal(batch, before)
    torch.testing.assert_close(column.prepare(batch[1:2]), prepared[1:2])
    torch.testing.assert_close(column.prepare(batch, AugmentParams.identity(len(batch))), prepared)


@every
def test_json_makes_the_same_column_again(kind):
    for column in (EXAMPLES[kind].column, fitted(kind)):
        again = column_from_json(json.loads(json.dumps(column.to_json(), allow_nan=False)))
        assert again == column
        assert type(again) is type(column)


@every
def test_cells_are_text_for_good_and_bad_values(kind):
    for value in [*EXAMPLES[kind].values, *EXAMPLES[kind].bad]:
        assert isinstance(fitted(kind).show_html(value), str)


def test_an_unknown_kind_names_those_there_are():
    with pytest.raises(UnknownNameError, match=r"There is no column kind 'imagge'. Did you mean 'image'"):
        column_from_json({"kind": "imagge"})
