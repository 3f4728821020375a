"""Pages of the systems: every measured number comes from a file under benchmarks/results/."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from longspan.systems import SYSTEMS

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path for path in sorted((ROOT / "docs" / "systems").glob("*.md"))}
SCRIPT = ROOT / "benchmarks" / "pages.py"
pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="the benchmarks are not here")
each_page = pytest.mark.parametrize("name", PAGES)
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
MEASURED = re.compile(r"<!-- measured: .+? -->\n(.*?)<!-- end -->", re.DOTALL)
SETTINGS = re.compile(r"<!-- settings -->\n(?:^\|.*\n)+", re.MULTILINE)


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("pages", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(text):
    """A page without its marked tables and its code."""
    for pattern in (MEASURED, SETTINGS, re.compile(r"```.*?```", re.DOTALL), re.compile(r"`[^`]*`")):
        text = pattern.sub("", text)
    return text


def test_every_system_has_a_page_and_every_page_a_system():
    assert set(PAGES) == set(SYSTEMS) - {"quickstart"}  # the quickstart is a small read-numbers, and on its page


@each_page
def test_tables_are_those_of_the_results(name, pages):
    text = PAGES[name].read_text("utf-8")
    assert MEASURED.search(text), "a page says what was measured, or how to measure it"
    assert pages.rendered(text) == text, "run python benchmarks/pages.py"


@each_page
def test_a_table_without_a_source_has_no_place(name):
    assert not TABLE.findall(prose(PAGES[name].read_text("utf-8")))


@each_page
def test_metrics_in_prose_stand_in_a_table_above_or_below(name):
    text = PAGES[name].read_text("utf-8")
    allowed = {"99.38", "95"}  # the book's accuracy; the level of intervals
    numbers = re.compile(r"(?<![\w.])(\d+\.\d+|\d+(?= ?%))(?![\w.]*\d)")
    measured = set(re.findall(r"\d[\d,.]*", " ".join(MEASURED.findall(text)))) | allowed
    settings = re.compile(r"\((?:[^()]*)\)|(?:weight decay|smoothing|IoU of|fastai|per step|norm|alpha) *[\d.]+")
    found = [each for each in numbers.findall(settings.sub("", prose(text))) if each not in measured]
    assert not found, f"{found}: from which results?"


def test_a_changed_number_is_found(pages):
    text = PAGES["cats-or-dogs"].read_text("utf-8")
    assert pages.rendered(text.replace("0.034", "0.012")) == text


def test_a_recorded_run_takes_the_place_of_the_sentence(pages, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    assert pages.system_runs("lanes").startswith("Not measured in this version.")
    result = {
        "system": "lanes", "seed": 3, "metrics": {"iou": 0.8765}, "seconds": {"train": 90.0}, "options": {},
        "environment": {"processor": "P", "threads": 1, "device": "cpu"},
    }  # fmt: skip
    (tmp_path / "result.json").write_text(json.dumps(result))
    for _ in range(2):
        pages.record(tmp_path, "longspan run lanes")
    assert len(json.loads((tmp_path / "systems" / "lanes.json").read_text())["runs"]) == 1
    table = pages.system_runs("lanes")
    assert "| `longspan run lanes`, seed 3 |" in table
    assert "| iou | 0.876 |" in table or "| iou | 0.877 |" in table
    assert "| minutes of training | 1.5 |" in table
    pages.record(tmp_path, "longspan run lanes --model fcn8s --out runs/lanes")
    table = pages.system_runs("lanes")
    assert table.startswith("| `longspan run lanes` with | its defaults, seed 3 | `--model fcn8s`, seed 3 |")


def test_a_recorded_study_shows_its_curves_and_its_finding(pages, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    points = [
        {"size": 1000, "mean": 0.25, "low": 0.125, "high": 0.5},
        {"size": 3000, "mean": 0.2, "low": 0.1, "high": 0.3},
    ]
    curves = {"in stages": {"points": points}, "end to end": {"points": points[1:]}}
    target = {"curves": curves, "advice": ["In stages errs less."]}
    result = {
        "system": "drive", "seed": 0, "metrics": {"iou": 0.5}, "seconds": {"train": 90.0}, "options": {},
        "environment": {"processor": "P", "threads": 1, "device": "cpu"},
        "study": {"measures": {"steer": "faults per km"}, "targets": {"steer": target}},
    }  # fmt: skip
    (tmp_path / "result.json").write_text(json.dumps(result))
    pages.record(tmp_path, "longspan run drive")
    shown = pages.system_runs("drive")
    assert "| faults per km (95 %), by training rows | 1,000 | 3,000 |" in shown
    assert "| in stages | 0.25 (0.125 to 0.5) | 0.2 (0.1 to 0.3) |" in shown
    assert "| end to end |  | 0.2 (0.1 to 0.3) |" in shown
    assert shown.rstrip().endswith("- In stages errs less.")
    assert pages._point({"mean": 0.5, "low": None, "high": None}) == "0.5"  # a single seed


def test_results_say_how_they_were_made():
    for path in (ROOT / "benchmarks" / "results").rglob("*.json"):
        text = path.read_text("utf-8")
        named = path.name in (ROOT / "benchmarks" / "README.md").read_text("utf-8") or path.parent.name == "systems"
        assert named, f"{path.name}: which command makes it?"
        assert '"torch":' in text or path.name == "detection_step.json", f"{path.name} names no versions"
