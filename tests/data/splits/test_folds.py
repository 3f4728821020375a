import numpy as np
import pytest

import longspan as ls
from longspan.errors import SplitError


def table_of(labels, **more):
    rows = {"x": np.zeros((len(labels), 8, 8), np.uint8), "k": list(labels), **more}
    columns = {"x": ls.Image(), "k": ls.Category(), **{name: ls.Raw() for name in more}}
    return ls.Table.from_arrays(rows, columns)


def test_every_row_validates_once_and_classes_are_spread_evenly():
    labels = ["a"] * 52 + ["b"] * 23 + ["c"] * 5
    folds = table_of(labels).split(valid=0).folds(5)
    assert np.sort(np.concatenate([fold.valid for fold in folds])).tolist() == list(range(80))
    for fold in folds:
        assert np.union1d(fold.train, fold.valid).tolist() == list(range(80))
        counts = {label: sum(labels[row] == label for row in fold.valid) for label in "abc"}
        assert len(fold.valid) == 16
        assert (counts["a"] in (10, 11), counts["b"] in (4, 5), counts["c"]) == (True, True, 1)
        assert (fold.how["fold"], fold.how["folds"])[1] == 5


def test_sealed_rows_are_in_no_fold():
    split = table_of("ab" * 30).split(valid=0.2, test=12)
    folds = split.folds(3)
    sealed = split.vault.rows_for_leak_check()
    assert len(np.concatenate([fold.valid for fold in folds])) == 48
    for fold in folds:
        assert not len(np.intersect1d(sealed, np.union1d(fold.train, fold.valid)))
        assert fold.vault is split.vault


def test_groups_stay_whole_and_classes_even():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), rng.integers(1, 9, 40))
    labels = ["ill" if patient % 4 == 0 else "well" for patient in patients]
    table = table_of(labels, patient=patients.tolist())
    folds = table.split(valid=0).folds(4, group="patient")
    ill = labels.count("ill") / len(labels)
    for fold in folds:
        assert not set(patients[fold.train]) & set(patients[fold.valid])
        assert abs(len(fold.valid) - len(patients) / 4) <= 4
        assert abs(np.mean([labels[row] == "ill" for row in fold.valid]) - ill) < 0.08
    by_group = table.split(valid=0, group="patient").folds(4)
    assert all(not set(patients[f.train]) & set(patients[f.valid]) for f in by_group)


def test_folds_depend_on_the_seed_alone():
    table = table_of("ab" * 20)
    first = [fold.valid.tolist() for fold in table.split(valid=0, seed=1).folds(4)]
    assert first == [fold.valid.tolist() for fold in table.split(valid=0, seed=1).folds(4)]
    assert first != [fold.valid.tolist() for fold in table.split(valid=0, seed=2).folds(4)]


def test_folds_that_cannot_be():
    table = table_of("ab" * 10, day=list(range(20)), who=[0, 1] * 10)
    for call, words in (
        (lambda: table.split(valid=0).folds(1), "at least 2"),
        (lambda: table.split(valid=0).folds(21), "20 rows cannot be divided into 21 folds"),
        (lambda: table.split(valid=0).folds(3, group="who"), "2 groups, fewer than 3 folds"),
        (lambda: table.split(time="day").folds(20), "20 different moments outside the vault; 20 folds"),
        (lambda: table.split(time="day").folds(3, group="who"), "cannot keep groups apart"),
        (lambda: table.split(time="day", gap=9).folds(9), "leaves no training row"),
    ):
        with pytest.raises(SplitError, match=words):
            call()


def test_folds_by_time_train_on_the_past_alone():
    sklearn = pytest.importorskip("sklearn.model_selection")
    days = np.random.default_rng(0).permutation(40)
    folds = table_of("ab" * 20, day=days.tolist()).split(time="day", valid=0.2).folds(4)
    expected = list(sklearn.TimeSeriesSplit(4).split(np.arange(40)))
    assert len(folds) == 4
    for fold, (train, valid) in zip(folds, expected, strict=True):
        assert np.sort(days[fold.train]).tolist() == train.tolist()
        assert np.sort(days[fold.valid]).tolist() == valid.tolist()


def test_folds_by_time_keep_moments_whole_the_gap_and_the_vault():
    days = [day for day in range(30) for _ in range(3)]
    split = table_of("abc" * 30, day=days).split(time="day", valid=0.1, test=9, gap=2)
    for fold in split.folds(3):
        train, valid = ({days[row] for row in part} for part in (fold.train, fold.valid))
        assert max(train) == min(valid) - 2
        assert max(valid) <= 26
        assert len(fold.valid) == 3 * len(valid)
    assert max(days[row] for row in split.folds(3)[-1].valid) == 25  # the vault's first is 27
