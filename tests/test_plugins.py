"""A package outside longspan adds a column, a head, a network, a data set and a system; all of it is used as built in.

The package is `tests/plugin_example`, laid out as `pip` would install it: its folder on the path, and the metadata of
its entry point. Everything runs in other processes, which know nothing but the path.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "plugin_example"
SERVER = """
import contextlib, io, json, os, sys, traceback
for line in sys.stdin:
    folder, code = json.loads(line)
    os.chdir(folder)
    printed, error = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, {"__name__": "step"})
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps([printed.getvalue(), error]), flush=True)
"""
"""Runs one piece of code after another: importing PyTorch anew for each would take longer than all of them."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Environment in which the package is installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "longspan_compass").symlink_to(EXAMPLE / "longspan_compass", target_is_directory=True)
    info = site / "longspan_compass-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: longspan-compass\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[longspan.plugins]\ncompass = longspan_compass\n")
    path = [str(site), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


@pytest.fixture(scope="module")
def run(installed):
    """Runs code in a folder, in a process that has the package; gives what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], env=installed, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip

    def step(code, folder):
        process.stdin.write(json.dumps([str(folder), code]) + "\n")
        process.stdin.flush()
        printed, error = json.loads(process.stdout.readline())
        assert not error, error
        return printed

    yield step
    process.communicate()


@pytest.fixture(scope="module")
def longspan(run):
    """Runs commands of the command line, one after another; gives what they printed."""

    def commands(*commands, folder):
        code = f"from longspan.cli import app\nfor words in {commands!r}:\n    app(words, standalone_mode=False)"
        return run(code, folder)

    return commands


@pytest.fixture(scope="module")
def trained(run, longspan, tmp_path_factory):
    """A folder with images in files, a table of them, and a model that the command line trained on that table."""
    folder = tmp_path_factory.mktemp("trained")
    code = (
        "import numpy as np, longspan as ls\n"
        "from PIL import Image\n"
        "table = ls.datasets.load('needles')\n"
        "lines = ['file,bearing']\n"
        "for row in range(len(table)):\n"
        "    Image.fromarray(table.value(row, 'image')[..., 0]).save(f'{row:03}.png')\n"
        "    lines.append(f'{row:03}.png,{table.value(row, \"angle\")}')\n"
        "open('needles.csv', 'w').write('\\n'.join(lines))\n"
    )
    run(code, folder)
    told = longspan(
        ["train", "needles.csv", "--image", "file", "--column", "bearing=angle", "--target", "bearing", "--model",
         "compass_net", "--epochs", "15", "--batch-size", "16", "--out", "compass.safetensors"],
        folder=folder,
    )  # fmt: skip
    assert "bearing: angle" in told
    assert "compass_net" in told
    return folder


def test_python_finds_all_of_it_by_name(run, tmp_path):
    code = (
        "import longspan as ls\n"
        "from longspan.columns import COLUMNS\n"
        "from longspan.heads import HEADS\n"
        "table = ls.datasets.load('needles')\n"
        "task = ls.Task(table.split(valid=0.2, seed=0), inputs='image', targets='angle', move_leaks=True)\n"
        "learner = ls.Learner(task, 'compass_net', progress=False)\n"
        "learner.fit(8, 3e-3)\n"
        "print(learner.evaluate()['degrees'], list(COLUMNS)[-1], list(HEADS)[-1])\n"
    )
    degrees, column, head = run(code, tmp_path).split()
    assert float(degrees) < 45, "chance is 90"
    assert (column, head) == ("angle", "regress_angle")


def test_the_lists_of_the_command_line_name_it(longspan, tmp_path):
    told = longspan(
        ["models", "--filter", "compass"], ["datasets"], ["datasets", "needles"], ["systems"],
        ["run", "find-north", "--help"],
        folder=tmp_path,
    )  # fmt: skip
    for words in ("compass_net", "Compass needles", "image -> angle", "the angle of a compass needle", "--epochs N"):
        assert words in told


def test_the_command_line_trains_on_its_column_and_predicts(longspan, trained):
    told = longspan(["predict", "compass.safetensors", "000.png", "001.png", "--json"], folder=trained)
    truth = [float(line.split(",")[1]) for line in (trained / "needles.csv").read_text().splitlines()[1:3]]
    off = [abs((one["bearing"] - other + 180) % 360 - 180) for one, other in zip(json.loads(told), truth, strict=True)]
    assert max(off) < 60
    told = longspan(["evaluate", "compass.safetensors", "needles.csv", "--json"], folder=trained)
    assert json.loads(told)["parts"]["valid"]["degrees"] < 45, "chance is 90"


def test_the_command_line_trains_on_its_data_set_and_runs_its_system(longspan, tmp_path):
    longspan(
        ["train", "needles", "--epochs", "1", "--model", "compass_net"],
        ["run", "find-north", "--epochs", "2", "--out", "north"],
        folder=tmp_path,
    )
    assert (tmp_path / "model.safetensors").is_file()
    result = json.loads((tmp_path / "north/result.json").read_text())
    assert (result["system"], result["options"]) == ("find-north", {"epochs": 2})


def test_a_model_file_loads_in_a_new_process_and_without_the_package_says_what_is_missing(installed, trained):
    code = "import longspan as ls; print(ls.load('compass.safetensors').predict('000.png').to_json()['bearing'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=installed, cwd=trained, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 0 <= float(done.stdout) <= 360
    bare = {**installed, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(
        [sys.executable, "-m", "longspan", "predict", "compass.safetensors", "000.png"],
        env=bare, cwd=trained, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "'compass_net'" in done.stderr or "'angle'" in done.stderr or "'regress_angle'" in done.stderr


def test_the_example_is_what_an_installer_reads():
    import tomllib

    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["longspan.plugins"] == {"compass": "longspan_compass"}
