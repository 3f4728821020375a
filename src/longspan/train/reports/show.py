"""What a learner sees and says, as images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from longspan.columns import Column
from longspan.data.batches.augmentation import epoch_augment_params
from longspan.data.batches.context import pixel_inputs
from longspan.data.batches.samples import Batch
from longspan.errors import ConfigError
from longspan.heads import Head, TargetPrediction
from longspan.inference.scores import Scores
from longspan.metrics.pixel_counts import IGNORED
from longspan.randomness import permutation
from longspan.report import CaptionedImage, contact_sheet
from longspan.report.images import Legend, Tone

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from longspan.train.learner import Learner

__all__ = ["batch_figure", "batch_images", "legend_of", "result_images", "results_figure"]


def batch_figure(learner: Learner, n: int) -> Figure:
    """See `Learner.show_batch`."""
    title = "Training images, as the network gets them"
    return contact_sheet(batch_images(learner, n), title=title, legend=legend_of(learner))


def results_figure(learner: Learner, n: int) -> Figure:
    """See `Learner.show_results`."""
    images = result_images(learner, learner.scores(), n)
    where = "beside it" if any(column.context_kind for column in learner.task.targets.values()) else "below"
    title = f"Validation images: prediction, and the target {where}; worst first"
    return contact_sheet(images, title=title, legend=legend_of(learner))


def legend_of(learner: Learner, target: str | None = None) -> Legend:
    """What the colours of drawn predictions mean; of all targets, or of one."""
    columns = learner.task.targets if target is None else {target: learner.task.targets[target]}
    return [entry for column in columns.values() for entry in column.legend]


def batch_images(learner: Learner, n: int) -> list[CaptionedImage]:
    """`n` training images after augmentation, with the values of all targets."""
    task, name = learner.task, _image_input(learner)
    column = learner.inputs[name]
    rows = task.train[permutation(learner.seed, "show", 0, len(task.train))][:n]
    augment_params = epoch_augment_params(learner.config.augment, learner.inputs, rows, 0, learner.seed)
    batch = next(task.samples.batches(rows, n, augment_params=augment_params))
    images = column.prepared_pixels(batch.inputs[name], batch.params(name)).numpy()
    for target, located in task.targets.items():
        if located.context_kind:
            moved = located.prepare(batch.targets[target], batch.params(target)).numpy()
            there = batch.present[target].tolist()
            images = [_drawn(p, located, located.decode(moved[i])) if there[i] else p for i, p in enumerate(images)]
    return [CaptionedImage(image=p, caption=_targets(learner, batch, i)) for i, p in enumerate(images)]


def result_images(learner: Learner, scores: Scores, n: int, *, target: str | None = None) -> list[CaptionedImage]:
    """The `n` rows with the largest loss, as images with prediction and target.

    Args:
        learner: Whose inputs the images are.
        scores: Of the rows to choose from.
        n: How many.
        target: The one whose loss counts; the sum of all if None.
    """
    name = _image_input(learner)
    losses = sum(scores.losses.values()) if target is None else scores.losses[target]
    assert isinstance(losses, torch.Tensor)
    worst = losses.argsort(descending=True)[:n]
    heads = learner.heads if target is None else {target: learner.heads[target]}
    predictions = {t: head.decode(scores.predictions[t][worst]) for t, head in heads.items()}
    pixels = learner.task.samples.inputs[name].read(scores.rows[worst]).numpy()
    images = []
    for place, row in enumerate(worst.tolist()):
        targets = {t: _target_value(learner, scores, t, row) for t in heads}
        images.append(
            CaptionedImage(
                image=_compared(pixels[place], learner.task.targets, predictions, targets, place),
                caption=_caption(heads, {t: prediction[place] for t, prediction in predictions.items()}, targets),
                tone=_tone(learner, heads, scores, row, predictions, place),
                note=" · ".join(
                    [
                        *_true(learner, heads, scores, row),
                        f"loss {float(losses[row]):.2f}",
                        *_file(learner, scores, row),
                    ]
                ),
            )
        )
    return images


def _drawn(pixels: np.ndarray, column: Column, value: Any) -> np.ndarray:
    """The value on its image, in colour."""
    return column.draw(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels, value)


def _compared(
    pixels: np.ndarray,
    columns: Mapping[str, Column],
    predictions: Mapping[str, Sequence[TargetPrediction]],
    targets: Mapping[str, Any],
    place: int,
) -> np.ndarray:
    """Where targets lie in the image: the predictions drawn on it, and beside them the targets; else the image."""
    predicted = true = pixels
    for target, target_value in targets.items():
        column = columns[target]
        if column.context_kind:
            predicted = _drawn(predicted, column, predictions[target][place].value)
            true = true if target_value is None else _drawn(true, column, target_value)
    if predicted is pixels:
        return pixels
    if true is pixels:  # no target to compare with
        return predicted
    return np.concatenate([predicted, np.full((len(predicted), 4, 3), 255, np.uint8), true], axis=1)


def _target_value(learner: Learner, scores: Scores, target: str, row: int) -> Any:
    """The decoded target of a row; None where it is missing."""
    if not bool(scores.present[target][row]):
        return None
    return learner.task.targets[target].decode(scores.targets[target][row].numpy())


def _image_input(learner: Learner) -> str:
    for name in pixel_inputs(learner.inputs):
        return name
    raise ConfigError(f"There are no images to show: the inputs are {', '.join(learner.inputs)}.")


def _targets(learner: Learner, batch: Batch, place: int) -> str:
    words = []
    for name, column in learner.task.targets.items():
        if column.kind != "mask" and bool(batch.present[name][place]):  # a map of classes says nothing in words
            words.append(_word(column.decode(batch.targets[name][place].numpy()), name, len(learner.heads)))
    return ", ".join(words)


def _caption(heads: Mapping[str, Head], predictions: Mapping[str, TargetPrediction], targets: Mapping[str, Any]) -> str:
    words = []
    for name, prediction in predictions.items():
        target_value = targets[name]
        if isinstance(prediction.value, np.ndarray):  # a map of classes says nothing in words
            counts = None if target_value is None else target_value != IGNORED
            if counts is not None and counts.any():
                words.append(f"{name} {(prediction.value == target_value)[counts].mean():.0%} right")
            continue
        sure = "" if prediction.probability is None else f" {prediction.probability:.0%}"
        words.append(_word(prediction.value, name, len(heads)) + sure)
    return ", ".join(words)


def _true(learner: Learner, heads: Mapping[str, Head], scores: Scores, row: int) -> list[str]:
    """The targets in words, if words can say them."""
    targets = {name: _target_value(learner, scores, name, row) for name in heads}
    words = [
        _word("unknown" if value is None else value, name, len(heads))
        for name, value in targets.items()
        if not isinstance(value, np.ndarray)
    ]
    return ["true: " + ", ".join(words)] if words else []


def _file(learner: Learner, scores: Scores, row: int) -> list[str]:
    """The file of an image, as its table has it."""
    name = _image_input(learner)
    cell = learner.task.table.frame[name][int(scores.rows[row])]
    return [cell] if learner.task.table.columns[name].in_files and isinstance(cell, str) else []


def _tone(
    learner: Learner,
    heads: Mapping[str, Head],
    scores: Scores,
    row: int,
    predictions: Mapping[str, Sequence[TargetPrediction]],
    place: int,
) -> Tone:
    """Good or bad where predictions are right or wrong; quantities are neither."""
    right = []
    for name in heads:
        if bool(scores.present[name][row]) and predictions[name][place].probability is not None:
            right.append(_target_value(learner, scores, name, row) == predictions[name][place].value)
    return "neutral" if not right else "good" if all(right) else "bad"


def _word(value: Any, name: str, num_targets: int) -> str:
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return _counted(value)
    if value == "":
        value = "(empty)"
    text = f"{value:.4g}" if isinstance(value, float) else ", ".join(map(str, value)) if isinstance(value, list) else ""
    text = text or (f"{'' if value else 'not '}{name}" if isinstance(value, bool | np.bool_) else str(value))
    return text if num_targets == 1 or isinstance(value, bool | np.bool_) else f"{name} {text}"


def _counted(entries: Sequence[Mapping[str, Any]]) -> str:
    """How many of each label there are: 2 person, 1 car."""
    counts = Counter(str(entry["label"]) for entry in entries)
    return ", ".join(f"{count} {label}" for label, count in counts.most_common()) or "nothing"
