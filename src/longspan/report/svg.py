"""A matplotlib figure as SVG that can stand in a page: small, with ids of its own, in the page's colours and font."""

from __future__ import annotations

import html
import io
import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["inline_svg"]

_REFERENCE = re.compile(r'(?:href="#|url\(#)([^")]+)')
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_STYLE = re.compile(r'style="[^"]*"')


def inline_svg(figure: Figure, *, prefix: str, label: str) -> str:
    """The `<svg>` element of `figure`, to be placed in HTML.

    Text stays text (it can be selected and searched, and takes the page's font). The colours of
    `longspan.report.canvas` become the page's variables, so one figure serves light and dark pages; others stay.

    Args:
        figure: drawn as it is, on a transparent ground; it is left unchanged.
        prefix: put before each id, so that no two figures of a page share one.
        label: what the figure shows, for readers who do not see it.
    """
    import matplotlib as mpl

    from longspan.report.canvas import COLOURS, FAINT, GRID, INK, ON_COLOUR

    buffer = io.StringIO()
    # A fixed salt and no date: the same figure gives the same bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "longspan"}), warnings.catch_warnings():
        # The browser draws the text, so a glyph that matplotlib's own font lacks does not matter.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, count=1, flags=re.DOTALL)
    # matplotlib's style rule is for `*` and would reach the whole page; the page's own style sheet has it for figures.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, count=1, flags=re.DOTALL)

    used = set(_REFERENCE.findall(text))
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", text)
    text = _REFERENCE.sub(lambda found: found[0].replace("#" + found[1], "#" + prefix + found[1]), text)

    names = {colour: f"var(--series-{place + 1})" for place, colour in enumerate(COLOURS)}
    names |= {
        INK: "var(--figure-ink)",
        FAINT: "var(--figure-faint)",
        GRID: "var(--figure-grid)",
        ON_COLOUR: "var(--figure-on)",
    }
    text = _STYLE.sub(lambda found: _COLOUR.sub(lambda each: names.get(each[0], each[0]), found[0]), text)

    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    width = f"{float(box[1]):.0f}px" if box else "100%"
    head = f'<svg role="img" aria-label="{html.escape(label)}" style="max-width: {width}"'
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    text = re.sub(r' version="1.1"| xmlns(?::xlink)?="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    return re.sub(r"\n\s*", "\n", text.replace("<svg", head, 1))
