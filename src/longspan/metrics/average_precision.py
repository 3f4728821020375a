"""Average precision of detections as COCO measures it, by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from longspan.extras import require_extra
from longspan.lazy_torch import torch
from longspan.vision.annotation_values import entries_of, label_of
from longspan.vision.instance_encoding import boxes_in, masks_in

__all__ = ["COCO_AREAS", "box_figures", "coco_figures", "mask_figures", "value_figures"]

_ANY_AREA = 1e10

COCO_AREAS: Mapping[str, tuple[float, float]] = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, _ANY_AREA),
}
"""Square pixels of an object that COCO calls small, medium or large; in the frame, not in the image on disk."""

Annotation = dict[str, Any]
"""In COCO's words: `category_id`, `bbox` [x0, y0, width, height], `area`; of a target also `iscrowd`, of a prediction
`score`; for masks `segmentation`, run-length encoded."""


def box_figures(
    detections: torch.Tensor, targets: torch.Tensor, areas: Mapping[str, tuple[float, float]] | None = None
) -> dict[str, float]:
    """`coco_figures` of boxes, over N images.

    Args:
        detections: `(N, D, 6)` x0, y0, x1, y1, score, class; score 0 is none.
        targets: `(N, M, 6)` as `Boxes` encodes them: x0, y0, x1, y1, class, 1 if ignored; no area is none.
        areas: as of `coco_figures`.
    """
    expected = [[_target(line, _area(line)) for line in row[_has_area(row)].tolist()] for row in targets]
    predictions = [[_prediction(line) for line in row if line[4] > 0] for row in detections.tolist()]
    return coco_figures(expected, predictions, areas=areas)


def mask_figures(
    detections: torch.Tensor, targets: torch.Tensor, size_px: tuple[int, int]
) -> tuple[dict[str, float], dict[str, float]]:
    """`coco_figures` of boxes and of masks, over N images; the area of an object is that of its mask, as in COCO.

    Args:
        detections: `(N, D, bytes)` uint8, packed: x0, y0, x1, y1, class, score and the mask; score 0 is none.
        targets: `(N, M, bytes)` uint8 as `Instances` encodes them: x0, y0, x1, y1, class, 1 if ignored and the mask.
        size_px: height and width of the images.
    """
    expected, predictions = [], []
    for row in targets:  # one by one: unpacked, the masks of all images would be large
        row = row[_has_area(boxes_in(row))]
        masks = masks_in(row, size_px).numpy()
        sizes = masks.sum(axis=(1, 2)).tolist()
        lines = boxes_in(row).tolist()
        expected.append([_target(*each) for each in zip(lines, sizes, _runs(masks), strict=True)])
    for row in detections:
        row = row[boxes_in(row)[:, 5] > 0]
        lines = boxes_in(row)[:, [0, 1, 2, 3, 5, 4]].tolist()
        runs = _runs(masks_in(row, size_px).numpy())
        predictions.append([_prediction(*each) for each in zip(lines, runs, strict=True)])
    return coco_figures(expected, predictions), coco_figures(expected, predictions, masks_px=size_px)


def value_figures(
    targets: Sequence[Any],
    predictions: Sequence[Any],
    areas: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, float]:
    """`coco_figures` of boxes as they stand in tables, such as a pipeline adds to one.

    Args:
        targets: of each image a raw value of `Boxes`.
        predictions: of each image a raw value with scores.
        areas: as of `coco_figures`.
    """
    true, predicted = ([entries_of(row, "boxes", "box") for row in rows] for rows in (targets, predictions))
    labels = sorted({str(label_of(each)) for row in (*true, *predicted) for each in row})

    def kind(each: dict[str, Any]) -> int:
        return labels.index(str(label_of(each)))

    return coco_figures(
        [[_target((*e["box"], kind(e), bool(e.get("ignore"))), _area(e["box"])) for e in row] for row in true],
        [[_prediction((*e["box"], e["score"], kind(e))) for e in row] for row in predicted],
        areas=areas,
    )


def coco_figures(
    targets: Sequence[Sequence[Annotation]],
    predictions: Sequence[Sequence[Annotation]],
    *,
    masks_px: tuple[int, int] | None = None,
    areas: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, float]:
    """Mean over classes of the average precision, of at most 100 predictions of an image.

    "map" is the mean over the overlaps (intersection over union) of 0.50 to 0.95 that a prediction needs to count;
    "ap50" and "ap75" are those at 0.50 and 0.75. With `areas` there is "ap50_small" and so on, for every area that
    occurs.

    Source: Lin et al. 2014, "Microsoft COCO", and its evaluation server; 101 points of recall.

    Args:
        targets: the annotations of each image.
        predictions: of each image what was found.
        masks_px: height and width of the images, where masks have to overlap and not boxes.
        areas: least and largest area in square pixels by name, such as `COCO_AREAS`.

    Returns:
        The figures; none where nothing is there that counts.

    Raises:
        DependencyError: faster-coco-eval is not installed.
    """
    require_extra("detect", "Average precision")
    from faster_coco_eval import COCO, COCOeval_faster

    classes = sorted({each["category_id"] for row in (*targets, *predictions) for each in row})
    size = {} if masks_px is None else {"height": masks_px[0], "width": masks_px[1]}
    common = {
        "images": [{"id": number, **size} for number in range(1, len(targets) + 1)],
        "categories": [{"id": each} for each in classes],
    }
    wanted = dict(areas or {})
    evaluation = COCOeval_faster(
        COCO({**common, "annotations": _numbered(targets)}, print_function=_silent),
        COCO({**common, "annotations": _numbered(predictions)}, print_function=_silent),
        "bbox" if masks_px is None else "segm",
        ranges={**{name: list(area) for name, area in wanted.items()}, "": [0.0, _ANY_AREA]},  # warns of gaps otherwise
        print_function=_silent,
    )
    evaluation.params.maxDets = [100]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval[
        "precision"
    ]  # overlap, recall, class, area, most predictions; -1 where nothing is there
    figures = {"map": _mean(precision[:, :, :, 0]), "ap50": _mean(precision[0, :, :, 0])}
    figures["ap75"] = _mean(precision[5, :, :, 0])
    for number, name in enumerate(wanted, start=1):
        figures[f"ap50_{name}"] = _mean(precision[0, :, :, number])
    return {name: round(figure, 6) for name, figure in figures.items() if figure is not None}


def _mean(precision: np.ndarray) -> float | None:
    counted = precision[precision > -1]
    return float(counted.mean()) if len(counted) else None


def _numbered(rows: Sequence[Sequence[Annotation]]) -> list[Annotation]:
    """All annotations in one list, with their images and numbers of their own; 0 means "none" to the library."""
    placed = [(image, each) for image, row in enumerate(rows, start=1) for each in row]
    return [{**each, "image_id": image, "id": number} for number, (image, each) in enumerate(placed, start=1)]


def _target(line: Sequence[float], area: float, runs: Any = None) -> Annotation:
    return {**_shape(line, runs), "category_id": int(line[4]) + 1, "iscrowd": int(line[5]), "area": area}


def _prediction(line: Sequence[float], runs: Any = None) -> Annotation:
    area = _area(line) if runs is None else _runs_area(runs)
    return {**_shape(line, runs), "category_id": int(line[5]) + 1, "score": line[4], "iscrowd": 0, "area": area}


def _shape(line: Sequence[float], runs: Any) -> Annotation:
    x0, y0, x1, y1 = line[:4]
    return {"bbox": [x0, y0, x1 - x0, y1 - y0], **({} if runs is None else {"segmentation": runs})}


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _has_area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])


def _runs(masks: np.ndarray) -> list[Any]:
    from faster_coco_eval.core import mask

    if not len(masks):
        return []
    return list(mask.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8))))


def _runs_area(runs: Any) -> float:
    from faster_coco_eval.core import mask

    return float(mask.area(runs))


def _silent(*_: object) -> None:
    pass
