"""A report as one HTML file that needs nothing else: no script, no font, no image from anywhere."""

from __future__ import annotations

import contextlib
import html
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from longspan.errors import DataError
from longspan.report.environment import describe_environment
from longspan.report.images import CaptionedImage, Legend, data_uri
from longspan.report.page_style import PAGE_STYLE
from longspan.report.svg import inline_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Document"]

# The browser itself refuses to load anything: what was forgotten here could still not call home.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_HALF_PX = 460
_HALVES = '<div class="halves">'
_MARKS = {"good": "✓ ", "bad": "✗ ", "neutral": ""}


@final
@dataclass
class _Section:
    title: str
    anchor: str
    parts: list[str] = field(default_factory=list)


@final
class Document:
    """A report that grows from top to bottom: each call adds to the section begun last.

    All text is escaped. Methods give the document back, so calls can be chained.

    Example:
        >>> page = Document("Cats or dogs").headline("accuracy", 0.973).section("Data").text("824 photos.")
        >>> "824 photos." in page.to_html()
        True
    """

    def __init__(self, title: str, *, subtitle: str = "", created: datetime | None = None) -> None:
        """Begin a report.

        Args:
            title: heading, and name of the browser's tab.
            subtitle: a sentence below it: what was done, on what.
            created: shown at the foot; now if None.
        """
        self._title = title
        self._subtitle = subtitle
        self._created = created or datetime.now(UTC)
        self._headlines: list[str] = []
        self._sections: list[_Section] = []
        self._figures = 0

    def headline(self, name: str, value: object, note: str = "") -> Document:
        """A card at the top of the page: what it is, its value, and a short remark."""
        aside = f'<dd class="aside">{_prose(note)}</dd>' if note else ""
        number = f'<dd class="figure-of">{_escape(_format(value))}</dd>'
        self._headlines.append(f'<div class="card"><dt>{_escape(name)}</dt>{number}{aside}</div>')
        return self

    def section(self, title: str) -> Document:
        """Begin a section; its title stands in the table of contents."""
        word = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        self._sections.append(_Section(title, f"s{len(self._sections) + 1}-{word}".rstrip("-")))
        return self

    def text(self, text: str) -> Document:
        """Paragraphs, separated by empty lines."""
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            self._add(f"<p>{_prose(paragraph)}</p>")
        return self

    def table(self, rows: Iterable[Mapping[str, object]], *, caption: str = "") -> Document:
        """Rows with named cells; the columns are all names in the order in which they first appear.

        Numbers stand to the right, at four significant digits; None is an empty cell.
        """
        kept = list(rows)
        names = list(dict.fromkeys(name for row in kept for name in row))
        columns = {name: _column([row.get(name) for row in kept]) for name in names}
        # A column stands to one side or the other, heading and all.
        kinds = {name: ' class="number"' if _looks_numeric(cells) else "" for name, cells in columns.items()}
        head = "".join(f"<th{kinds[name]}>{_escape(name)}</th>" for name in names)
        lines = (
            "".join(f"<td{kinds[name]}>{_escape(columns[name][place])}</td>" for name in names)
            for place in range(len(kept))
        )
        body = "\n".join(f"<tr>{line}</tr>" for line in lines)
        top = f"<caption>{_escape(caption)}</caption>" if caption else ""
        table = f"<table>{top}<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
        self._add(f'<div class="table panel">{table}</div>')
        return self

    def figure(
        self, figure: Figure, *, caption: str = "", label: str = "", narrow: Figure | None = None
    ) -> Document:  # fmt: skip
        """A matplotlib figure as SVG; narrow ones that follow each other stand side by side.

        Args:
            figure: best one from `longspan.report.figures`: its colours follow light and dark.
            narrow: the same, drawn for the width of a phone, and shown there instead; None lets wide figures scroll.
            caption: stands below.
            label: what it shows, for readers who do not see it; the caption if empty.
        """
        self._figures += 1
        described = label or caption or (self._sections[-1].title if self._sections else self._title)
        svg = inline_svg(figure, prefix=f"f{self._figures}-", label=described)
        below = f"<figcaption>{_prose(caption)}</figcaption>" if caption else ""
        # On a narrow screen wide figures scroll rather than shrink their words to nothing.
        width_px = figure.get_figwidth() * 72
        least = f"--least: {min(640, round(width_px * 0.6))}px"
        shown = f'<div class="scroll">{svg}</div>'
        if narrow is not None:
            small = inline_svg(narrow, prefix=f"f{self._figures}n-", label=described)
            shown = f'<div class="wide">{svg}</div><div class="narrow">{small}</div>'
        part = f'<figure class="plot panel" style="{least}">{shown}{below}</figure>'
        before = self._sections[-1].parts if self._sections else []
        if width_px > _HALF_PX:
            self._add(part)
        elif before and before[-1].startswith(_HALVES):
            before[-1] = before[-1].removesuffix("</div>") + part + "</div>"
        else:
            self._add(_HALVES + part + "</div>")
        return self

    def images(self, images: Sequence[CaptionedImage], *, caption: str = "", legend: Legend = ()) -> Document:
        """Images with captions in a grid that fits the screen; good and bad ones differ in colour and by a mark.

        Args:
            images: what is shown.
            caption: stands above.
            legend: what colours in the images mean; stands above, too.
        """
        items = []
        for each in images:
            shown = f"<b>{_MARKS[each.tone]}{_escape(each.caption)}</b>" if each.caption else ""
            shown += f"<span>{_escape(each.note)}</span>" if each.note else ""
            kind = ' class="small"' if each.small else ""
            words = _escape(" ".join(filter(None, (each.caption, each.note))) or "image")
            image = f'<img{kind} src="{data_uri(each.image)}" alt="{words}">'
            below = f"<div>{shown}</div>" if shown else ""
            items.append(f'<li class="image panel {each.tone}">{image}{below}</li>')
        shapes = {each.image.shape[:2] for each in images}
        height, width = shapes.pop() if len(shapes) == 1 else (1, 1)  # different ones are cut to squares
        wide = min(max(168, width), round(168 * max(1, width / height)))
        cell = 116 if images and all(each.small for each in images) else wide
        above = f'<p class="caption">{_escape(caption)}</p>' if caption else ""
        if legend:
            above += f'<ul class="legend">{"".join(_swatch(word, colour) for word, colour in legend)}</ul>'
        self._add(
            f'{above}<ul class="images" style="--cell: {cell}px; --shape: {width} / {height}">\n'
            + "\n".join(items)
            + "\n</ul>"
        )
        return self

    def settings(self, settings: Mapping[str, object]) -> Document:
        """Names and values in columns; a mapping inside becomes a group with its name as heading."""
        lines = [_pair(name, value) for name, value in settings.items() if not isinstance(value, Mapping)]
        for name, value in settings.items():
            if isinstance(value, Mapping):
                lines.append(f"<h3>{_escape(name)}</h3>")
                lines += [_pair(key, each) for key, each in _flat(value)]
        self._add('<div class="settings panel">\n' + "\n".join(lines) + "\n</div>")
        return self

    def environment(self, facts: Mapping[str, object] | None = None) -> Document:
        """What it was made with: `facts`, or `longspan.report.describe_environment()` if None."""
        return self.settings(describe_environment() if facts is None else facts)

    def to_html(self) -> str:
        """The whole page."""
        title = _escape(self._title)
        subtitle = f'<p class="subtitle">{_escape(self._subtitle)}</p>' if self._subtitle else ""
        cards = '<dl class="cards">\n' + "\n".join(self._headlines) + "\n</dl>" if self._headlines else ""
        named = [each for each in self._sections if each.title]
        links = "\n".join(f'<li><a href="#{each.anchor}">{_escape(each.title)}</a></li>' for each in named)
        sections = "\n".join(
            f'<section id="{each.anchor}">\n'
            + (f"<h2>{_escape(each.title)}</h2>\n" if each.title else "")
            + "\n".join(each.parts)
            + "\n</section>"
            for each in self._sections
        )
        made = self._created.astimezone(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{PAGE_STYLE}</style>
</head>
<body>
<div class="page">
<div class="columns">
<nav aria-label="Contents"><ol>
{links}
</ol></nav>
<main>
<header>
<p class="brand">longspan report</p>
<h1>{title}</h1>
{subtitle}
{cards}
</header>
{sections}
<footer>Made with longspan, {made}. This file is complete: it loads nothing from anywhere.</footer>
</main>
</div>
</div>
</body>
</html>
"""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to `path` and give it back; a reader sees the old file or the new one, never half of one.

        Raises:
            DataError: the file cannot be written.
        """
        target = Path(path)
        passing = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        text = self.to_html()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with passing.open("w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            passing.replace(target)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DataError(
                f"{target}: the report cannot be written ({reason}). Name a file in a folder that can be."
            ) from error
        finally:
            with contextlib.suppress(OSError):  # the folder itself may not be one
                passing.unlink(missing_ok=True)
        return target

    def _add(self, part: str) -> None:
        """Put a part into the section begun last; before the first one, into a section without a title."""
        if not self._sections:
            self.section("")
        self._sections[-1].parts.append(part)


def _escape(text: str) -> str:
    """Text as HTML shows it, in elements and in attributes."""
    return html.escape(text, quote=True)


def _prose(text: str) -> str:
    """Likewise for sentences: no line ends between a number and its percent sign."""
    return re.sub(r"(?<=\d) %", "\u00a0%", _escape(text))


def _format(value: object) -> str:
    """A value as people read it: four significant digits, thousands separated, yes and no."""
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            return str(number)
        return f"{number:,.0f}" if 10_000 <= abs(number) < 1e9 else f"{number:.4g}"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_format(each) for each in value)
    return str(value)


def _column(values: Sequence[object]) -> list[str]:
    """A table's column as text: its numbers with equally many decimals, so that they can be compared at a glance."""
    texts = [_format(value) for value in values]
    floats = {place for place, value in enumerate(values) if isinstance(value, float | np.floating)}
    decimals = max((len(texts[place].partition(".")[2]) for place in floats), default=0)
    if not floats or decimals > 6 or any(set(texts[place]) & set("einf") for place in floats):
        return texts
    return [
        f"{float(str(values[place])):,.{decimals}f}" if place in floats else text for place, text in enumerate(texts)
    ]


def _looks_numeric(cells: Sequence[str]) -> bool:
    """Whether a column holds nothing but numbers, percentages and empty cells."""
    return any(cells) and all(re.fullmatch(r"[-+]?[\d.,]+(e[-+]?\d+)?\s?%?|nan|-?inf|", cell) for cell in cells)


def _swatch(word: object, colour: tuple[int, int, int]) -> str:
    """An entry of a legend."""
    return f'<li><i style="background: rgb{tuple(map(int, colour))}"></i>{_escape(str(word))}</li>'


def _pair(name: str, value: object) -> str:
    """One line of the settings."""
    shown = "none" if value is None or value == [] else _format(value)
    return f"<div><dt>{_escape(name)}</dt><dd>{_escape(shown)}</dd></div>"


def _flat(settings: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """Nested settings with dotted names; a list of settings is numbered from 1, without what is not set in it."""
    found: list[tuple[str, object]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple) and value and all(isinstance(each, Mapping) for each in value):
            for place, each in enumerate(value, 1):
                kept = _flat(each, f"{prefix}{name} {place}.")
                found += [(key, one) for key, one in kept if one is not None and one != []]
        else:
            found.append((f"{prefix}{name}", value))
    return found
