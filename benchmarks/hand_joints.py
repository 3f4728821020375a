"""Joint boxes of hand radiographs at 100 x 100 px, by the protocol of Koitka et al. 2018.

Run: OMP_NUM_THREADS=1 python benchmarks/hand_joints.py [--seeds 0 1]

The finder of the system bone-age learns from the 239 radiographs for training and 300 others with three key points. Its
points, with boxes of the usual size around them (medians of the 239), are measured on the other 89. Two people drew
boxes on these: an expert, and somebody whose boxes are, like those of the 239, about twice as large. Beside it boxes at
the median places of the 239, which look at no image. None of the 39 larger radiographs of the pack has boxes. Writes
benchmarks/results/hand_joints.json.
"""

import argparse
import csv
import json
import platform
from pathlib import Path

import numpy as np
import torch

import longspan as ls
from longspan.datasets.radiographs import joint_boxes
from longspan.metrics.average_precision import value_figures
from longspan.systems.xrays.bone_age import joint_table
from longspan.systems.xrays.hand_strategies import find_joints
from longspan.systems.xrays.joints import JOINT_POINTS, boxes_of_joints, name_joints

OUT = Path(__file__).parent / "results" / "hand_joints.json"
POINTED, EPOCHS, SIZE_PX = 300, 12, 112


def boxes_by(who, images):
    """The boxes that one of the two people drew on the radiographs for testing."""
    path = Path(ls.datasets.fetch("bone-age-100")) / "bone_age_100" / "rois.csv"
    drawn = {}
    for row in csv.DictReader(path.read_text().splitlines()):
        if row["part"] == f"eval_{who}":
            box = [100 * float(row[each]) for each in ("xmin", "ymin", "xmax", "ymax")]
            drawn.setdefault(row["id"], []).append({"box": box, "label": row["name"], "score": 1.0})
    return [drawn[Path(image).stem] for image in images]


def usual_sizes(boxes):
    """Width and height by label, in lengths of the hand: medians."""
    sizes = {}
    for some in boxes:
        points = name_joints(some)
        if points is None:
            continue
        hand = np.hypot(*np.subtract(points["MCP middle"], points["Wrist"]))
        for each in some:
            x0, y0, x1, y1 = each["box"]
            sizes.setdefault(each["label"], []).append(((x1 - x0) / hand, (y1 - y0) / hand))
    return {label: tuple(np.median(found, axis=0).tolist()) for label, found in sizes.items()}


def centred(true, sizes):
    """AP50 of boxes of the usual sizes around the true centres: what sizes alone cost."""
    hands = [(boxes, name_joints(boxes)) for boxes in true]
    known = [(boxes, boxes_of_joints(points, sizes)) for boxes, points in hands if points is not None]
    return round(value_figures(*zip(*known, strict=True))["ap50"], 4)


def ap50(drawn, found):
    """By who drew the boxes."""
    return {name: round(value_figures(true, found)["ap50"], 4) for name, true in drawn.items() if true is not found}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    given = parser.parse_args()
    torch.set_num_threads(1)
    boxes, table = joint_boxes(ls.datasets.fetch("bone-age-100")), joint_table()
    part = np.array(boxes.column_values("koitka"))
    learnt, tested = boxes.take(np.flatnonzero(part == "train")), boxes.take(np.flatnonzero(part == "eval"))
    sizes = usual_sizes(learnt.column_values("boxes"))
    drawn = {f"beside the {who}": boxes_by(who, tested.column_values("image")) for who in ("expert", "nonexpert")}
    held_out, marked = set(tested.column_values("image")), set(learnt.column_values("image"))
    images, joints = table.column_values("image"), table.column_values("joints")
    rows = [row for row, image in enumerate(images) if image in marked and joints[row] is not None]
    pointed = [
        row for row, image in enumerate(images)
        if image not in marked | held_out and joints[row] is not None
    ][:POINTED]  # fmt: skip
    train = table.take(np.array(rows + pointed))
    places = [joints[row] for row in rows if joints[row].get("MCP middle") is not None]
    middle = {name: np.median([each[name][:2] for each in places], axis=0).tolist() for name in JOINT_POINTS}
    results = {
        "command": f"python benchmarks/hand_joints.py --seeds {' '.join(map(str, given.seeds))}",
        "python": platform.python_version(), "torch": torch.__version__, "threads": 1,
        "radiographs with boxes for training": len(rows), "with three points": len(pointed), "tested": len(tested),
        "AP50": {
            "the nonexpert": ap50(drawn, drawn["beside the nonexpert"]),
            "true centres, usual sizes": {name: centred(true, sizes) for name, true in drawn.items()},
            "median places": ap50(drawn, [boxes_of_joints(middle, sizes)] * len(tested)),
            "finder": [],
        },
        "Koitka et al. 2018, full size": 0.929,
    }  # fmt: skip
    print(results, flush=True)
    for seed in given.seeds:
        split = train.split(valid=0)
        task = ls.Task(split, inputs="image", targets="joints", size_px=(SIZE_PX, SIZE_PX), allow_leaks=True)
        finder = find_joints("squeezenet1_1", "imagenet", epochs=EPOCHS).train(task, seed=seed).predictor()
        found = [each["joints"] for each in finder.predict(tested.select("image"))]
        results["AP50"]["finder"].append(ap50(drawn, [boxes_of_joints(points, sizes) for points in found]))
        OUT.write_text(json.dumps(results, indent=1) + "\n")
        print(results["AP50"], flush=True)


if __name__ == "__main__":
    main()
