import logging
import sys
import time

import numpy as np
import pytest
import torch
from faster_coco_eval import COCO, COCOeval_faster

from longspan.errors import DependencyError
from longspan.metrics.average_precision import COCO_AREAS, box_figures, mask_figures, value_figures
from longspan.vision.instance_encoding import packed


def made_up(images=12, classes=3, size_px=(120, 160), seed=0):
    """Truths, some of them ignored, and answers near them, elsewhere, and of the wrong class."""
    draw = np.random.default_rng(seed)
    targets, detections = torch.zeros(images, 9, 6), torch.zeros(images, 20, 6)
    for image in range(images):
        count = int(draw.integers(0, 7))
        corner = draw.uniform(0, [size_px[1] - 60, size_px[0] - 60], (count, 2))
        boxes = np.concatenate([corner, corner + draw.uniform(4, 60, (count, 2))], axis=1)
        kinds = draw.integers(0, classes, (count, 1))
        ignored = draw.uniform(size=(count, 1)) < 0.15
        targets[image, 1 : 1 + count] = torch.from_numpy(np.concatenate([boxes, kinds, ignored], axis=1))
        near = boxes.repeat(2, axis=0) + draw.normal(0, 3, (2 * count, 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 2)
        said = np.where(draw.uniform(size=(2 * count, 1)) < 0.8, kinds.repeat(2, axis=0), 0)
        found = np.concatenate([near, draw.uniform(0.05, 1, (2 * count, 1)), said], axis=1)
        detections[image, : 2 * count] = torch.from_numpy(found[found[:, 4].argsort()[::-1]].copy())
    return detections, targets


def driven_directly(detections, targets):
    """faster-coco-eval as its own documentation uses it, from dicts as in COCO's JSON files."""
    truths, answers = [], []
    for image in range(len(targets)):
        for x0, y0, x1, y1, label, ignored in targets[image].tolist():
            if x1 > x0:
                box, area = [x0, y0, x1 - x0, y1 - y0], (x1 - x0) * (y1 - y0)
                truths.append({
                    "id": len(truths) + 1, "image_id": image + 1, "category_id": int(label) + 1, "bbox": box,
                    "area": area, "iscrowd": int(ignored),
                })  # fmt: skip
        for x0, y0, x1, y1, score, label in detections[image].tolist():
            if score > 0:
                box = [x0, y0, x1 - x0, y1 - y0]
                answers.append({"image_id": image + 1, "category_id": int(label) + 1, "bbox": box, "score": score})
    images = [{"id": number + 1, "height": 120, "width": 160} for number in range(len(targets))]
    categories = [{"id": number + 1, "name": str(number)} for number in range(3)]
    truth = COCO({"images": images, "categories": categories, "annotations": truths})
    evaluation = COCOeval_faster(truth, truth.loadRes(answers), "bbox")
    evaluation.run()
    return evaluation


def test_boxes_as_the_library_itself_measures_them():
    detections, targets = made_up()
    expected = driven_directly(detections, targets)
    figures = box_figures(detections, targets, COCO_AREAS)
    assert 0.2 < figures["map"] < figures["ap50"] < 1
    for name, theirs in (("map", "AP_all"), ("ap50", "AP_50"), ("ap75", "AP_75")):
        assert figures[name] == pytest.approx(expected.stats_as_dict[theirs], abs=1e-6)
    for number, name in enumerate(("small", "medium"), start=1):
        precision = expected.eval["precision"][0, :, :, number, -1]
        assert figures[f"ap50_{name}"] == pytest.approx(precision[precision > -1].mean(), abs=1e-6)
    assert set(figures) == {"map", "ap50", "ap75", "ap50_small", "ap50_medium"}  # nothing is large
    assert box_figures(detections, targets) == {name: figures[name] for name in ("map", "ap50", "ap75")}


def test_a_small_example_by_hand():
    """Two of three found, one false between them: precision 1, then 2/3 up to recall 2/3, then nothing."""
    targets = torch.zeros(2, 3, 6)
    targets[0, 0, :4] = torch.tensor([0.0, 0, 10, 10])
    targets[0, 1, :4] = torch.tensor([20.0, 0, 30, 10])
    targets[1, 0, :4] = torch.tensor([0.0, 0, 10, 10])
    detections = torch.zeros(2, 4, 6)
    detections[0, 0] = torch.tensor([0.0, 0, 10, 10, 0.9, 0])  # found
    detections[1, 0] = torch.tensor([50.0, 50, 60, 60, 0.8, 0])  # nothing there
    detections[0, 1] = torch.tensor([20.0, 0, 30, 8, 0.7, 0])  # found, with an overlap of 0.8
    figures = box_figures(detections, targets)
    # Recalls 0, 0.01 .. 0.33 (34 of them) at precision 1, 0.34 .. 0.66 (33) at 2/3.
    good, poor = (34 + 33 * 2 / 3) / 101, 34 / 101
    assert figures == {
        "map": pytest.approx((7 * good + 3 * poor) / 10, abs=1e-6),  # 0.50 to 0.80, then 0.85 to 0.95
        "ap50": pytest.approx(good, abs=1e-6),
        "ap75": pytest.approx(good, abs=1e-6),
    }


def test_an_ignored_box_makes_answers_inside_it_neither_right_nor_wrong():
    targets = torch.zeros(1, 2, 6)
    targets[0, 0, :4] = torch.tensor([0.0, 0, 10, 10])
    targets[0, 1] = torch.tensor([50.0, 0, 90, 40, 0, 1])
    detections = torch.zeros(1, 4, 6)
    detections[0, 0] = torch.tensor([52.0, 2, 60, 30, 0.9, 0])
    detections[0, 1] = torch.tensor([60.0, 2, 70, 30, 0.8, 0])
    detections[0, 2] = torch.tensor([0.0, 0, 10, 10, 0.7, 0])
    assert box_figures(detections, targets)["map"] == 1
    targets[0, 1, 5] = 0
    assert box_figures(detections, targets)["map"] < 0.5


def test_areas_of_ones_own():
    detections, targets = made_up()
    figures = box_figures(detections, targets, {"all": (0.0, 1e5), "none": (1e5, 1e6), "tiny": (0.0, 200.0)})
    assert set(figures) == {"map", "ap50", "ap75", "ap50_all", "ap50_tiny"}
    assert figures["ap50_all"] == figures["ap50"] != figures["ap50_tiny"]


def test_without_anything_that_counts_there_is_no_figure():
    detections, targets = made_up()
    assert box_figures(detections, targets * 0) == {}
    targets[:, :, 5] = 1
    assert box_figures(detections, targets) == {}


def test_without_an_answer_all_figures_are_zero():
    detections, targets = made_up()
    assert box_figures(detections * 0, targets) == {"map": 0.0, "ap50": 0.0, "ap75": 0.0}


def test_perfect_answers_are_perfect():
    _, targets = made_up()
    targets[:, :, 5] = 0
    detections = torch.cat([targets[:, :, :4], (targets[:, :, 2:3] > 0).float(), targets[:, :, 4:5]], dim=2)
    assert box_figures(detections, targets) == {"map": 1.0, "ap50": 1.0, "ap75": 1.0}


def test_values_of_tables_give_the_same_figures():
    detections, targets = made_up()
    names = "abc"
    truths = [
        [
            {"box": line[:4], "label": names[int(line[4])], **({"ignore": True} if line[5] else {})}
            for line in row
            if line[2] > 0
        ]
        for row in targets.tolist()
    ]
    answers = [
        [{"box": line[:4], "score": line[4], "label": names[int(line[5])]} for line in row if line[4] > 0]
        for row in detections.tolist()
    ]
    assert value_figures(truths, answers, COCO_AREAS) == box_figures(detections, targets, COCO_AREAS)


def filled(boxes, size_px=(40, 60)):
    down, across = torch.arange(size_px[0]) + 0.5, torch.arange(size_px[1]) + 0.5
    inside_y = (down >= boxes[..., 1:2]) & (down < boxes[..., 3:4])
    inside_x = (across >= boxes[..., 0:1]) & (across < boxes[..., 2:3])
    return inside_y[..., :, None] & inside_x[..., None, :]


def test_masks_that_fill_their_boxes_are_measured_like_boxes_and_others_are_not():
    detections, targets = made_up(size_px=(70, 90))
    for each in (detections, targets):
        each[..., :4] = each[..., :4].round().clamp(0, 70)
    masks, true_masks = filled(detections[..., :4], (70, 90)), filled(targets[..., :4], (70, 90))
    detections[detections[..., :4].sub(detections[..., [2, 3, 0, 1]])[..., 2:].amin(-1) <= 0] = 0
    true = packed(targets, true_masks)
    turned = detections[..., [0, 1, 2, 3, 5, 4]]
    boxes, shapes = mask_figures(packed(turned, masks), true, (70, 90))
    assert boxes == box_figures(detections, targets)
    assert shapes == pytest.approx(boxes, abs=1e-6)
    masks[:, :, ::2] = False  # half of every mask
    boxes, shapes = mask_figures(packed(turned, masks), true, (70, 90))
    assert shapes["ap75"] == 0 < boxes["ap75"]


def test_a_hundred_images_are_measured_in_less_than_a_second_without_a_word(capfd, caplog):
    caplog.set_level(logging.WARNING)
    detections, targets = made_up(images=100)
    box_figures(detections, targets)
    start = time.perf_counter()
    box_figures(detections, targets, {"small": (0.0, 900.0)})
    assert time.perf_counter() - start < 1
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_missing_library_is_reported_with_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(DependencyError, match=r"python -m pip install 'longspan\[detect\]'"):
        box_figures(*made_up(images=1))
