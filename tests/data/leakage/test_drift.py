import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

import longspan as ls
from longspan.data.leakage.drift import _standard_error
from longspan.errors import DataError


def table_of(count, shift):
    rng = np.random.default_rng(3)
    drifting = rng.normal(size=count)
    drifting[count // 2 :] += shift
    frame = pl.DataFrame(
        {
            "hour": range(count),
            "drifting": drifting,
            "steady": rng.normal(size=count),
            "label": rng.choice(["a", "b", "c"], count),
            "target": rng.normal(size=count),
        }
    )
    return ls.Table.from_frame(frame)


def test_a_shifted_column_is_found_and_named():
    drift = table_of(600, shift=1.5).split(time="hour", valid=0.5).drift(leave_out=["target"])
    # two normal distributions 1.5 apart: the best AUC is Phi(1.5 / sqrt 2)
    assert drift.auc == pytest.approx(norm.cdf(1.5 / 2**0.5), abs=0.05)
    assert drift.certain
    assert drift.columns[0].name == "drifting"
    assert drift.columns[0].auc_drop > 0.2
    assert "valid rows differ from training rows" in str(drift)
    assert "hour" not in str(drift)


def test_rows_that_are_alike_are_not_told_apart():
    drift = table_of(600, shift=0.0).split(time="hour", valid=0.5).drift()
    assert not drift.certain
    assert drift.interval[0] < 0.5 < drift.interval[1]
    assert "look like training rows" in str(drift)


def test_the_vault_stays_closed():
    split = table_of(400, shift=3.0).split(time="hour", valid=0.2, test=0.3)
    assert split.drift("test").part == "test"
    assert not split.vault.openings


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match="there are 35 and 5"):
        table_of(40, shift=0.0).split(time="hour", valid=5).drift()


def test_the_standard_error_is_that_of_the_paper():
    # Hanley and McNeil 1982, table II and text: AUC 0.893, 51 abnormal and 58 normal images, standard error 0.032
    assert _standard_error(0.893, 51, 58) == pytest.approx(0.032, abs=0.001)
