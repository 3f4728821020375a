"""Images with what a network looked at, as a section of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from longspan.data import Table
from longspan.explain.attribution import METHODS, Attribution, Method, attribute
from longspan.explain.attribution_checks import SanityCheck, sanity_check
from longspan.explain.expected_cost import ExpectedCost, expected_cost
from longspan.report import CaptionedImage, Document

__all__ = ["add_attributions", "attribution_costs", "overlay", "shows_where_it_looked"]

_HOT = np.array([230.0, 30.0, 20.0])
_SHOWN, _CHECKED, _STAGES = 12, 4, 2
_PATCHES = 4  # across the shorter side
_MEANS: dict[Method, str] = {
    "grad_cam": "of Grad-CAM the activations of the last map of features, weighted by their gradients",
    "occlusion": "of occlusion the patches that lower the score when they are covered",
}
_METHODS: tuple[Method, ...] = tuple(_MEANS)


def shows_where_it_looked(model: Any, target: str) -> bool:
    """Whether a model is a network that reads one image and predicts something of all of it."""
    columns = [*model.input_columns.values()]
    return (
        "views" in model.abilities
        and len(columns) == 1
        and columns[0].encodes_pixels
        and model.heads[target].kind in ("classify", "multi_label_classify", "regress")
    )


def overlay(found: Attribution) -> np.ndarray:
    """The image in grey under the map in red, `(H, W, 3)` uint8; negative parts of the map are left out."""
    grey = found.image.astype(np.float64)
    grey = grey.mean(axis=2) if grey.ndim == 3 else grey
    heat = np.clip(found.map, 0, None)
    heat = heat / max(float(heat.max()), 1e-12)
    mixed = grey[..., None] * (1 - 0.7 * heat[..., None]) + _HOT * 0.7 * heat[..., None]
    return mixed.round().clip(0, 255).astype(np.uint8)


def attribution_costs(model: Any, table: Table, target: str) -> list[ExpectedCost]:
    """What `add_attributions` will take."""
    rows = _shown_rows(table)
    found = []
    for method in _METHODS:
        options = _options(model, method)
        found.append(expected_cost(attribute, model, rows, method=method, target=target, **options))
        found.append(
            expected_cost(
                sanity_check, model, rows.take(np.arange(min(_CHECKED, len(rows)))), method=method, target=target,
                stages=_STAGES, **options,
            )
        )  # fmt: skip
    return found


def _shown_rows(table: Table) -> Table:
    return table.take(np.unique(np.linspace(0, len(table) - 1, _SHOWN).astype(np.int64)))


def _options(model: Any, method: Method) -> dict[str, Any]:
    """Coarser patches than by default: a fine map of occlusion takes a hundred and seventy passes for each image."""
    (column,) = model.input_columns.values()
    return {"patch_px": max(1, min(column.size_px) // _PATCHES)} if method == "occlusion" else {}


def add_attributions(
    page: Document, model: Any, table: Table, target: str, *, seed: int = 0, methods: Sequence[Method] = _METHODS
) -> list[SanityCheck]:
    """Add the section: some images, where two methods say that the network looked, and whether they can be trusted.

    Args:
        page: The report.
        model: A network for which `shows_where_it_looked`.
        table: Rows of which twelve, evenly picked, are shown.
        target: What is predicted.
        seed: Of the random weights of the check.
        methods: Those of the maps.

    Returns:
        The check of each method.
    """
    rows = _shown_rows(table)
    values = rows.column_values(target)
    page.section("Where it looked").text(
        "Red is what counted for the prediction: " + "; ".join(_MEANS[method] for method in methods) + "."
    )
    checks = []
    for method in methods:
        name, options = METHODS[method], _options(model, method)
        found = attribute(model, rows, method=method, target=target, max_seconds=None, **options)
        page.images(_captioned(found, values), caption=name)
        checks.append(
            sanity_check(
                model,
                rows.take(np.arange(min(_CHECKED, len(rows)))),
                method=method,
                target=target,
                seed=seed,
                stages=_STAGES,
                max_seconds=None,
                **options,
            )
        )
        page.text(_words_of(name, checks[-1]))
    return checks


def _captioned(found: Sequence[Attribution], values: Sequence[Any]) -> list[CaptionedImage]:
    images = []
    for each, value in zip(found, values, strict=True):
        if each.outcome is None:
            images.append(CaptionedImage(overlay(each), f"{each.score:.3g}", note=f"target {value}"))
            continue
        right = value == each.outcome
        note = "" if right or value is None else f"target {value}"
        tone = "neutral" if value is None or isinstance(value, list) else "good" if right else "bad"
        images.append(CaptionedImage(overlay(each), str(each.outcome), tone, note))
    return images


def _words_of(name: str, check: SanityCheck) -> str:
    first, last = check.similarity[0], check.similarity[-1]
    verdict = (
        "so the maps do show what the network learned."
        if check.passed
        else "so the maps mostly show what the image itself suggests: read them with care."
    )
    return (
        f"With random heads the maps of {name} correlate with these by {first:.2f}, with random weights "
        f"everywhere by {last:.2f} (rank correlation, 1 is the same map), {verdict}"
    )
