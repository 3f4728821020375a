"""The designs that `longspan models` lists, from a stored table.

What they are stands in `longspan.train.designs`, which imports PyTorch; a list of names should not wait for
that. A test holds the table to it, and `write_designs` writes it anew.
"""

from __future__ import annotations

import json
from importlib import resources

__all__ = ["described_designs", "stored_designs", "write_designs"]

_TABLE = "designs.json"


def stored_designs() -> list[dict[str, str]]:
    """Name, backbone, what is predicted and source of every design."""
    return json.loads(resources.files("longspan.cli").joinpath(_TABLE).read_text("utf-8"))


def described_designs() -> list[dict[str, str]]:
    """The same, made from the designs themselves."""
    from longspan.heads import HEADS
    from longspan.train.designs import DESIGNS

    return [
        {
            "name": name,
            "backbone": design.backbone,
            "predicts": ", ".join(HEADS[design.head].column_kinds),
            "source": design.source,
        }
        for name, design in DESIGNS.items()
    ]


def write_designs() -> None:
    """Write the stored table anew."""
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in described_designs())
    with resources.as_file(resources.files("longspan.cli").joinpath(_TABLE)) as path:
        path.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
