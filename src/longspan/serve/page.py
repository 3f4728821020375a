"""The web page of a model: one file of HTML, one of style, one of script, all from this server."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["PAGE_SCRIPT", "PAGE_SHEET", "page_of"]

_FOLDER = Path(__file__).parent
PAGE_SHEET = (_FOLDER / "page.css").read_text(encoding="utf-8")
PAGE_SCRIPT = (_FOLDER / "page.js").read_text(encoding="utf-8")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
</head>
<body data-model="{model}">
<header><h1>{name}</h1><p>predicts {predicts}</p>{others}</header>
<main>
<form id="form" autocomplete="off">
{fields}
<button type="submit">Predict</button>
</form>
<section id="result" aria-live="polite"></section>
</main>
<footer>longspan · nothing that you send is stored</footer>
<script src="/page.js"></script>
</body>
</html>
"""


def page_of(described: Mapping[str, Any], names: Sequence[str]) -> str:
    """The page of a model.

    Args:
        described: `ServedModel.describe()`.
        names: Of all models that are served.
    """
    name = str(described["name"])
    links = [f'<a href="/m/{html.escape(each)}">{html.escape(each)}</a>' for each in names if each != name]
    others = f"<nav>also here: {', '.join(links)}</nav>" if links else ""
    return _PAGE.format(
        title=html.escape(f"{name} · longspan"),
        model=html.escape(json.dumps(described), quote=True),
        name=html.escape(name),
        predicts=html.escape(", ".join(map(str, described["predicts"]))),
        others=others,
        fields="\n".join(_field(field) for field in described["fields"]),
    )


def _field(field: Mapping[str, Any]) -> str:
    """The control of one value."""
    name, kind = html.escape(str(field["name"]), quote=True), field["kind"]
    if kind == "image":
        return (
            f'<label class="drop" data-kind="image">Drop a photo here, or choose one<input type="file" name="{name}" '
            'accept="image/*" required><img alt="" hidden></label>'
        )
    if kind == "audio":
        return (
            '<label class="drop" data-kind="audio">Drop a recording here, or choose one'
            f'<input type="file" name="{name}" accept="audio/*,.wav,.flac,.ogg,.mp3" required>'
            "<audio controls hidden></audio></label>"
            '<button type="button" class="record">Record</button>'
        )
    if kind == "text":
        return f'<label>{name}<textarea name="{name}" rows="5" required></textarea></label>'
    if kind == "category" and field["values"]:
        options = "".join(f"<option>{html.escape(str(value))}</option>" for value in field["values"])
        return f'<label>{name}<select name="{name}"><option value="">unknown</option>{options}</select></label>'
    if kind == "number":
        example = "" if field["example"] is None else f' value="{html.escape(format(field["example"], "g"))}"'
        return f'<label>{name}<input name="{name}" inputmode="decimal" data-kind="number"{example}></label>'
    return f'<label>{name}<input name="{name}"></label>'
