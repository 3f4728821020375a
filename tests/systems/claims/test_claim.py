"""What makes a verdict, and what a system of claims writes; the page of all claims."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from longspan.errors import ConfigError
from longspan.systems import SystemRun
from longspan.systems.claims.claim import Claim, Claims, Quantity, check_seeds, finish_claims, seeds_of

ROOT = Path(__file__).parents[3]


def test_the_interval_is_that_of_a_t_test():
    values = (0.31, 0.42, 0.35, 0.38)
    expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert Quantity("x", values).interval == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "bound", "above", "below"),
    [
        ((0.9, 1.0, 1.1), 0.5, "reproduced", "refuted"),
        ((0.9, 1.0, 1.1), 1.5, "refuted", "reproduced"),
        ((0.9, 1.0, 1.1), 1.1, "open", "open"),
        ((1.0, 1.0, 1.0), 1.0, "open", "open"),  # on the bound itself: neither side
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(values, bound, above, below):
    quantity = Quantity("x", values)
    assert Claim(says="s", quantity=quantity, side="above", bound=bound).verdict == above
    assert Claim(says="s", quantity=quantity, side="below", bound=bound).verdict == below


def test_too_few_seeds_are_refused():
    with pytest.raises(ConfigError, match="--seeds must be at least 3, got 2"):
        check_seeds(2)


def test_runs_of_other_seeds_share_none(tmp_path):
    runs = [seeds_of(SystemRun("x", tmp_path, seed=seed), 5) for seed in range(3)]
    assert len({each for run in runs for each in run}) == 15


def test_the_result_holds_claims_rules_and_all_values(tmp_path, capsys):
    claims = Claims()
    claims.above("B is better", "gap", [0.1, 0.2, 0.15])
    claims.measured("error of A", [0.5, 0.6, 0.55])
    finish_claims(SystemRun("claim-x", tmp_path), claims, started=0.0, options={"seeds": 3}, subtitle="Is B better?")
    result = json.loads((tmp_path / "result.json").read_text())
    [claim] = result["claims"]
    assert (claim["claim"], claim["side"], claim["bound"], claim["verdict"]) == (
        "B is better",
        "above",
        0,
        "reproduced",
    )
    assert claim["quantity"]["values"] == [0.1, 0.2, 0.15]
    assert result["quantities"][0]["values"] == [0.5, 0.6, 0.55]
    assert result["metrics"]["claims reproduced"] == 1
    assert result["metrics"]["gap, low"] == pytest.approx(0.15 - 4.3027 * 0.05 / 3**0.5, abs=1e-4)
    assert "reproduced: B is better" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert "B is better" in page
    assert "above 0.000" in page


@pytest.fixture(scope="module")
def pages():
    script = ROOT / "benchmarks" / "pages.py"
    if not script.is_file():
        pytest.skip("the benchmarks are not here")
    spec = importlib.util.spec_from_file_location("pages", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_claims_is_made_from_the_results(pages):
    text = (ROOT / "docs" / "claims.md").read_text("utf-8")
    assert pages.rendered(text) == text, "run python benchmarks/pages.py"
    assert pages.rendered(text.replace("| **refuted** |", "| **reproduced** |")) == text


def test_a_recorded_run_of_claims_shows_rule_and_verdict(pages, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    claims = Claims()
    claims.below("A is small", "size", [1200.0, 1300.0, 1400.0], 5000.0)
    claims.measured("other", [0.1, 0.2, 0.3])
    finish_claims(SystemRun("claim-x", tmp_path, quiet=True), claims, started=0.0, options={}, subtitle="?")
    pages.record(tmp_path, "longspan run claim-x")
    table = pages.system_runs("claim-x")
    assert "| A is small | size: 1,300 (1,052 to 1,548) | below 5,000 | **reproduced** |" in table
    assert "| other | 0.200 | -0.048 to 0.448 |" in table
