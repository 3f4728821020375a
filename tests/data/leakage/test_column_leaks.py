import numpy as np
import polars as pl
import pytest

from longspan.data.leakage.leaks import find_leaks
from longspan.data.table import Table
from longspan.errors import LeakError, SplitError, UnknownNameError


def _split(parts, **cells):
    frame = pl.DataFrame({**cells, "part": parts})
    return Table.from_frame(frame).split(column="part", valid=0)


def test_groups_on_both_sides_are_told_by_name_and_number():
    split = _split(["train", "train", "test", "valid", "test"], who=["ann", "bob", "ann", "ann", "cid"])
    (leak,) = find_leaks(split, group="who").columns
    assert (leak.kind, leak.column, leak.certain) == ("group", "who", True)
    assert "1 of 3 groups stand in several parts: 'ann' (1 train, 1 valid, 1 test)" in leak.what
    with pytest.raises(LeakError, match=r"split\(group='who'\)"):
        find_leaks(split, group="who").refuse()


def test_groups_kept_together_missing_names_and_lists():
    assert not find_leaks(_split(["train", "train", "test", "valid"], who=["ann", "ann", "bob", "cid"]), group="who")
    assert not find_leaks(_split(["train", "test", "test"], who=[None, None, "bob"]), group="who")
    assert not find_leaks(_split(["train", "test"], who=[float("nan"), float("nan")]), group="who")
    assert find_leaks(_split(["train", "test"], who=[["a", "b"], ["a", "b"]]), group="who")
    assert find_leaks(_split(["train", "test"], who=[7, 7], train=[1, 2]), group="who")  # a column called as a part


def test_a_split_by_group_is_looked_at_unasked_and_keeps_its_groups():
    frame = pl.DataFrame({"who": [f"p{i // 3}" for i in range(60)], "x": range(60)})
    split = Table.from_frame(frame).split(valid=0.2, test=0.2, group="who")
    assert not find_leaks(split)
    parted = split.moved_to_train(split.valid[:1])
    assert [leak.kind for leak in find_leaks(parted).columns] == ["group"]


def test_parts_that_overlap_in_time_are_told():
    days = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-02-15"]
    split = _split(["train", "train", "train", "test"], day=days)
    (leak,) = find_leaks(split, time="day").columns
    assert leak.kind == "time"
    assert "1 of 1 test rows are not later than the last row before them" in leak.what
    assert "row 3" in leak.what
    assert not find_leaks(_split(["train", "train", "valid", "test"], day=[1, 2, 3, 4]), time="day")
    assert find_leaks(_split(["train", "valid", "test"], day=[1, 3, 3]), time="day"), "one moment in two parts"
    assert find_leaks(_split(["train", "valid", "test"], day=[1, 3, 2]), time="day"), "validation after test"


def test_a_split_by_time_is_in_order_and_moving_breaks_it():
    split = Table.from_frame(pl.DataFrame({"day": range(50)})).split(valid=0.2, time="day")
    assert not find_leaks(split)
    assert [leak.kind for leak in find_leaks(split.moved_to_train(split.valid[-1:])).columns] == ["time"]


def test_columns_that_cannot_be_asked_say_so():
    split = _split(["train", "test"], day=["soon", "late"])
    with pytest.raises(SplitError, match="is not a date"):
        find_leaks(split, time="day")
    with pytest.raises(UnknownNameError, match="Did you mean 'day'"):
        find_leaks(split, group="dya")


def test_a_column_that_looks_like_a_group_is_suggested_and_not_refused():
    rng = np.random.default_rng(0)
    who = [f"p{i // 4}" for i in range(400)]
    parts = np.where(rng.random(400) < 0.2, "test", "train").tolist()
    found = find_leaks(_split(parts, who=who, x=rng.random(400)))
    assert not found
    (note,) = found.notes
    assert (note.column, note.certain) == ("who", False)
    assert "split(group='who')" in note.what
    kept = np.where(np.arange(100) % 5 == 0, "test", "train").repeat(4).tolist()
    assert not find_leaks(_split(kept, who=who)).notes


def test_classes_names_of_one_and_quantities_are_no_groups():
    rng = np.random.default_rng(0)
    parts = np.where(rng.random(2000) < 0.2, "test", "train").tolist()
    split = _split(
        parts,
        job=[f"job {i}" for i in rng.integers(0, 40, 2000)],  # many rows each: a class
        name=[f"name {i}" for i in range(2000)],  # one row each: no group
        age=rng.integers(0, 500, 2000),  # a quantity
    )
    assert not find_leaks(split).notes
