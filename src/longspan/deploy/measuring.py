"""The variants of a model measured beside it, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longspan.deploy.compress_rows import Rows
from longspan.deploy.frontier import Frontier, Loss, Variant, paired_accuracy_loss, paired_loss
from longspan.deploy.quantization import has_vnni
from longspan.deploy.timing import Timed
from longspan.deploy.variants import ORIGINAL
from longspan.heads import Head
from longspan.inference import Predictor, load
from longspan.portable import OnnxModel
from longspan.report import describe_environment

__all__ = ["measured"]

_BATCH = 64


def measured(
    predictor: Predictor,
    rows: Rows,
    files: Mapping[str, Path],
    timed: Mapping[str, Timed],
    notes: Mapping[str, Mapping[str, Any]],
    left_out: Mapping[str, str],
    max_drop: float,
    folder: Path,
) -> Frontier:
    """Accuracy, speed, size and memory of every variant, with paired differences to the original.

    Args:
        predictor: The original.
        rows: Which of them measure.
        files: By variant; the original's first.
        timed: How long predictions of each took.
        notes: How each was made.
        left_out: Variants that could not be made, and why.
        max_drop: Of the main metric, that a recommended variant may lose.
        folder: Where the files will lie.
    """
    heads = predictor.heads
    columns = {name: head.column for name, head in heads.items()}
    (batch,) = rows.samples.batches(torch.arange(len(rows.held_out)), len(rows.held_out))
    targets = {name: column.prepare(batch.targets[name]) for name, column in columns.items() if column is not None}
    original: dict[str, torch.Tensor] = {}
    found = []
    for name, path in files.items():
        predictions = _predictions(path, rows, heads)
        original = original or predictions
        metrics, losses = {}, {}
        for target, head in heads.items():
            known = batch.present[target]
            true, mine, theirs = targets[target][known], predictions[target][known], original[target][known]
            metrics[target] = head.measure(mine, true)[head.metrics[0].name]
            if name != ORIGINAL:
                losses[target] = _loss(head, true, theirs, mine)
        found.append(
            Variant(
                name=name,
                file="" if name == ORIGINAL else path.name,
                metrics=metrics,
                losses=losses,
                latencies=timed[name].latencies,
                megabytes=round(path.stat().st_size / 1e6, 3),
                memory_mb=round(timed[name].memory_mb, 1),
                start_seconds=round(timed[name].start_seconds, 3),
                notes=notes.get(name, {}),
            )
        )
    return Frontier(
        variants=found,
        metrics={target: head.metrics[0].name for target, head in heads.items()},
        better={target: head.metrics[0].better for target, head in heads.items()},
        rows=len(rows.held_out),
        calibration_rows=max((each.notes.get("calibration_rows", 0) for each in found), default=0),
        max_drop=max_drop,
        left_out=left_out,
        folder=folder,
        environment={**describe_environment(), "vnni": has_vnni()},
    )


def _loss(head: Head, true: torch.Tensor, original: torch.Tensor, variant: torch.Tensor) -> Loss:
    """Of the main metric of a head."""
    metric = head.metrics[0]
    if metric.name == "accuracy" and (classes := head.class_targets(true)) is not None:
        right = [(head.class_predictions(each) == classes).all(dim=1).numpy() for each in (original, variant)]
        return paired_accuracy_loss(*right)

    def measure(rows: np.ndarray) -> tuple[float, float]:
        chosen = torch.from_numpy(rows)
        one, other = (head.measure(each[chosen], true[chosen]).get(metric.name) for each in (original, variant))
        return (float("nan") if one is None else one, float("nan") if other is None else other)

    return paired_loss(measure, len(true), metric.better)


def _predictions(path: Path, rows: Rows, heads: Mapping[str, Head]) -> dict[str, torch.Tensor]:
    """What a saved model predicts for the held-out rows, reduced as heads measure it."""
    if path.suffix != ".onnx":
        model: Any = load(path, device="cpu")
        return model.predict_rows(rows.samples, torch.arange(len(rows.held_out)), batch_size=_BATCH)
    exported, parts = OnnxModel.load(path), []
    for start in range(0, len(rows.held_out), _BATCH):
        parts.append(exported.run(rows.encoded_held_out, slice(start, start + _BATCH)))
    found = {}
    for name, head in heads.items():
        each = [torch.from_numpy(np.array(part[name])) for part in parts]
        found[name] = head.join([head.from_exported(part) for part in each])
    return found
