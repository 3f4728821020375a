"""Which number stands for which class: lists of names, with colours or without, as data sets bring them."""

from __future__ import annotations

import csv
import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from longspan.data.annotations.files import lines_of, read_text
from longspan.data.annotations.yolo.yaml_file import YamlValue, read_yaml
from longspan.errors import DataError

__all__ = ["Colour", "class_colours", "class_names", "has_colours", "warn_of_other_lists", "warn_of_shift"]

Colour = tuple[int, int, int]
_LIMIT_BYTES = 16 << 20
_CVAT = re.compile(r"(?P<name>.*):(?P<colour>\s*\d+\s*,\s*\d+\s*,\s*\d+\s*)?:[^:]*:[^:]*")
_NUMBERS = r"\d+[,;\s]+\d+[,;\s]+\d+"
_BEHIND = re.compile(rf"(?P<name>.*?)[,;\s]+(?P<colour>{_NUMBERS})")
_BEFORE = re.compile(rf"(?P<colour>{_NUMBERS})[,;\s]+(?P<name>.*\D.*)")
_ALONE = re.compile(rf"(?P<name>)(?P<colour>{_NUMBERS})")
_HEADING = re.compile(r"#?\s*\w+[,;\s]+r(ed)?[,;\s]+g(reen)?[,;\s]+b(lue)?\s*", re.IGNORECASE)


@final
@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of a list."""

    line: int
    name: str
    colour: str | None


def class_names(
    given: str | Path | Sequence[str] | Mapping[int, str], *, colours: bool | None = None
) -> dict[int, str]:
    """Names by number, in the order of the numbers.

    Args:
        given: A list (numbered from 0), a dict, or a file: a text file whose line n names class n - 1, a text file of
            names and colours (`name r g b` or `r g b name`), CVAT's labelmap.txt (`name:r,g,b::`), or YAML with
            `names:` as YOLO's data files have it.
        colours: Whether lines of a text file may hold colours; None: if every line does. Without colours a line is a
            name as it stands, whatever characters it has.

    Raises:
        DataError: the file cannot be read or understood, or two numbers have the same name.
        DependencyError: a YAML file, and PyYAML is not installed.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        source = str(path)
        if path.suffix.lower() in (".yaml", ".yml"):
            names = _yaml_names(path, read_yaml(path))
        else:
            names = dict(enumerate(entry.name for entry in _entries(path, colours)))
    else:
        source = "The list of classes"
        names = {int(k): str(v) for k, v in given.items()} if isinstance(given, Mapping) else dict(enumerate(given))
    if not names:
        raise DataError(f"{source} names no class; a text file should have one name per line.")
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise DataError(f"{source} names {twice[0]!r} twice; give each class a name of its own.")
    return dict(sorted(names.items()))


def class_colours(given: str | Path | Sequence[Sequence[int]]) -> list[Colour]:
    """Colours in the order of the list, or of the lines of a file: red, green and blue, 0 to 255.

    Raises:
        DataError: the file cannot be read, or a line or entry has no colour.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        entries = [
            (f"{path}, line {entry.line}", re.split(r"[,;\s]+", (entry.colour or entry.name).strip())[-3:])
            for entry in _entries(path, True)
        ]
    else:
        entries = [(f"Colour {number}", list(colour)) for number, colour in enumerate(given)]
    colours = []
    for where, parts in entries:
        try:
            red, green, blue = (int(part) for part in parts)
        except (TypeError, ValueError):
            raise DataError(f"{where}: {parts} is not a colour; write red, green and blue, each 0 to 255.") from None
        if not all(0 <= part <= 255 for part in (red, green, blue)):
            raise DataError(f"{where}: the colour {red}, {green}, {blue} is out of range; each is 0 to 255.")
        colours.append((red, green, blue))
    return colours


def has_colours(path: str | Path) -> bool:
    """Whether every line of a class file has a colour; False for YAML and for files that cannot be read."""
    path = Path(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return False
    try:
        return all(entry.colour is not None for entry in _entries(path, None))
    except DataError:
        return False


def warn_of_shift(name_of: Mapping[int, str], used: Collection[int], source: str) -> None:
    """Say that of a list of three or more, numbered from 0, all classes occur but the first: files may count from 1."""
    others = set(name_of) - {0}
    if 0 not in name_of or len(others) < 2 or 0 in used or not others <= set(used):
        return
    warnings.warn(
        f"{source}: class 0, {name_of[0]!r}, never occurs, and all others do. If the files count classes from 1, every "
        "object gets the name of the class after its own: then give the names by number, "
        f"{{1: {name_of[0]!r}, ...}}.",
        stacklevel=4,
    )


def warn_of_other_lists(name_of: Mapping[int, str], folder: Path, given: object) -> None:
    """Say that a classes.txt beside the labels, as annotating tools write it, has other names than the list in use."""
    for path in (folder / "classes.txt", folder.parent / "classes.txt"):
        if not path.is_file() or (isinstance(given, str | Path) and path.resolve() == Path(given).resolve()):
            continue
        try:
            other = class_names(path, colours=False)
        except DataError:
            continue
        differ = next((n for n, name in other.items() if name_of.get(n, name).strip().lower() != name.lower()), None)
        if differ is not None:
            warnings.warn(
                f"{path} calls class {differ} {other[differ]!r}, and the names in use call it {name_of[differ]!r}. "
                "Check which list the labels were made with; the names in use are kept.",
                stacklevel=4,
            )
            return


def _entries(path: Path, colours: bool | None) -> list[_Entry]:
    """The lines of a text file; blank lines at the end do not count."""
    try:
        lines = lines_of(read_text(path, limit_bytes=_LIMIT_BYTES))
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from None
    while lines and not lines[-1].strip():
        lines.pop()
    if colours is not False:
        # In a list of colours, lines that begin with # and hold none are comments, and the first may be a heading.
        body = [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip()]
        if body and _HEADING.fullmatch(body[0][1]):
            body = body[1:]
        body = [(n, line) for n, line in body if not line.startswith("#") or _BEHIND.fullmatch(line)]
        for form in (_CVAT, _BEHIND, _BEFORE, _ALONE):
            found = [(n, form.fullmatch(line)) for n, line in body]
            if all(match is not None for _, match in found) and any(match and match["colour"] for _, match in found):
                return [_Entry(n, _unquoted(match["name"]), match["colour"]) for n, match in found if match]
        with_colour = [n for n, line in body if _BEHIND.fullmatch(line)]
        if colours or len(with_colour) > len(body) // 2:
            return [_Entry(n, line, None) for n, line in body] if colours else _refuse_mixed(path, body)
    blank = next((n for n, line in enumerate(lines, 1) if not line.strip()), None)
    if blank is not None:
        raise DataError(
            f"{path}, line {blank} is blank. Line n names class n - 1, so a blank line shifts all classes below it: "
            "delete the line, or write the name that belongs there."
        )
    comment = next((n for n, line in enumerate(lines, 1) if re.match(r"\s*#\s", line)), None)
    if comment is not None:
        warnings.warn(
            f"{path}, line {comment}: {lines[comment - 1].strip()!r} is taken as the name of class {comment - 1}, "
            "because every line names a class. If it is a comment, delete the line.",
            stacklevel=4,
        )
    return [_Entry(n, line.strip(), None) for n, line in enumerate(lines, 1)]


def _refuse_mixed(path: Path, body: list[tuple[int, str]]) -> list[_Entry]:
    number, line = next((n, line) for n, line in body if not _BEHIND.fullmatch(line))
    raise DataError(
        f"{path}, line {number}: {line!r} has no colour, though other lines end in red, green and blue. Give each "
        "line a colour, or none."
    )


def _unquoted(name: str) -> str:
    """A name without the quotes of CSV."""
    name = name.strip()
    return next(csv.reader([name]))[0] if name.startswith('"') and name.endswith('"') and len(name) > 1 else name


def _yaml_names(path: Path, top: YamlValue) -> dict[int, str]:
    """The `names` of a YAML file: a list, or a mapping from number to name."""
    value = top.get("names")
    if value is None:
        raise DataError(f"{path} has no 'names:' at its top level.")
    if value.kind == "text":
        raise DataError(f"{path}, line {value.line}: names is {value.text!r}; write a list, or 'number: name' pairs.")
    names: dict[int, str] = {}
    numbered = value.items() if value.kind == "mapping" else ((None, each) for each in value.items())
    for place, (key, entry) in enumerate(numbered):
        number = str(place) if key is None else (key.text or "").strip()
        if not number.isdecimal() or int(number) in names:
            raise DataError(
                f"{path}, line {entry.line}: {number!r} is not a class number, or occurs twice; class numbers start "
                "at 0."
            )
        if not entry.text:
            raise DataError(f"{path}, line {entry.line}: class {number} has no name.")
        names[int(number)] = entry.text
    count = top.get("nc")
    if (
        count is not None
        and count.text is not None
        and count.text.strip() not in (str(len(names)), str(max(names, default=-1) + 1))
    ):
        raise DataError(
            f"{path}, line {count.line}: nc says {count.text.strip()} classes, but names lists {len(names)}. "
            "Correct one of them."
        )
    return names
