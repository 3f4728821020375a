"""A page to relabel or drop rows: one self-contained HTML file that writes a CSV and sends nothing anywhere."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.report.images import data_uri
from longspan.report.page_style import PAGE_STYLE

__all__ = ["RelabelRow", "relabel_page"]

# Scripts run, but nothing can be loaded or sent: the page works on a folder of patients' images.
_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class RelabelRow:
    """A row whose label is in doubt."""

    row: int
    """Number in its table, from 0."""
    file: str = ""
    """As the table has it; empty where there is none."""
    place: str = ""
    """Where the row stands, such as "line 7"; shown where there is no file."""
    target: str
    """Column of the label."""
    given: str
    """The label as text; several labels as a JSON list."""
    suggested: str
    """The label that it probably has, likewise."""
    note: str = ""
    """A remark, such as the probabilities of both."""
    image: np.ndarray | None = None
    """uint8, `(H, W)` or `(H, W, C)`; None without an image."""
    content: str = ""
    """What else the row holds, such as a text or a player of sound, as HTML."""


def relabel_page(
    title: str, rows: Sequence[RelabelRow], labels: Sequence[str], columns: Sequence[str], *, total: int | None = None
) -> str:
    """The page as HTML.

    Args:
        title: Heading.
        rows: In the order in which they are shown.
        labels: Every label that can be chosen.
        columns: Of the CSV file; fields of `RelabelRow`, and "action" and "label", which the person decides.
        total: How many rows are in doubt, if that is more than are shown.
    """
    shown = "" if total is None or total <= len(rows) else f" Shown are the {len(rows):,} clearest of {total:,} rows."
    values: dict[str, Any] = {
        "columns": list(columns),
        "labels": list(labels),
        "rows": [
            {
                "row": each.row, "file": each.file, "place": each.place or f"row {each.row}", "target": each.target,
                "given": each.given, "suggested": each.suggested, "note": each.note,
                "image": None if each.image is None else data_uri(each.image), "content": each.content,
                "several": each.given.startswith("[") and each.suggested.startswith("["),
            }
            for each in rows
        ],
    }  # fmt: skip
    # Inside a script only "</" could end it, and "<!--" change how it is read.
    data = json.dumps(values, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    name = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{PAGE_STYLE}{_STYLE}</style>\n</head>\n<body>\n"
        f'<div class="page"><main><header><h1>{name}</h1>\n<p class="subtitle">{_INTRODUCTION}{shown}</p></header>\n'
        '<div class="bar panel"><span id="count"></span><button id="save">Save corrections.csv</button></div>\n'
        '<div id="rows"></div></main></div>\n'
        f'<script type="application/json" id="data">{data}</script>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n'
    )


_INTRODUCTION = (
    "Decide for each row: keep its label, give it another one, or drop the row. Then save the decisions as a CSV file "
    "and pass it to <code>longspan train --relabel corrections.csv</code>. Your own files are never changed."
)

_STYLE = """
.bar { position: sticky; top: 8px; z-index: 1; display: flex; justify-content: space-between; align-items: center;
  gap: 16px; padding: 10px 16px; margin: 20px 0; }
button, select { font: inherit; padding: 5px 12px; border-radius: 8px; border: 1px solid var(--line);
  background: var(--wash); color: inherit; cursor: pointer; }
button[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: var(--sheet); }
#rows { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 16px; }
.row { padding: 14px; overflow-wrap: anywhere; }
.row img { width: 100%; max-height: 260px; object-fit: contain; background: var(--wash); border-radius: 8px; }
.row img.small { image-rendering: pixelated; }
.row .content { max-height: 260px; overflow: auto; font-size: 14px; line-height: 1.45; }
.row .content img { width: 100%; }
.row .content audio { width: 100%; margin-top: 6px; }
.row dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; margin: 0; }
.row dt { color: var(--soft); }
.row dd { margin: 0; }
.row p { margin: 8px 0; font-size: 14px; line-height: 1.4; }
.row .file { color: var(--soft); font-size: 12.5px; }
.row .choices { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.row .labels { display: flex; flex-wrap: wrap; gap: 4px 12px; margin: 8px 0; font-size: 14px; }
.row select { max-width: 100%; }
.row.drop { opacity: 0.55; }
"""

_SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const key = "longspan relabel " + location.pathname;
const rows = document.getElementById("rows");
let decided = {};
try { decided = JSON.parse(localStorage.getItem(key)) || {}; } catch { decided = {}; }
const element = (tag, parent, text, name) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  parent.append(made);
  return made;
};
const words = (text) => { try { const list = JSON.parse(text); return Array.isArray(list) ? list : [text]; }
  catch { return [text]; } };
const shown = (item, text) => item.several ? (words(text).join(", ") || "none") : text;
const remember = () => {
  try { localStorage.setItem(key, JSON.stringify(decided)); } catch { /* a private window */ }
  const count = Object.keys(decided).length;
  document.getElementById("count").textContent = `${count} of ${data.rows.length} decided`;
};
data.rows.forEach((item, place) => {
  const id = `${item.target}\\n${item.file || item.row}\\n${item.given}`;
  const card = element("div", rows, undefined, "row panel");
  if (item.image) {
    const image = element("img", card);
    image.src = item.image;
    image.alt = item.file || item.place;
    image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth <= 96));
  }
  if (item.content) element("div", card, undefined, "content").innerHTML = item.content;
  element("p", card, item.file || item.place, "file");
  const line = element("p", card);
  element("b", line, `${item.target}: ${shown(item, item.given)}`);
  line.append(` \\u2192 probably ${shown(item, item.suggested)}`);
  if (item.note) element("p", card, item.note, "file");
  const choices = element("div", card, undefined, "choices");
  const buttons = {};
  const decide = (action, label) => {
    if (action === null) delete decided[id]; else decided[id] = { action, label };
    remember(); draw();
  };
  for (const [action, text] of [["keep", "Keep"], ["suggested", `Relabel: ${shown(item, item.suggested)}`],
                                ["drop", "Drop"]]) {
    buttons[action] = element("button", choices, text);
    buttons[action].addEventListener("click", () => {
      if (buttons[action].getAttribute("aria-pressed") === "true") decide(null);
      else if (action === "suggested") decide("relabel", item.suggested);
      else decide(action, "");
    });
  }
  let select = null;
  const boxes = [];
  if (item.several) {
    const list = element("div", card, undefined, "labels");
    for (const label of data.labels) {
      const outer = element("label", list);
      const box = element("input", outer);
      box.type = "checkbox";
      outer.append(" " + label);
      boxes.push([box, label]);
      box.addEventListener("change", () =>
        decide("relabel", JSON.stringify(boxes.filter(([each]) => each.checked).map(([, name]) => name))));
    }
  } else {
    select = element("select", choices);
    element("option", select, "another label").value = "";
    data.labels.forEach((label, index) => { element("option", select, label).value = String(index); });
    select.addEventListener("change", () => {
      if (select.value === "") decide(null);
      else if (data.labels[select.value] === item.given) decide("keep", "");
      else decide("relabel", data.labels[select.value]);
    });
  }
  const draw = () => {
    const now = decided[id];
    const is = (action) => now !== undefined && now.action === action;
    buttons.keep.setAttribute("aria-pressed", is("keep"));
    buttons.drop.setAttribute("aria-pressed", is("drop"));
    buttons.suggested.setAttribute("aria-pressed", is("relabel") && now.label === item.suggested);
    card.classList.toggle("drop", is("drop"));
    if (select) {
      const other = is("relabel") && now.label !== item.suggested;
      select.value = other ? String(data.labels.indexOf(now.label)) : "";
    }
    const checked = new Set(words(is("relabel") ? now.label : item.given));
    for (const [box, label] of boxes) box.checked = checked.has(label);
  };
  item.id = id;
  draw();
});
remember();
const cell = (value) => /[",\\r\\n]/.test(value) || value !== value.trim()
  ? `"${value.replaceAll('"', '""')}"` : value;
const csv = () => {
  const lines = [data.columns.join(",")];
  for (const item of data.rows) {
    const now = decided[item.id];
    if (now === undefined) continue;
    const values = { ...item, action: now.action, label: now.label };
    lines.push(data.columns.map((name) => cell(String(values[name]))).join(","));
  }
  return lines.join("\\n") + "\\n";
};
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv;charset=utf-8" }));
  link.download = "corrections.csv";
  link.click();
});
"""
