import json
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longspan.data.splits.split import make_split
from longspan.errors import SplitError, UnknownNameError


class _Column:
    def __init__(self, kind):
        self.kind = kind


class _Table:
    """What a split needs of a table: length, columns by name with a kind, raw values."""

    def __init__(self, *, categories=(), **values):
        self._values = values
        self.columns = {name: _Column("category" if name in categories else "number") for name in values}

    def __len__(self):
        return len(next(iter(self._values.values())))

    def column_values(self, name):
        return self._values[name]

    def row_name(self, row):
        return f"row {row}"


def _numbers(n):
    return _Table(x=list(range(n)))


def _rows(split):
    return split.train.tolist(), split.valid.tolist(), split.vault.rows_for_leak_check().tolist()


def _check_parts(split, total):
    parts = _rows(split)
    assert sorted(row for part in parts for row in part) == list(range(total))
    for part in parts:
        assert part == sorted(part)
    assert split.train.dtype == split.valid.dtype == np.int64
    json.dumps(split.how)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 300), st.floats(0.01, 0.45), st.floats(0.01, 0.45), st.integers(0, 2**40))
def test_random_parts_have_exact_totals(n, valid, test, seed):
    num_valid, num_test = int(valid * n + 0.5), int(test * n + 0.5)
    if not num_valid or not num_test or num_valid + num_test >= n:
        return
    split = make_split(_numbers(n), valid=valid, test=test, seed=seed)
    _check_parts(split, n)
    assert (len(split.valid), len(split.vault)) == (num_valid, num_test)


def test_the_seed_alone_decides():
    table = _numbers(500)
    one = make_split(table, seed=1)
    assert one.valid.tolist() == make_split(table, seed=1).valid.tolist()
    assert one.valid.tolist() != make_split(table, seed=2).valid.tolist()


def test_valid_rows_are_spread_over_the_table_and_never_the_last():
    valid = make_split(_numbers(10_000), valid=0.2).valid
    per_tenth = np.histogram(valid, bins=10, range=(0, 10_000))[0]
    # 200 expected, standard deviation 12.6: five of them.
    assert per_tenth.min() > 137
    assert per_tenth.max() < 263


def test_counts_may_be_given_instead_of_fractions():
    split = make_split(_numbers(50), valid=7, test=1)
    assert (len(split.train), len(split.valid), len(split.vault)) == (42, 7, 1)


def test_valid_zero_trains_on_everything():
    assert len(make_split(_numbers(5), valid=0).train) == 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=12), st.integers(0, 999))
def test_every_class_gives_its_fraction_rounded_up_or_down(sizes, seed):
    breeds = [f"b{i}" for i, size in enumerate(sizes) for _ in range(size)]
    if len(breeds) < 5:
        return
    split = make_split(_Table(breed=breeds, categories=["breed"]), valid=0.2, seed=seed)
    _check_parts(split, len(breeds))
    held = Counter(breeds[row] for row in split.valid)
    if len(sizes) > 1:
        assert split.how["stratify"] == ["breed"]
    fraction = len(split.valid) / len(breeds)
    for i, size in enumerate(sizes):
        assert int(size * fraction) <= held[f"b{i}"] <= int(np.ceil(size * fraction))
        assert held[f"b{i}"] < size


def test_two_category_columns_are_both_kept_in_proportion():
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], 2000, p=[0.3, 0.7]).tolist()
    job = rng.choice([f"job{i}" for i in range(20)], 2000).tolist()
    split = make_split(_Table(job=job, sex=sex, categories=["job", "sex"]), valid=0.25)
    assert split.how["stratify"] == ["sex", "job"]
    for values in (sex, job):
        held = Counter(values[row] for row in split.valid)
        for value, count in Counter(values).items():
            assert abs(held[value] - 0.25 * count) <= 2


def test_auto_leaves_out_columns_with_fewer_than_two_rows_per_class():
    table = _Table(name=[f"n{i}" for i in range(10)], kind=["a", "b"] * 5, categories=["name", "kind"])
    assert make_split(table).how["stratify"] == ["kind"]
    assert make_split(table, stratify=None).how["stratify"] == []


def test_a_missing_class_is_a_stratum_of_its_own():
    values = ["a"] * 50 + [None] * 30 + [float("nan")] * 20
    split = make_split(_Table(c=values, categories=["c"]), valid=0.2)
    assert sum(values[row] != "a" for row in split.valid) == 10


def test_a_class_with_one_row_trains_or_is_refused_by_name():
    table = _Table(c=["a"] * 20 + ["lone"] + ["b"] * 20, categories=["c"])
    assert all(20 in make_split(table, valid=0.4, test=0.1, seed=seed).train for seed in range(20))
    with pytest.raises(SplitError, match=r"one row.*row 20: 'lone'"):
        make_split(table, stratify="c")


def test_time_puts_the_last_rows_last():
    days = [date(2026, 1, 1 + (i * 7) % 30) for i in range(30)]
    split = make_split(_Table(day=days), time="day", valid=0.2, test=0.1)
    _check_parts(split, 30)
    train, valid, test = ([days[row] for row in part] for part in _rows(split))
    assert max(train) < min(valid) <= max(valid) < min(test)
    assert (len(valid), len(test)) == (6, 3)


def test_rows_of_one_moment_never_straddle_a_border():
    hours = [0, 0, 0, 1, 1, 1, 1, 1, 2, 2]
    split = make_split(_Table(hour=hours), time="hour", valid=0.1, test=0.1)
    assert _rows(split) == ([0, 1, 2], [3, 4, 5, 6, 7], [8, 9])


def test_time_as_text_is_read_as_dates_or_refused():
    split = make_split(_Table(t=["2026-02", "2026-01-05", "2025", "2026-03-01T10:00"]), time="t", valid=1)
    assert _rows(split)[1] == [3]
    with pytest.raises(SplitError, match=r"'3/14/2011'.*ISO 8601"):
        make_split(_Table(t=["2011-03-13", "3/14/2011"]), time="t", valid=1)
    with pytest.raises(SplitError, match="cannot be put in order"):
        make_split(_Table(t=["2026-01-05", "2026-01-05T10:00+02:00", "2025-01-01"]), time="t", valid=1)


def test_moments_in_two_units_and_days_that_do_not_exist_are_refused():
    for moments in ([1_700_000_000, 1_700_000_060_000], ["1700000000", "1700000060000"]):
        with pytest.raises(SplitError, match="counts moments since 1970 in seconds and in milliseconds"):
            make_split(_Table(t=moments), time="t", valid=1)
    with pytest.raises(SplitError, match="'2024-02-30' is not in the calendar"):
        make_split(_Table(t=["2024-02-29", "2024-02-30"]), time="t", valid=1)
    assert make_split(_Table(t=[1_700_000_060, 1_700_000_000, 10]), time="t", valid=1).valid.tolist() == [0]


def test_numbers_of_frames_in_file_names_are_an_order_in_time():
    split = make_split(_Table(frame=["10", "9", "0002", "100"]), time="frame", valid=1)
    assert split.valid.tolist() == [3]
    assert split.train.tolist() == [0, 1, 2]


def test_a_gap_leaves_out_the_rows_before_each_later_part():
    split = make_split(_Table(hour=list(range(20))), time="hour", valid=4, test=4, gap=3)
    assert _rows(split) == (list(range(10)), [12, 13], [16, 17, 18, 19])
    assert split.how["left_out"] == 4
    assert "gap 3, 4 rows left out" in repr(split)


@pytest.mark.parametrize("gap", ["2d", "48h", timedelta(days=2)])
def test_a_gap_between_dates_has_a_unit(gap):
    days = [date(2026, 3, day) for day in range(1, 11)]
    split = make_split(_Table(day=days), time="day", valid=2, gap=gap)
    assert _rows(split) == (list(range(7)), [8, 9], [])
    with pytest.raises(SplitError, match="needs a unit"):
        make_split(_Table(day=days), time="day", valid=2, gap=2)


def test_time_and_group_hold_out_the_future_of_other_groups():
    rows = [(day, store) for day in range(30) for store in range(10)]
    table = _Table(day=[day for day, _ in rows], store=[store for _, store in rows])
    split = make_split(table, time="day", group="store", valid=0.3, test=0.2)
    train, valid, test = ([rows[row] for row in part] for part in _rows(split))
    assert max(day for day, _ in train) < min(day for day, _ in valid)
    assert max(day for day, _ in valid) < min(day for day, _ in test)
    stores = [{store for _, store in part} for part in (train, valid, test)]
    assert [len(each) for each in stores] == [5, 3, 2]
    assert len(set.union(*stores)) == 10
    assert split.how["left_out"] == 300 - len(train) - len(valid) - len(test)
    sorted_by_day = [min(rows.index((day, store)) for day, store in part) for part in (train, valid, test)]
    assert sorted_by_day == sorted(sorted_by_day)


def test_stretches_without_the_held_out_groups_are_refused():
    with pytest.raises(SplitError, match="No row is left for validation"):
        make_split(_Table(day=list(range(10)), who=[*"bbbbbaaaaa"]), time="day", group="who", valid=1)


def test_too_few_moments_are_refused():
    with pytest.raises(SplitError, match="2 different moments; 3 parts need 3"):
        make_split(_Table(t=[1, 1, 2, 2]), time="t", valid=0.25, test=0.25)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=40), st.integers(0, 99))
def test_groups_stay_whole_and_near_their_fractions(sizes, seed):
    patients = [f"p{i}" for i, size in enumerate(sizes) for _ in range(size)]
    total = len(patients)
    if total < 10:
        return
    split = make_split(_Table(patient=patients), group="patient", valid=0.2, test=0.2, seed=seed)
    _check_parts(split, total)
    owners = [{patients[row] for row in part} for part in _rows(split)]
    assert all(owners)
    assert not owners[0] & owners[1]
    assert not owners[0] & owners[2]
    assert not owners[1] & owners[2]
    for part in _rows(split)[1:]:
        # A part stops within half the largest group of its fraction.
        assert abs(len(part) - 0.2 * total) <= max(sizes) / 2 + 1


def test_groups_are_drawn_by_seed_and_do_not_depend_on_row_order():
    patients = [f"p{i % 20}" for i in range(100)]
    table, turned = _Table(p=patients), _Table(p=patients[::-1])
    chosen = [{patients[row] for row in make_split(table, group="p", seed=seed).valid} for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert {patients[::-1][row] for row in make_split(turned, group="p", seed=1).valid} == chosen[0]


def test_one_group_cannot_be_split():
    with pytest.raises(SplitError, match="1 group "):
        make_split(_Table(p=["a"] * 5), group="p")
    with pytest.raises(SplitError, match="3 parts needs at least 3"):
        make_split(_Table(p=["a", "b"] * 5), group="p", test=0.2)


def test_a_column_of_words_names_the_parts():
    words = ["train", "Val", "validation", "test", "valid", "train"]
    split = make_split(_Table(part=words), column="part")
    assert _rows(split) == ([0, 5], [1, 2, 4], [3])


def test_true_in_a_boolean_column_means_valid():
    assert _rows(make_split(_Table(is_valid=[True, False, False]), column="is_valid")) == ([1, 2], [0], [])


def test_other_values_are_named_by_a_mapping():
    folds = [1, 2, 3, 4, 5]
    split = make_split(_Table(fold=folds), column={"fold": {"valid": 3, "test": [4, 5]}})
    assert _rows(split) == ([0, 1], [2], [3, 4])
    assert split.how["values"] == {"valid": [3], "test": [4, 5]}
    with pytest.raises(SplitError, match="value 2 is in no part"):
        make_split(_Table(fold=folds), column={"fold": {"train": [1], "valid": [3, 4, 5]}})
    with pytest.raises(SplitError, match=r"no row with any of \[9\].*It holds 1, 2"):
        make_split(_Table(fold=folds), column={"fold": {"valid": 9}})
    with pytest.raises(SplitError, match="value 3 is in two parts"):
        make_split(_Table(fold=folds), column={"fold": {"valid": 3, "test": [3]}})
    with pytest.raises(UnknownNameError, match="Did you mean 'valid'"):
        make_split(_Table(fold=folds), column={"fold": {"vald": 3}})


def test_valid_rows_are_drawn_from_training_rows_where_the_column_names_none():
    digits = [i % 10 for i in range(200)]
    table = _Table(digit=digits, part=["train"] * 150 + ["test"] * 50, categories=["digit", "part"])
    split = make_split(table, column="part", valid=30)
    _check_parts(split, 200)
    assert _rows(split)[2] == list(range(150, 200))
    assert Counter(digits[row] for row in split.valid) == dict.fromkeys(range(10), 3)
    assert split.how["drawn"] == {"valid": 30}
    with pytest.raises(SplitError, match="names 50 test rows"):
        make_split(table, column="part", test=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"valid": 1.5}, "valid=1.5 must be a fraction"),
        ({"valid": -0.1}, "valid=-0.1 must be a fraction"),
        ({"valid": 1.0}, "would take every row"),
        ({"test": float("nan")}, "test=nan must be a fraction"),
        ({"valid": "0.2"}, "must be a number"),
        ({"valid": 0.6, "test": 0.4}, "leave none to train on"),
        ({"valid": 10}, "leave none to train on"),
        ({"valid": 0.01}, "the valid part would be empty"),
        ({"time": "x", "column": "x"}, "made in one way"),
        ({"gap": 3}, "is for splits by time"),
        ({"time": "x", "gap": -1}, "at least 0"),
        ({"time": "x", "gap": "7d"}, "holds numbers"),
        ({"time": "x", "gap": "week"}, "not a length of time"),
        ({"time": "x", "gap": 100}, "leaves no training row"),
        ({"column": "x"}, "names no part"),
        ({"column": {"x": {}}}, "must say which values"),
        ({"time": "x", "stratify": "x"}, "for random splits"),
    ],
)
def test_contradictions_are_refused(options, message):
    with pytest.raises(SplitError, match=message):
        make_split(_numbers(10), **options)


@pytest.mark.parametrize("option", ["time", "group", "column", "stratify"])
def test_an_unknown_column_gets_the_nearest_name(option):
    with pytest.raises(UnknownNameError, match="Did you mean 'patient'"):
        make_split(_Table(patient=[1, 2, 3]), **{option: "patent"})


@pytest.mark.parametrize("option", ["time", "group", "column"])
def test_missing_values_are_refused_with_their_rows(option):
    with pytest.raises(SplitError, match=r"no value in 2 of 4 rows: row 1, row 3\."):
        make_split(_Table(c=["train", None, "valid", float("nan")]), **{option: "c"})


def test_an_empty_table_is_refused():
    with pytest.raises(SplitError, match="no rows"):
        make_split(_Table(x=[]))


def test_repr_says_what_was_done():
    split = make_split(_Table(c=["a", "b"] * 10, categories=["c"]), test=0.1, seed=42)
    assert repr(split) == ("Split(14 train, 4 valid, 2 test in the vault; at random, stratified by 'c', seed 42)")
    by_time = make_split(_numbers(10), time="x")
    assert repr(by_time) == "Split(8 train, 2 valid, 0 test in the vault; by time 'x')"
