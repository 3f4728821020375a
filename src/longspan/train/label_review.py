"""Rows whose labels are probably wrong, named for people: a list, and the page that relabels or drops them."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from longspan.data import Task
from longspan.data.batches.context import pixel_inputs
from longspan.data.corrections import COLUMNS, label_text
from longspan.errors import ConfigError, DataError
from longspan.heads import Head
from longspan.inference.scores import Scores
from longspan.metrics.label_issues import label_issues, multi_label_issues
from longspan.report.relabel_page import RelabelRow, relabel_page
from longspan.storage.files import write_whole

__all__ = ["SuspectLabel", "suspect_labels", "write_relabel_page"]

_SHOWN_PX = 320
_MOST_BYTES = 24 << 20  # of sound and texts in a page


@final
@dataclass(frozen=True, slots=True)
class SuspectLabel:
    """A row whose label is probably wrong."""

    row: int
    """Number in the table."""
    target: str
    given: Any
    suggested: Any
    """The label, or the list of labels, that it probably has."""
    margin: float
    """Probability of the given label minus that of the suggested one; the lower, the surer."""


def suspect_labels(heads: Mapping[str, Head], scores: Scores) -> list[SuspectLabel]:
    """Probably wrong labels of all targets that are classes, the surest first; see `longspan.metrics.label_issues`.

    Args:
        heads: By target.
        scores: Of rows that the model was not trained on.
    """
    found = []
    for name, head in heads.items():
        known = torch.nonzero(scores.present[name])[:, 0]
        classes = head.class_targets(scores.targets[name][known]) if len(known) else None
        if classes is None or head.column is None:
            continue
        labels, exclusive = getattr(head.column, "vocab", ()), head.column.shape == ()
        probabilities = head.class_scores(scores.predictions[name][known]).numpy()
        if exclusive:
            issues = label_issues(classes.int().argmax(dim=1).numpy(), probabilities)
        else:
            issues = multi_label_issues(classes.numpy(), probabilities)
        for issue in issues:
            place = int(known[issue.position])
            suggested = [labels[k] for k in issue.suggested]
            given = [labels[k] for k in torch.nonzero(classes[issue.position])[:, 0].tolist()]
            pair = (given[0], suggested[0]) if exclusive else (given, suggested)
            found.append(SuspectLabel(int(scores.rows[place]), name, *pair, issue.margin))
    return sorted(found, key=lambda each: (each.margin, each.row))


def write_relabel_page(path: Path, task: Task, suspects: list[SuspectLabel], *, most: int = 500) -> Path:
    """A page with the suspects, their images and all labels, which writes a corrections file; see `Split.relabel`.

    Args:
        path: The HTML file.
        task: Whose rows they are.
        suspects: In the order in which they are shown.
        most: How many at most, so that the file stays small enough for a browser.

    Raises:
        ConfigError: suspects of several targets, which need a page each.
        DataError: the file cannot be written.
    """
    targets = {each.target for each in suspects}
    if len(targets) > 1:
        raise ConfigError(f"A page takes the labels of one target, got {', '.join(sorted(targets))}.")
    images = next(iter(pixel_inputs(task.inputs)), None)
    rows: list[RelabelRow] = []
    size = 0
    for each in suspects[:most]:
        margin = f"probability of the suggested label less that of the given one: {-each.margin:.2f}"
        content = _content(task, each.row)
        size += len(content)
        if rows and size > _MOST_BYTES:
            break
        rows.append(
            RelabelRow(
                row=each.row,
                file=_file(task, each.row),
                place=task.table.row_name(each.row),
                content=content,
                target=each.target,
                given=label_text(each.given),
                suggested=label_text(each.suggested),
                note=margin,
                image=None if images is None else _small(task, images, each.row),
            )
        )
    target = next(iter(targets), "labels")
    labels = [str(label) for label in getattr(task.targets.get(target), "vocab", ())]
    title = f"Probably wrong labels: {target}"
    text = relabel_page(title, rows, labels, COLUMNS, total=len(suspects))

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    try:
        write_whole(path, write)
    except OSError as error:
        raise DataError(f"{path}: the page cannot be written ({error.strerror or error}).") from error
    return path


def _file(task: Task, row: int) -> str:
    for name in task.input_names:
        cell = task.table.frame[name][row]
        if task.table.columns[name].in_files and isinstance(cell, str):
            return cell
    return ""


def _content(task: Task, row: int) -> str:
    """What a person needs to decide, apart from images: sound, texts and cells of the row as HTML."""
    parts = []
    for name in task.input_names:
        column, value = task.table.columns[name], task.table.value(row, name)
        if column.encodes_pixels or value is None:
            continue
        if column.sources:
            cells = {source: task.table.frame[name].struct.field(source)[row] for source in column.sources}
            lines = (f"<dt>{html.escape(key)}</dt><dd>{_cell(cell)}</dd>" for key, cell in cells.items())
            parts.append(f"<dl>{''.join(lines)}</dl>")
        else:
            parts.append(column.show_html(value))
    return "<br>".join(parts)


def _cell(value: Any) -> str:
    return "missing" if value is None else html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def _small(task: Task, name: str, row: int) -> np.ndarray:
    """The image as the network gets it before augmentation, at most 320 pixels wide or high."""
    pixels = task.samples.inputs[name].read(torch.tensor([row]))[0].numpy()
    step = -(-max(pixels.shape[:2]) // _SHOWN_PX)
    pixels = pixels[::step, ::step]
    return pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels[..., :3])
