"""Some hundreds of the damaged inputs of `benchmarks/damaged.py`: every one a named error or a correct result."""

import argparse
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and its peak are read from /proc"),
    pytest.mark.skipif(not (BENCHMARKS / "damaged.py").is_file(), reason="the benchmarks are not here"),
]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """The benchmark with these options; inputs are read in a process of their own, as it does it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import damaged
    from damage.corpus import make_corpus
    from damage.kinds import Cases

    def measure(**options):
        options = argparse.Namespace(kinds="files,settings", seed=1, **options)
        return damaged.measure(Cases(make_corpus(), options.seed), options, tmp_path)

    return measure


def test_some_inputs_end_in_a_named_error_or_a_correct_result(monkeypatch, tmp_path):
    """Read in this process, whose start is most of the time that another one takes."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import damaged
    from damage.corpus import make_corpus
    from damage.kinds import Cases

    cases = Cases(make_corpus(), 1)
    kinds = damaged._kinds("files,settings")
    outcomes = [damaged.read_case(cases, kind, number, tmp_path) for kind, number in damaged._plan(kinds, 60)]
    assert [each for each in outcomes if each.ended not in ("read", "refused")] == []
    assert len(outcomes) == 60
    assert sum(each.ended == "refused" for each in outcomes) > 20


@pytest.mark.slow
def test_a_slice_of_every_kind_ends_in_a_named_error_or_a_correct_result(run):
    result = run(inputs=400, programs=0)
    assert result["fault_list"] == []
    assert result["inputs"] == 400
    assert all(kind.get("refused") for kind in result["by_kind"].values()), "damage that nothing refuses is no damage"


@pytest.mark.slow
def test_damaged_inputs_on_the_command_line_end_in_words(run):
    result = run(inputs=0, programs=12)
    assert result["fault_list"] == []
    assert result["command_lines"] == 12
