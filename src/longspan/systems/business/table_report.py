"""The report of a system whose data are a business table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from longspan.report import Document

__all__ = ["table_report"]


def table_report(
    name: str,
    subtitle: str,
    headline: tuple[str, str],
    metrics: Mapping[str, float],
    parts: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
) -> Callable[[], Document]:
    """Makes the page: the headline, all metrics, those of each part, and the settings.

    Args:
        name: Of the system.
        subtitle: Of the page.
        headline: What is measured, and its value in words.
        metrics: By name.
        parts: A row for each fold, origin or data set; may be empty.
        options: Of the run.
    """

    def make() -> Document:
        page = Document(name, subtitle=subtitle)
        page.headline(*headline, "on rows held out")
        page.section("Rows held out")
        page.table([{"measured": each, "value": float(f"{value:.5g}")} for each, value in metrics.items()])
        if parts:
            page.section("In parts")
            page.table([dict(each) for each in parts])
        page.section("Settings")
        return page.settings(dict(options)).environment()

    return make
