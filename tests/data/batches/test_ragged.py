"""Values of several lengths, with a column that only this file knows."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from longspan.columns import Category, Column, Number, Ragged, SequenceSpec, Text
from longspan.columns.ragged import pad
from longspan.data import Table, encode_rows
from longspan.data.batches.build import build_store, store_of
from longspan.data.batches.order import epoch_order, split_evenly
from longspan.data.batches.store import RaggedStore, StreamedStore
from longspan.errors import DataError, ShapeError
from longspan.metrics.row_errors import RAW_VALUE
from longspan.text import CharacterTokens


@dataclass(frozen=True, kw_only=True)
class Walk(Column):
    """A path of steps in the plane: lists of (x, y)."""

    kind = "walk"
    json_cells = True

    def fit(self, values):
        return self

    shape = (2,)
    dtype = np.float32
    ragged = True
    padding = -9.0
    row_error = RAW_VALUE

    def check(self, value):
        return None if isinstance(value, list) and all(len(step) == 2 for step in value) else f"{value!r} is not a walk"

    def encode(self, value):
        if self.check(value):
            raise ValueError(self.check(value))
        return np.array(value, np.float32).reshape(-1, 2)

    def decode(self, encoded):
        return np.asarray(encoded).tolist()

    def spec(self):
        return SequenceSpec(features=2)


WALKS = [[[i, j] for j in range(n)] for i, n in enumerate([3, 0, 5, 1, 2, 5, 4])]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))


def table_of(walks=WALKS):
    cells = {"walk": [[list(map(float, step)) for step in walk] if walk is not None else None for walk in walks]}
    return Table.from_arrays({**cells, "y": list(range(len(walks)))}, {"walk": Walk(), "y": Number()})


def built(table, memory_bytes=1 << 20, **options):
    return build_store(table, "walk", Walk(), np.arange(len(table)), memory_bytes=memory_bytes, **options)


def equal(batch, walks):
    return batch.lengths.tolist() == [len(w) for w in walks] and all(
        batch.values[i, : len(w)].tolist() == w and (batch.values[i, len(w) :] == -9).all() for i, w in enumerate(walks)
    )


def test_batches_are_padded_to_their_longest_row():
    store = built(table_of())
    assert isinstance(store, RaggedStore)
    for rows in ([2, 0, 1], [1], [3, 3], []):
        batch = store.read(torch.tensor(rows, dtype=torch.int64))
        assert isinstance(batch, Ragged)
        assert batch.values.shape == (len(rows), max((len(WALKS[r]) for r in rows), default=0), 2)
        assert equal(batch, [WALKS[r] for r in rows])
        if rows:
            same = Walk().collate([torch.from_numpy(Walk().encode(WALKS[r])) for r in rows])
            assert torch.equal(same.values, batch.values)


def test_missing_and_bad_values_have_no_length():
    table = table_of([WALKS[0], None, [[1, 2, 3]], WALKS[2]])
    store = built(table)
    assert store.present(torch.arange(4)).tolist() == [True, False, False, True]
    assert "is not a walk" in repr(store.faults[2])
    assert store.read(torch.arange(4)).lengths.tolist() == [3, 0, 0, 5]
    assert equal(store.read(torch.tensor([3, 0])), [WALKS[2], WALKS[0]])


def test_in_memory_in_a_file_or_encoded_anew_they_are_the_same(monkeypatch, tmp_path):
    table, rows = table_of([*WALKS, [[1, 2, 3]]]), torch.tensor([5, 7, 0, 1])
    held = built(table)
    mapped = built(table, memory_bytes=50)
    assert held.in_memory
    assert not mapped.in_memory
    assert len(list((tmp_path / "cache" / "decoded").iterdir())) == 3
    again = built(table, memory_bytes=50)
    with pytest.warns(UserWarning, match="fit neither in memory"):
        streamed = built(table_of([*WALKS, [[1, 2, 3]], WALKS[0]]), memory_bytes=50, disk_bytes=60)
    assert isinstance(streamed, StreamedStore)
    for store in (mapped, again, streamed):
        assert list(store.faults) == [7]
        assert torch.equal(store.read(rows).values, held.read(rows).values)
        assert torch.equal(store.lengths(rows), held.lengths(rows))
    assert not list((tmp_path / "cache" / "decoded").glob("*.part"))


def test_a_file_that_changes_under_a_training_is_named(monkeypatch):
    table = table_of()
    with pytest.warns(UserWarning, match="encoded anew"):
        store = built(table, memory_bytes=0, disk_bytes=0)
    monkeypatch.setattr(Walk, "encode", lambda *_: (_ for _ in ()).throw(ValueError("it is cut short")))
    with pytest.raises(DataError, match=r"row 2, column 'walk': it is cut short. It could be read before"):
        store.read(torch.tensor([2]))


@pytest.mark.parametrize("gigabytes", [{}, {"cache_gb": 0, "disk_cache_gb": 0}])
@pytest.mark.filterwarnings("ignore:Encoded values")
def test_batches_read_ahead_are_those_read_at_once_from_any_batch_on(gigabytes):
    table, rows = table_of(), np.arange(7)
    samples = encode_rows(table, rows, {"walk": Walk()}, {"y": Number()}, **gigabytes)
    assert samples.lengths(torch.arange(7)).tolist() == [3, 0, 5, 1, 2, 5, 4]
    order = torch.tensor([6, 2, 0, 5, 1, 3, 4])
    whole = list(samples.batches(order, 2))
    assert [batch.rows.tolist() for batch in whole] == [[6, 2], [0, 5], [1, 3], [4]]
    for first in range(5):
        for one, other in zip(samples.batches(order, 2, first=first), whole[first:], strict=True):
            assert torch.equal(one.inputs["walk"].values, other.inputs["walk"].values)
            assert torch.equal(one.targets["y"], other.targets["y"])
            assert equal(one.inputs["walk"], [WALKS[r] for r in one.rows.tolist()])


def test_a_batch_is_cut_and_moved_as_a_whole():
    samples = encode_rows(table_of(), np.arange(7), {"walk": Walk()}, {"y": Number()})
    batch = next(samples.batches(torch.tensor([2, 3, 4]), 3))
    few = batch.take(slice(1, 3))
    assert few.inputs["walk"].values.shape == (2, 2, 2)
    assert equal(few.inputs["walk"], [WALKS[3], WALKS[4]])
    moved = batch.to(torch.device("meta"))
    assert moved.inputs["walk"].values.device.type == moved.inputs["walk"].lengths.device.type == "meta"


def test_values_that_are_encoded_already_are_stored():
    store = store_of(Walk(), [Walk().encode(walk) for walk in WALKS[:3]])
    assert equal(store.read(torch.tensor([2, 1, 0])), [WALKS[2], WALKS[1], WALKS[0]])
    assert store_of(Number(), [Number().encode(3), Number().encode(4)]).read(torch.tensor([1])).tolist() == [4]
    assert store_of(Walk(), []).read(torch.empty(0, dtype=torch.int64)).values.shape == (0, 0, 2)


# --- padding and masks ------------------------------------------------------------------------------------------------


def test_the_mask_says_where_values_are():
    batch = pad([torch.ones(2, 3), torch.ones(0, 3), torch.ones(4, 3)], padding=7)
    assert batch.mask.tolist() == [[True, True, False, False], [False] * 4, [True] * 4]
    assert (batch.values[~batch.mask] == 7).all()
    assert (batch.values[batch.mask] == 1).all()
    few = batch.take(torch.tensor([True, True, False]))
    assert few.values.shape == (2, 2, 3)


@pytest.mark.parametrize("values", [[], [torch.ones(2, 3), torch.ones(2, 4)], [torch.tensor(1.0)]])
def test_only_the_length_may_differ(values):
    with pytest.raises(ShapeError, match="whose steps have one shape"):
        pad(values)


# --- order of an epoch ------------------------------------------------------------------------------------------------


def test_without_lengths_the_order_is_a_plain_shuffle():
    rows = torch.arange(100, 150)
    order = epoch_order(rows, 3, 7, 8)
    assert sorted(order.tolist()) == rows.tolist()
    assert torch.equal(order, epoch_order(rows, 3, 7, 64))
    assert not torch.equal(order, epoch_order(rows, 4, 7, 8))


@pytest.mark.parametrize(("count", "batch_size"), [(1000, 16), (997, 16), (10, 16), (1, 4), (33, 16)])
def test_rows_of_like_length_come_together(count, batch_size):
    lengths = torch.randint(1, 500, (count,), generator=torch.Generator().manual_seed(1))
    rows = torch.arange(count) + 5
    order = epoch_order(rows, 2, 0, batch_size, lengths)
    assert sorted(order.tolist()) == rows.tolist()
    assert torch.equal(order, epoch_order(rows, 2, 0, batch_size, lengths))
    by_row = dict(zip(rows.tolist(), lengths.tolist(), strict=True))

    def padded(order):
        parts = split_evenly(order, batch_size)
        return sum(len(part) * max(by_row[row] for row in part.tolist()) for part in parts)

    if count > 100:
        assert not torch.equal(order, epoch_order(rows, 3, 0, batch_size, lengths))
        assert padded(order) < 1.1 * int(lengths.sum())  # a tenth of padding, where a plain shuffle has far more
        assert padded(epoch_order(rows, 2, 0, batch_size)) > 1.7 * int(lengths.sum())
        first = [by_row[row] for row in split_evenly(order, batch_size)[0].tolist()]
        means = [np.mean([by_row[r] for r in part.tolist()]) for part in split_evenly(order, batch_size)]
        assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.4  # short batches are not all first
        assert max(first) - min(first) < 60


# --- inputs of several kinds ------------------------------------------------------------------------------------------


def test_inputs_of_several_kinds_stand_in_one_batch():
    table = Table.from_arrays(
        {"word": ["ab", None, "b"], "age": [1e9, 1e9 + 1, None], "sex": ["m", None, "f"], "y": [1, 2, 3]},
        {
            "word": Text(missing="empty", tokenizer=CharacterTokens()),
            "age": Number(missing="indicator"),
            "sex": Category(missing="class"),
            "y": Number(),
        },
    )
    inputs = {
        name: table.columns[name].as_input().fit([v for v in table.column_values(name) if v is not None])
        for name in ("word", "age", "sex")
    }
    samples = encode_rows(table, np.arange(3), inputs, {"y": Number()})
    assert samples.faults() == {}
    batch = next(samples.batches(torch.arange(3), 3))
    ready = {name: column.prepare(batch.inputs[name]) for name, column in inputs.items()}
    assert ready["word"].values.tolist() == [[4, 5], [0, 0], [5, 0]]  # four special tokens stand first
    assert ready["word"].lengths.tolist() == [2, 0, 1]
    assert ready["age"].tolist() == [[-1, 0], [1, 0], [0, 1]]
    assert ready["age"].dtype == torch.float32
    assert ready["sex"].tolist() == [1, 2, 0]
    assert math.isclose(inputs["age"].mean, 1e9 + 0.5)


def test_a_missing_target_is_never_a_value():
    table = Table.from_arrays({"x": [1, 2], "sex": ["m", None]}, {"x": Number(), "sex": Category(missing="class")})
    column = Category(vocab=("m", "f"), missing="class")
    samples = encode_rows(table, np.arange(2), {"x": Number(mean=0.0, std=1.0).as_input()}, {"sex": column})
    assert samples.targets["sex"].present(torch.arange(2)).tolist() == [True, False]
