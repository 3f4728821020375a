import sys
import threading
import warnings

import pytest

from longspan import registry
from longspan.columns import COLUMNS
from longspan.datasets import DATASETS
from longspan.errors import ConfigError, UnknownNameError
from longspan.heads import HEADS
from longspan.models import MODELS
from longspan.registry import Registry, plugin_names
from longspan.systems import SYSTEMS

REGISTRIES = {"columns": COLUMNS, "heads": HEADS, "models": MODELS, "data sets": DATASETS, "systems": SYSTEMS}


@pytest.fixture
def kinds():
    return Registry[type]("kind", name_of=lambda value: getattr(value, "kind", None), old_names={"hue": "colour"})


class Colour:
    """A colour in sRGB.

    More about it.
    """

    kind = "colour"


class Size:
    """How large it is"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a module and the metadata of an installed package that announces it; gives a function that does."""

    def write(code, module="made_up_plugin", name="made-up"):
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[longspan.plugins]\n{name} = {module}\n")

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_loaded", set())
    yield write
    for module in [name for name in sys.modules if name.startswith("made_up_plugin")]:
        del sys.modules[module]


def test_names_keep_the_order_in_which_they_were_registered(kinds):
    kinds.register("size")(Size)
    assert kinds.register()(Colour) is Colour
    assert list(kinds) == ["size", "colour"]
    assert (len(kinds), "size" in kinds, "weight" in kinds, kinds["size"]) == (2, True, False, Size)
    assert kinds.get("weight") is None


def test_an_entry_knows_what_lists_and_help_show(kinds):
    kinds.register()(Colour)
    kinds.register("size", usage="size[:UNIT]", summary="How much room it takes")(Size)
    assert [(each.name, each.usage, each.summary) for each in kinds.entries()] == [
        ("colour", "colour", "A colour in sRGB"),
        ("size", "size[:UNIT]", "How much room it takes"),
    ]


def test_the_nearest_name_is_offered(kinds):
    kinds.register()(Colour)
    with pytest.raises(UnknownNameError, match=r"There is no kind 'color'\. Did you mean 'colour'"):
        kinds.find("color")
    with pytest.raises(KeyError):
        kinds["color"]


def test_old_names_warn_except_in_files(kinds):
    kinds.register()(Colour)
    with pytest.warns(FutureWarning, match="The kind 'hue' is now called 'colour'") as caught:
        assert kinds.find("hue") is Colour
    assert caught[0].filename == __file__
    assert kinds.find("hue", in_file=True) is Colour
    with pytest.raises(ConfigError, match="'hue' is the old name of the kind 'colour'"):
        kinds.register("hue")(Size)


def test_a_name_belongs_to_one(kinds):
    kinds.register()(Colour)
    kinds.register()(Colour)
    with pytest.raises(ConfigError, match="already a kind called 'colour'"):
        kinds.register("colour")(Size)
    with pytest.raises(ConfigError, match="calls itself 'colour' and is registered as 'tint'"):
        kinds.register("tint")(Colour)
    with pytest.raises(ConfigError, match="needs a name"):
        kinds.register()(Size)
    kinds.unregister("colour")
    assert "colour" not in kinds


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_entry_of_longspans_own_says_what_it_is(name):
    for entry in REGISTRIES[name].entries():
        assert entry.summary, entry
        assert "\n" not in entry.summary
        assert entry.usage.startswith(entry.name)


def test_a_plugin_is_imported_on_the_first_miss(kinds, plugin):
    plugin("from longspan.columns import COLUMNS\nCOLUMNS.register('made-up')(type('M', (), {'kind': 'made-up'}))")
    kinds.register()(Colour)
    assert kinds.find("colour") is Colour
    assert "made_up_plugin" not in sys.modules
    assert plugin_names() == ["made-up"]
    try:
        assert COLUMNS.find("made-up").kind == "made-up"
    finally:
        COLUMNS.unregister("made-up")


def test_a_plugin_is_imported_on_the_first_listing(plugin):
    plugin("from longspan.columns import COLUMNS\nCOLUMNS.register('made-up')(type('M', (), {'kind': 'made-up'}))")
    try:
        assert list(COLUMNS)[-1] == "made-up"
    finally:
        COLUMNS.unregister("made-up")


def test_a_plugin_may_list_a_registry_while_it_is_imported(plugin):
    plugin("from longspan.columns import COLUMNS\nNAMES = list(COLUMNS)")
    list(COLUMNS)
    assert "image" in sys.modules["made_up_plugin"].NAMES


def test_a_faulty_plugin_is_left_out_and_named(plugin):
    plugin("raise ValueError('no such thing')", name="faulty")
    plugin("GOOD = True", module="made_up_plugin_2")
    with pytest.warns(RuntimeWarning, match=r"plug-in 'faulty' of the package faulty .* ValueError: no such thing"):
        assert "image" in list(COLUMNS)
    assert "made_up_plugin_2" in sys.modules
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "image" in list(COLUMNS), "it is tried once"


def test_threads_wait_for_plugins_that_another_one_imports(plugin):
    plugin(
        "import time\ntime.sleep(0.3)\nfrom longspan.columns import COLUMNS\n"
        "COLUMNS.register('made-up')(type('M', (), {'kind': 'made-up'}))"
    )
    found = []
    threads = [threading.Thread(target=lambda: found.append("made-up" in COLUMNS)) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [True] * 4
    finally:
        COLUMNS.unregister("made-up")
