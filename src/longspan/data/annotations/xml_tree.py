"""XML as a small tree with line numbers; nothing that a stranger's file may declare is followed.

expat is driven directly: it knows the line of every element, and a document type, which is where entities that expand
without end or name other files are declared, is refused as soon as it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import final
from xml.parsers import expat

__all__ = ["Element", "parse_xml"]

_DEPTH = 32
_LIMIT_BYTES = 64 << 20


@final
@dataclass(slots=True)
class Element:
    """One element: its name, the line it begins in, its own text, and what stands in it. Attributes are left out."""

    name: str
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """The children of this name."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> Element | None:
        """The first child of this name."""
        return next(self.all(name), None)

    def said(self, name: str) -> str:
        """The text of the first child of this name, "" without one."""
        child = self.first(name)
        return child.text.strip() if child is not None else ""


def parse_xml(path: Path) -> Element:
    """The outermost element of a file.

    Raises:
        ValueError: no file, no XML, or XML with a document type; the message begins with the line where there is one.
    """
    try:
        if not path.is_file():
            raise ValueError("the file does not exist")
        if path.stat().st_size > _LIMIT_BYTES:
            raise ValueError(f"the file has more than {_LIMIT_BYTES:,} bytes, which no annotation of an image needs")
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error})") from None
    if not content.strip():
        raise ValueError("the file is empty")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Element("", 0)
    open_elements = [top]
    said: list[list[str]] = [[]]  # joined at the end of each element: a text of megabytes comes in thousands of parts

    def start(name: str, attributes: dict[str, str]) -> None:
        del attributes
        if len(open_elements) > _DEPTH:
            raise ValueError(f"line {parser.CurrentLineNumber}: elements are nested more than {_DEPTH} deep")
        element = Element(name, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)
        said.append([])

    def end(name: str) -> None:
        del name
        open_elements.pop().text = "".join(said.pop())

    def text(data: str) -> None:
        said[-1].append(data)

    def refuse(*declared: object) -> None:
        del declared
        raise ValueError(
            f"line {parser.CurrentLineNumber}: it declares a document type (<!DOCTYPE ...>), which is not read, "
            "because it can name other files and endless entities; delete the "
            "declaration"
        )

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = refuse  # without a document type nothing can be declared
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(f"line {error.lineno}: this is not XML ({expat.ErrorString(error.code)})") from None
    except LookupError as error:
        raise ValueError(f"line 1: its encoding cannot be read ({error})") from None
    return top.children[0]
