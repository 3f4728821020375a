"""Which number stands for which class: lists of names, with colours or without, as data sets bring them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from longspan.data.annotations.files import read_text
from longspan.errors import DataError

__all__ = ["Colour", "class_colours", "class_names"]

Colour = tuple[int, int, int]
_LIMIT_BYTES = 16 << 20


def class_names(given: str | Path | Sequence[str] | Mapping[int, str]) -> dict[int, str]:
    """Names by number, in the order of the numbers.

    Args:
        given: A list (numbered from 0), a dict, or a file: one name a line, with or without red, green and blue behind
            it; or YAML with `names:` as YOLO's data files have it, a list or numbered.

    Raises:
        DataError: the file cannot be read or understood, or two numbers have one name.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        source = str(path)
        lines = _lines(path)
        names = _yaml_names(path, lines) if path.suffix.lower() in (".yaml", ".yml") else dict(_named(lines))
    else:
        source = "The list of classes"
        names = {int(k): str(v) for k, v in given.items()} if isinstance(given, Mapping) else dict(enumerate(given))
    if not names:
        raise DataError(f"{source} names no class; a text file should have one name a line.")
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise DataError(f"{source} names {twice[0]!r} twice; give each class a name of its own.")
    return dict(sorted(names.items()))


def class_colours(given: str | Path | Sequence[Sequence[int]]) -> list[Colour]:
    """Colours in the order of the list, or of the lines of a file: a name (or none), then red, green and blue, 0..255.

    Raises:
        DataError: the file cannot be read, or a line or entry is no colour.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        entries = [(f"{path}, line {number}", re.split(r"[,;\s]+", line.strip())[-3:]) for number, line in _lines(path)]
    else:
        entries = [(f"Colour {number}", list(colour)) for number, colour in enumerate(given)]
    colours = []
    for where, parts in entries:
        try:
            red, green, blue = (int(part) for part in parts)
        except (TypeError, ValueError):
            raise DataError(f"{where}: {parts} is no colour; write red, green and blue, each 0 to 255.") from None
        if not all(0 <= part <= 255 for part in (red, green, blue)):
            raise DataError(f"{where}: the colour {red}, {green}, {blue} is out of range; each is 0 to 255.")
        colours.append((red, green, blue))
    return colours


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines that say something, numbered from 1; without comments and without a table's heading."""
    try:
        lines = read_text(path, limit_bytes=_LIMIT_BYTES).splitlines()
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from None
    found = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    heading = bool(found) and re.fullmatch(
        r"\w+[,;\s]+r(ed)?[,;\s]+g(reen)?[,;\s]+b(lue)?\s*", found[0][1], re.IGNORECASE
    )
    return found[1:] if heading else found


def _named(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """One name a line; what may stand behind it are three numbers."""
    names = (re.sub(r"[,;\s]+\d+[,;\s]+\d+[,;\s]+\d+\s*$", "", line).strip() for _, line in lines)
    return list(enumerate(names))


def _yaml_names(path: Path, lines: list[tuple[int, str]]) -> dict[int, str]:
    """The `names` of a YAML file: [a, b], a line with a dash for each, or `0: a` for each. No other YAML is read."""
    place = next((i for i, (_, line) in enumerate(lines) if re.match(r"names\s*:", line)), None)
    if place is None:
        raise DataError(f"{path} has no 'names:' at the beginning of a line.")
    rest = _plain(lines[place][1].split(":", 1)[1])
    if rest.startswith(("[", "{")):
        closing = "]" if rest[0] == "[" else "}"
        for _, line in lines[place + 1 :]:
            if rest.endswith(closing):
                break
            rest += " " + _plain(line)
        entries = [each.strip() for each in re.findall(r"""(?:"[^"]*"|'[^']*'|[^,"'])+""", rest[1:-1]) if each.strip()]
        if not rest.endswith(closing):
            raise DataError(f"{path}, line {lines[place][0]}: the list of names has no end ({closing}).")
        numbered = [(lines[place][0], each) for each in entries]
        dashed = rest[0] == "["
    else:
        block = []
        for number, line in lines[place + 1 :]:
            if not line.startswith((" ", "\t", "-")):
                break
            block.append((number, _plain(line)))
        dashed = bool(block) and block[0][1].startswith("-")
        numbered = [(number, line[1:].strip() if dashed else line) for number, line in block]
    names: dict[int, str] = {}
    for place, (number, entry) in enumerate(numbered):
        key, colon, name = (str(place), ":", entry) if dashed else entry.partition(":")
        key = key.strip().strip("'\"")
        if not colon or not key.isdecimal() or int(key) in names:
            raise DataError(f"{path}, line {number}: {entry!r} is no 'number: name' of its own.")
        names[int(key)] = _unquoted(name.strip())
    return names


def _plain(line: str) -> str:
    """A line without a comment behind it."""
    return re.sub(r"""\s#[^"']*$""", "", line).strip()


def _unquoted(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"" else name
