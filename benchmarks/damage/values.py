"""Damage to texts: fields of JSON, XML, CSV and lists of numbers replaced by what nobody expects there."""

from __future__ import annotations

import json
import random
import re
from typing import Any

__all__ = ["damage_csv", "damage_json", "damage_tokens", "damage_xml"]

_DEEP = "@deep@"
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**30,
    -(10**400),
    0.5,
    -0.0,
    1e-320,
    1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    " ",
    "0",
    "x",
    "nan",
    "1e999",
    "\0",
    "\ud800",
    "é" * 50,
    "a" * 70_000,
    "../../escape",
    "/etc/passwd",
    "C:\\windows",
    "http://127.0.0.1:1/",
    [],
    {},
    [[]],
    [None],
    [{}],
    [1, 2],
    {"a": 1},
    [1e308, 1e308, 1e308, 1e308],
    ["x"] * 4,
    [-1, -1, -1, -1],
    [0, 0, 1e9, 1e9],
    {"id": []},
    _DEEP,
)
_WORDS = (
    "",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-1",
    "0",
    "1e308",
    "99999999999999999999",
    "1" * 5000,
    "0x10",
    "1,5",
    "1_000",
    "١٢",
    "None",
    "true",
    "\0",
    "\ufeff",
    "é",
    "😀",
    '"',
    "'",
    "<",
    "&lt;",
    "../../escape",
    "/etc/passwd",
    "a" * 70_000,
    "\r",
    "\n",
    ",",
    ";",
    "\t",
    "=1+1",
    "{",
    "[",
    "-0.0",
    "2024-13-45",
    "2024-01-01",
    "True",
    "image",
    "-9223372036854775809",
)


def damage_json(text: str, rng: random.Random) -> str:
    """One to three fields replaced, left out, renamed, doubled or exchanged; or nested without end."""
    content = json.loads(text)
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = _changed(content, rng)
    damaged = json.dumps(content)
    if f'"{_DEEP}"' in damaged:
        depth = rng.choice((70, 900, 100_000, 3_000_000))
        left, right = rng.choice((("[", "]"), ('{"a":', "}")))
        damaged = damaged.replace(f'"{_DEEP}"', left * depth + "0" + right * rng.choice((depth, depth, 0)), 1)
    return damaged


def _changed(content: Any, rng: random.Random) -> Any:
    places = list(_places(content))
    if not places:
        return rng.choice(ODD_VALUES)
    # Fields lie much deeper than lists are long: without a bias most damage would hit the last number of a polygon.
    holder, key = rng.choice(
        places if rng.random() < 0.5 else [each for each in places if isinstance(each[1], str)] or places
    )
    what = rng.randrange(8)
    if what <= 4:
        holder[key] = rng.choice(ODD_VALUES)
    elif what == 5:
        del holder[key]
    elif what == 6 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif what == 6:
        holder[rng.choice((key + "s", key.upper(), "", "__class__"))] = holder.pop(key)
    else:
        other_holder, other_key = rng.choice(places)
        if isinstance(holder[key], int | float | str) and isinstance(other_holder[other_key], int | float | str):
            holder[key], other_holder[other_key] = other_holder[other_key], holder[key]
    return content


def _places(content: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    parts = [content]
    while parts:
        part = parts.pop()
        keys = list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
        found += [(part, key) for key in keys]
        parts += [part[key] for key in keys]
    return found


def damage_tokens(text: str, rng: random.Random) -> str:
    """One to three words replaced, left out or put in twice; lines exchanged."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        words = list(re.finditer(r"\S+", text))
        if not words:
            return text + rng.choice(_WORDS)
        word = rng.choice(words)
        said = rng.choice((rng.choice(_WORDS), rng.choice(_WORDS), "", word[0] + " " + word[0], rng.choice(words)[0]))
        text = text[: word.start()] + said + text[word.end() :]
    if rng.random() < 0.2:
        lines = text.splitlines(keepends=True)
        rng.shuffle(lines)
        text = "".join(lines)
    return text


def damage_csv(text: str, rng: random.Random) -> str:
    """Cells replaced; cells, rows and columns left out or put in twice; quotes that do not close."""
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(rng.choice((1, 1, 2, 3))):
        row = rng.choice(rows)
        what = rng.randrange(7)
        if what <= 3 and row:
            row[rng.randrange(len(row))] = rng.choice(_WORDS)
        elif what == 4 and row:
            del row[rng.randrange(len(row))]
        elif what == 5:
            row.insert(rng.randint(0, len(row)), rng.choice((*row, "x", "1")) if row else "x")
        else:
            rows.insert(rng.randint(0, len(rows)), rng.choice((list(row), [], [""], ["#", "x"])))
    return rng.choice(("\n", "\n", "\n", "\r\n", "\r")).join(",".join(row) for row in rows)


def damage_xml(text: str, rng: random.Random) -> str:
    """Texts and names of elements replaced; elements left out, doubled, nested without end; entities that swell."""
    what = rng.randrange(8)
    if what == 0:
        return rng.choice(_BOMBS) + text.split("?>")[-1].replace("</name>", "&a9;</name>", 1)
    if what == 1:
        depth = rng.choice((10, 40, 100_000))
        return text.replace("<object>", "<object>" + "<a>" * depth + "</a>" * rng.choice((0, depth)), 1)
    if what == 2:
        encoding = rng.choice(
            ("utf-16", "ascii", "latin-1", "utf-7", "punycode", "idna", "rot13", "zlib", "x", "a" * 5000)
        )
        return f'<?xml version="1.0" encoding="{encoding}"?>' + text.split("?>")[-1]
    for _ in range(rng.choice((1, 1, 2))):
        elements = list(re.finditer(r"<(\w+)>([^<]*)</\1>", text))
        if not elements:
            break
        element = rng.choice(elements)
        name, said = element.groups()
        change = rng.choice(
            (
                f"<{name}>{_escaped(rng.choice(_WORDS))}</{name}>",
                f"<{name}>{_escaped(rng.choice(_WORDS))}</{name}>",
                f"<{name}>{rng.choice(_WORDS)}</{name}>",
                "",
                element[0] * 2,
                f"<{name}/>",
                f"<{name}>{said}",
                f"<x{name}>{said}</x{name}>",
                f"<{name}><{name}>{said}</{name}></{name}>",
            )
        )
        text = text[: element.start()] + change + text[element.end() :]
    return text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\0", "&#0;")


_SWELLING = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
_BOMBS = (
    f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "lol">{_SWELLING}]>',
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>',
    '<?xml version="1.0"?><!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
)
