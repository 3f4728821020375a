import json

import numpy as np
import polars as pl
import pytest

from longspan.cli import app
from longspan.cli.split_by import split_columns
from longspan.errors import ConfigError


def test_one_column_or_two():
    assert split_columns(None) == {}
    assert split_columns("time:date, local") == {"time": "date, local"}
    assert split_columns("time:a:b,group:c,d") == {"time": "a:b", "group": "c,d"}


@pytest.mark.parametrize("words", ["date", "time:", "when:date", "time:a,time:b", "time:a,column:b"])
def test_what_cannot_be_read_is_refused(words):
    with pytest.raises(ConfigError, match="--split-by"):
        split_columns(words)


def test_drift_and_gap_on_the_command_line(tmp_path, capsys):
    rng = np.random.default_rng(0)
    day = np.arange(300)
    shifted = rng.normal(size=300) + 3 * (day >= 240)
    pl.DataFrame({"day": day, "shifted": shifted, "sold": rng.normal(size=300)}).write_csv(tmp_path / "sales.csv")
    app(
        ["leaks", str(tmp_path / "sales.csv"), "--target", "sold", "--split-by", "time:day", "--gap", "10", "--drift",
         "--json"],
        standalone_mode=False,
    )  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert told["split"]["left_out"] == 9
    assert told["drift"]["valid"]["auc"] > 0.95
    assert list(told["drift"]["valid"]["columns"]) == ["shifted"]
