"""Names of data sets, networks, designs, column types and systems, from a stored table.

The registries that hold them import PyTorch, which takes seconds; a list of names, or an option that is refused, should
not wait for that. A test holds the table to the registries, and `write_known_names` writes it anew.
"""

from __future__ import annotations

import functools
import json
import sys
from importlib import resources
from typing import TYPE_CHECKING, Any

from longspan.registry import plugin_names

if TYPE_CHECKING:
    from longspan.columns import Column
    from longspan.option_words import OptionKind

__all__ = ["described_names", "names_are_known", "stored_names", "write_known_names"]

_TABLE = "known_names.json"


def names_are_known() -> bool:
    """Whether the table has every name: no plug-in adds to it, and PyTorch is still to be imported.

    Once PyTorch is there, asking the registries themselves costs nothing, and they know what was registered since.
    """
    return "torch" not in sys.modules and not plugin_names()


@functools.cache
def stored_names() -> dict[str, Any]:
    """The table: "designs", "columns", "data sets" and "systems"."""
    return json.loads(resources.files("longspan.cli").joinpath(_TABLE).read_text("utf-8"))


def described_names() -> dict[str, Any]:
    """The same table, made from the registries."""
    from longspan import datasets
    from longspan.columns import COLUMNS
    from longspan.heads import HEADS
    from longspan.systems import SYSTEMS
    from longspan.systems.options import describe_options, option_kinds
    from longspan.train.designs import DESIGNS

    extras: dict[str, str | None] = {}
    for head in HEADS.values():
        for kind in head.column_kinds:
            extras.setdefault(kind, head.extra)
    return {
        "designs": [
            {
                "name": name,
                "backbone": design.backbone,
                "predicts": ", ".join(HEADS[design.head].column_kinds),
                "source": design.source,
                "any_backbone": design.any_backbone,
                "extra": HEADS[design.head].extra,
            }
            for name, design in DESIGNS.items()
        ],
        "columns": {
            kind: {"extra": "audio" if kind == "audio" else extras.get(kind), "details": _details(column)}
            for kind, column in COLUMNS.items()
        },
        "data sets": datasets.names(),
        "systems": {
            system.name: {
                "summary": system.summary,
                "needs": system.needs,
                "extras": list(system.extras),
                "class": f"{system.options.__module__}:{system.options.__name__}",
                "options": {name: _option(kind) for name, kind in option_kinds(system.options).items()},
                "help": [list(line) for line in describe_options(system.options)],
            }
            for system in SYSTEMS.values()
        },
    }


def write_known_names() -> None:
    """Write the stored table anew."""
    with resources.as_file(resources.files("longspan.cli").joinpath(_TABLE)) as path:
        path.write_text(_lines(described_names()) + "\n", encoding="utf-8")


def _lines(table: dict[str, Any]) -> str:
    """JSON with a line for each entry, so that a change shows as the lines that it changes."""
    parts = []
    for name, entries in table.items():
        named = isinstance(entries, dict)
        found = [
            (f"{json.dumps(each)}: " if named else "")
            + json.dumps(entries[each] if named else each, ensure_ascii=False)
            for each in entries
        ]
        opening, closing = "{}" if named else "[]"
        parts.append(f"{json.dumps(name)}: {opening}\n" + ",\n".join(found) + f"\n{closing}")
    return "{\n" + ",\n".join(parts) + "\n}"


def _option(kind: OptionKind) -> dict[str, Any]:
    """What is known of one option of a system."""
    return {"kind": kind.kind, "choices": list(kind.choices)} if kind.choices else {"kind": kind.kind}


def _details(column: type[Column]) -> list[str] | None:
    """What may stand after the type and a colon; None: more than can be listed."""
    from longspan.columns import Column, Text
    from longspan.text import TOKENIZERS
    from longspan.text.pretrained import PACKAGED

    if column.from_words.__func__ is Column.from_words.__func__:  # type: ignore[attr-defined]
        return []
    return [*PACKAGED, *TOKENIZERS] if column is Text else None
