"""Some hundreds of the damaged inputs of `benchmarks/damaged.py`: every one a named error or a correct result."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "damaged.py"
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and its peak are read from /proc"),
    pytest.mark.skipif(not BENCHMARK.is_file(), reason="the benchmarks are not here"),
]


def run(*options):
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("{"), done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_slice_of_every_kind_ends_in_a_named_error_or_a_correct_result():
    result = run("--inputs", "160", "--programs", "0", "--seed", "1")
    assert result["fault_list"] == []
    assert result["inputs"] == 160
    assert all(kind.get("refused") for kind in result["by_kind"].values()), "damage that nothing refuses is no damage"


@pytest.mark.slow
def test_damaged_inputs_on_the_command_line_end_in_words():
    result = run("--inputs", "0", "--programs", "12", "--seed", "1")
    assert result["fault_list"] == []
    assert result["command_lines"] == 12
