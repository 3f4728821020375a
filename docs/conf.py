"""Settings of the documentation site; `python docs/build.py` builds it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from api_pages import write_api_pages  # noqa: E402

from longspan.version import __version__  # noqa: E402

project = "longspan"
author = "The longspan team"
project_copyright = "The longspan team"
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
write_api_pages(HERE / "api")

# Markdown: GitHub's anchors of headings.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "dollarmath"]

# Notebooks are text without outputs, and run when the site is built.
nb_execution_mode = "force"
nb_execution_timeout = 180
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_in_temp = True
nb_merge_streams = True
suppress_warnings = ["myst-nb.lexer"]  # of notebooks that are not run: --no-notebooks

# Docstrings: Google's style, `code` between single backticks.
default_role = "code"
autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "exclude-members": "__weakref__, __new__, __init__, __post_init__"}
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries = False
add_module_names = False

html_theme = "furo"
html_title = "longspan"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#8ab8ec", "color-brand-content": "#8ab8ec"},
}
pygments_style = "default"
pygments_dark_style = "github-dark"


def setup(app: Any) -> None:
    """Connect what the settings cannot say."""
    app.connect("autodoc-process-docstring", _no_type_before_colon, priority=100)


def _no_type_before_colon(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon in the docstring of a field for its type; ours are sentences."""
    del app, name, obj, options
    if what in ("attribute", "property", "data") and lines and ":" in lines[0]:
        lines[0] = f": {lines[0]}"
