"""When the sealed test rows were looked at, why, and what that is worth: a table of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from longspan.report.document import Document

__all__ = ["add_openings", "worth_of"]


def add_openings(page: Document, openings: Sequence[Mapping[str, Any]], rows: int | None = None) -> None:
    """Add the record of a vault to a page.

    Args:
        page: Where it goes.
        openings: As `Vault.openings` or a study file has them.
        rows: Test rows that are sealed; with none, nothing is said of a vault that was never opened.
    """
    if not openings:
        if rows:
            page.text(f"The vault with {rows:,} test rows was never opened.")
        return
    page.text("The vault with the test rows was opened:")
    page.table(
        [
            {
                "opening": record["count"],
                "at (UTC)": str(record["at"]).removesuffix("+00:00"),
                "reason": record["reason"],
                "rows": record["rows"],
                "after further training": "yes" if record.get("after_training") else "no",
            }
            for record in openings
        ]
    )
    if any(record.get("after_training") for record in openings):
        page.text(
            "An opening after further training is not a first look: what was seen before may have steered the "
            "training, so its metrics may be too good."
        )


def worth_of(openings: Sequence[Mapping[str, Any]]) -> str:
    """What a figure on the test rows is worth, in a few words: whether it is a first look."""
    if openings and openings[-1].get("after_training"):
        return f"opening {len(openings)} of the vault, after further training"
    return "rows never used before" if len(openings) < 2 else f"the vault was opened {len(openings)} times"
