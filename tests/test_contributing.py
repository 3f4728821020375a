"""The table of CONTRIBUTING: what somebody writes to add a column, a head, a network, a data set or a system."""

import inspect
import re
from pathlib import Path

import pytest

import longspan
from longspan.columns import COLUMNS
from longspan.datasets import DATASETS
from longspan.heads import HEADS
from longspan.models.entries import MODELS
from longspan.systems import SYSTEMS

ROOT = Path(__file__).parents[1]
SOURCE = Path(longspan.__file__).parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8") if (ROOT / "CONTRIBUTING.md").is_file() else ""
ROWS = dict(
    re.findall(
        r"^\| (column|head|model|named data set|system) \| .* \| `([\w/{},]+(?:__init__|registry)\.py)`", TEXT, re.M
    )
)
pytestmark = pytest.mark.skipif(not TEXT, reason="CONTRIBUTING.md is not here")


def files_of(kind):
    """The files of the entries that longspan brings."""
    found = {
        "column": COLUMNS.values(),
        "head": HEADS.values(),
        "model": [each.build for each in MODELS.values() if not each.published and inspect.isclass(each.build)],
        "system": [each.options for each in SYSTEMS.values()],
    }[kind]
    return sorted({Path(inspect.getfile(each)) for each in found if each.__module__.startswith("longspan.")})


def mentions(word):
    """Files of the package in which a name stands."""
    found = [path for path in SOURCE.rglob("*.py") if re.search(rf"\b{word}\b", path.read_text("utf-8"))]
    return {path.relative_to(SOURCE).as_posix() for path in found}


def test_the_table_names_a_file_for_every_kind():
    assert set(ROWS) == {"column", "head", "model", "named data set", "system"}


@pytest.mark.parametrize("kind", ["column", "head", "model", "system"])
def test_every_entry_is_a_file_of_its_own_with_a_test_and_a_line(kind):
    files = files_of(kind)
    assert len(files) >= 6
    room = ROWS[kind].partition("/")[0]
    lists = (path for name in ("__init__.py", "registry.py") for path in (SOURCE / room).rglob(name))
    lines = "".join(path.read_text("utf-8") for path in lists)
    tests = [path.read_text("utf-8") for path in (ROOT / "tests").rglob(f"{room}/**/test_*.py")]
    for path in files:
        assert path.relative_to(SOURCE).parts[0] == room
        assert re.search(rf"^from [\w.]+\.{path.stem} import ", lines, re.M), f"no line for {path.name}"
        names = (path.stem, path.stem.replace("_", "-"))
        own = list((ROOT / "tests" / room).rglob(f"test_{path.stem}.py"))
        assert own or any(name in text for name in names for text in tests), f"no test of {path.name}"


def test_every_data_set_is_tested_and_every_system_has_a_page():
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    small = {name: data.small or name for name, data in DATASETS.items()}
    assert [name for name in DATASETS if f'"{name}"' not in tests and f'"{small[name]}"' not in tests] == []
    pages = {path.stem for path in (ROOT / "docs/systems").glob("*.md")} | {"quickstart"}  # on that of read-numbers
    assert set(SYSTEMS) <= pages


@pytest.mark.parametrize(
    ("kind", "name", "file"),
    [
        ("column", "Keypoints", "columns/keypoints.py"),
        ("head", "HeatMaps", "heads/heat_maps.py"),
        ("model", "QuartzNet", "models/audio/quartznet.py"),
        ("named data set", "FLICKR8K", "datasets/captions.py"),
        ("system", "MOVIE_REVIEWS", "systems/movie_reviews.py"),
    ],
)
def test_no_other_file_knows_an_entry(kind, name, file):
    """But for systems, heads, which say what columns they read, and readers of such columns."""
    line = re.sub(r"\{[\w,]+\}", "audio", ROWS[kind])
    users = {"column": ("heads/", "data/annotations/", "datasets/", "systems/"), "head": ("systems/",)}.get(kind, ())
    others = {each for each in mentions(name) if not each.startswith(users)}
    assert others <= {file, line}
