"""The checks that `docs/build.py` makes of the site, the pages of the reference, and the lists of pages."""

import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from longspan.version import __version__

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
pytestmark = pytest.mark.skipif(not (DOCS / "build.py").is_file(), reason="the site's sources are not here")


def script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(tmp_path):
    """Two pages without a fault."""
    (tmp_path / "guides").mkdir()
    (tmp_path / "style.css").write_text("p {}")
    (tmp_path / "dot.png").write_bytes(b"x" * 500)
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="style.css"><a href="guides/one.html#top">one</a> <a href="https://a.org/b">b</a>'
        '<h1 id="here">x</h1><a href="#here">y</a> <a href="guides/">dir</a>'
    )
    (tmp_path / "guides" / "index.html").write_text("x")
    (tmp_path / "guides" / "one.html").write_text('<h1 id="top">One</h1><img src="../dot.png">')
    return tmp_path


def test_a_site_without_a_fault(site):
    assert script("build").faults_of(site) == []


@pytest.mark.parametrize(
    ("markup", "fault"),
    [
        ('<a href="gone.html">x</a>', "index.html: gone.html leads to no file"),
        ('<a href="guides/one.html#bottom">x</a>', "index.html: guides/one.html#bottom leads to no anchor"),
        ('<a href="#there">x</a>', "index.html: #there leads to no anchor"),
        ('<img src="gone.png">', "index.html: gone.png leads to no file"),
        ('<script src="https://cdn.org/a.js"></script>', "index.html: loads https://cdn.org/a.js from another host"),
    ],
)
def test_a_fault_is_named(markup, fault, site):
    page = site / "index.html"
    page.write_text(page.read_text() + markup)
    assert script("build").faults_of(site) == [fault]


def test_a_page_weighs_what_it_loads(site):
    build = script("build")
    page, image = site / "guides" / "one.html", site / "dot.png"
    assert build.page_weights(site)["guides/one.html"] == page.stat().st_size + 500
    image.write_bytes(b"x" * build.HEAVIEST)
    (fault,) = build.faults_of(site)
    assert fault.startswith("guides/one.html: weighs 1,000,0")


def test_the_reference_has_every_public_name_once(tmp_path):
    pages = script("api_pages")
    pages.write_api_pages(tmp_path)
    text = "".join(path.read_text("utf-8") for path in tmp_path.glob("*.rst"))
    described = re.findall(r"^\.\. auto\w+:: longspan\.\w+\.(\w+)$", text, re.MULTILINE)
    referred = set(re.findall(r"<longspan\.\w+\.(\w+)>", text))
    for room in pages.ROOMS:
        for name in importlib.import_module(f"longspan.{room}").__all__:
            if name.islower() and importlib.util.find_spec(f"longspan.{room}.{name}") is not None:
                continue  # a room inside
            assert name in described or name in referred, f"{room}.{name}"
    assert referred <= set(described)


def test_pages_of_rooms_that_are_gone_go(tmp_path):
    (tmp_path / "attic.rst").write_text("x")
    script("api_pages").write_api_pages(tmp_path)
    assert not (tmp_path / "attic.rst").exists()


@pytest.mark.parametrize("room", ["guides", "systems", "notebooks"])
def test_lists_of_pages_are_whole(room):
    listed = re.findall(
        rf"^\| \[[^\]]+\]\({room}/([\w-]+)\.md\) \|", (DOCS / f"{room}.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(path.stem for path in (DOCS / room).glob("*.md"))
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("path", sorted((DOCS / "notebooks").glob("*.md")), ids=lambda path: path.stem)
def test_notebooks_hold_no_outputs_and_fit_the_page(path):
    text = path.read_text("utf-8")
    cells = re.findall(r"^```\{code-cell\} python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert cells
    assert "{output}" not in text
    assert max(len(line) for cell in cells for line in cell.splitlines()) <= 100


@pytest.mark.parametrize("name", ["CITATION.cff", "docs/citing.md"])
def test_the_citation_names_this_version(name):
    assert re.search(rf"version *[:=] *\{{?{re.escape(__version__)}\b", (ROOT / name).read_text("utf-8"))
