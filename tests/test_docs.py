"""What the documentation shows is what happens: doctests of every module, and the code of README and guides."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path

import pytest

import longspan

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = [m.name for m in pkgutil.walk_packages(longspan.__path__, "longspan.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example may write a file
    module = importlib.import_module(name)
    failures, _ = doctest.testmod(module, extraglobs={"ls": longspan}, optionflags=doctest.ELLIPSIS)
    assert failures == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_of_a_page_runs_and_prints_what_it_says(page, tmp_path, monkeypatch):
    """Python blocks of a page run in order in one namespace; a text block after one must be what it printed."""
    monkeypatch.chdir(tmp_path)
    namespace, printed = {"__name__": "page"}, ""
    blocks = re.findall(r"^```(\w+)([^\n]*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    after_code = False
    for language, note, code in blocks:
        if language == "python" and "no-run" not in note:
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, f"{page.name}", "exec"), namespace)
            printed, after_code = output.getvalue(), True
        else:
            if language == "text" and after_code:
                assert printed.strip() == code.strip(), f"{page.name} says otherwise"
            after_code = False
