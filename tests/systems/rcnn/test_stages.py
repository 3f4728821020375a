"""R-CNN on made-up scenes; selective search is stood in for by true boxes that were shaken, and by boxes of nothing."""

import warnings

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError, ModelFileError
from longspan.metrics.iou import box_iou
from longspan.pipeline import load
from longspan.systems.function_registry import FUNCTIONS, load_with_functions
from longspan.systems.rcnn.labels import with_true_regions
from longspan.systems.rcnn.stages import decide_boxes, join_regions, rcnn, scale_features

LOOK = ls.datasets.ScenesConfig(
    shapes=(0, 2), kinds=("rectangle", "disc"), side_px=(16, 30), hidden=0, noise=2, texture=4
)


def scenes(count, seed):
    return with_true_regions(ls.datasets.make_scenes(count, seed=seed, config=LOOK))


def proposer(*tables):
    """Regions of the images of these tables: of each thing five that are off by up to a fifth, and 8 of nothing."""
    known = {}
    for table in tables:
        for row in range(len(table)):
            image = table.value(row, "image")
            generator = np.random.default_rng(int(image.sum()))
            things = np.asarray(table.value(row, "regions"), float).reshape(-1, 4)
            sides = np.tile(things[:, 2:] - things[:, :2], 2)
            near = [things + sides * generator.uniform(-0.2, 0.2, things.shape) for _ in range(5)]
            corners = generator.uniform(0, 40, (8, 2))
            nothing = np.concatenate([corners, corners + generator.uniform(12, 24, (8, 2))], axis=1)
            known[image.tobytes()] = np.concatenate([*near, nothing]).clip(0, 64).tolist()
    return lambda image: known[image.tobytes()]


def staged(table, test, **options):
    small = {"backbone": ls.SmallResNetConfig(blocks=1, width=8), "weights": None, "crop_px": 24, "batch_size": 16}
    pipeline = rcnn(["rectangle", "disc"], **{**small, "epochs": 10, "lr": 1e-2, **options})
    propose = ls.Stage("propose", proposer(table, test), reads="image", adds="regions")
    return ls.Pipeline([propose, *pipeline.stages[1:]], outputs=("boxes",))


@pytest.fixture(scope="module")
def tables():
    return scenes(50, 0), scenes(20, 1)


@pytest.fixture(scope="module")
def fitted(tables):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield staged(*tables).fit(tables[0], seed=0)
    torch.set_num_threads(threads)


def test_it_finds_what_is_there(tables, fitted):
    pytest.importorskip("faster_coco_eval")
    from longspan.metrics.average_precision import value_figures

    test = tables[1]
    found = fitted.run(test)["found"]
    assert value_figures(test.column_values("boxes"), found)["ap50"] > 0.5
    assert fitted.evaluate(test)["error"] < 0.6


def test_box_regression_brings_boxes_nearer(tables, fitted):
    test = tables[1]
    added = fitted.run(test)
    before, after = [], []
    for row in range(len(test)):
        for thing in test.value(row, "boxes"):
            label, regions = thing["label"], added["regions"][row]
            overlaps = box_iou([thing["box"]], regions)[0]
            near = np.flatnonzero(overlaps > 0.5)
            deltas = [added[f"deltas of {each}"][row] for each in ("rectangle", "disc")]
            scores = [[1.0 if i in near and each == label else -9.0 for i in range(len(regions))]
                      for each in ("rectangle", "disc")]  # fmt: skip
            image = test.value(row, "image")
            boxes = join_regions(image, regions, *scores, *deltas, labels=["rectangle", "disc"], overlap=1.0)
            before += overlaps[near].tolist()
            after += box_iou([thing["box"]], [e["box"] for e in boxes if e["score"] > 0.5])[0].tolist()
    assert len(before) == len(after) > 100
    assert np.mean(after) > np.mean(before) + 0.02


def test_machines_learn_from_true_boxes_and_far_regions(tables, fitted):
    """The same machine by hand, from the stages' own features."""
    from sklearn.svm import LinearSVC

    table, label = tables[0], "disc"
    features, kinds = [], []
    for row in range(len(table)):
        image, things = table.value(row, "image"), table.value(row, "boxes")
        of_class = [each["box"] for each in things if each["label"] == label]
        for regions in (table.value(row, "regions"), fitted.model("propose")(image)):
            crops = fitted.model("warp")(image, regions)
            seen = fitted.model("extract").predict([(crop,) for crop in crops], "extract") if crops else []
            overlaps = box_iou(of_class, regions).max(axis=0, initial=0)
            for vector, overlap in zip(scale_features(seen), overlaps, strict=True):
                if overlap < 0.3 or overlap > 0.99:
                    features.append(vector.astype(float))
                    kinds.append(int(overlap > 0.99))
    machine = LinearSVC(C=1e-3, loss="hinge", class_weight={1: 2.0}, intercept_scaling=10, max_iter=10_000)
    machine.set_params(random_state=0).fit(features, kinds)
    learnt = fitted.model(f"score {label}").estimator
    assert sum(kinds) == sum(each["label"] == label for row in table for each in row["boxes"])
    assert learnt.decision_function(features) == pytest.approx(machine.decision_function(features), abs=0.02)


def test_a_ceiling_analysis_looks_into_it(tables, fitted):
    ceiling = fitted.ceiling(tables[1])
    by_stage = {stage.stage: stage for stage in ceiling.stages}
    assert by_stage["propose"].error is not None
    assert by_stage["decide"].error == 0
    assert "uses its network's features" in by_stage["tune"].note


def test_a_saved_one_answers_as_before(tables, fitted, tmp_path):
    path = fitted.save(tmp_path / "rcnn.safetensors")
    table = tables[1].take(range(4))
    given = {stage.name: stage.what for stage in fitted.stages if stage.kind in ("function", "estimator")}
    loaded = load(path, functions=given)
    assert isinstance(loaded, ls.Pipeline)
    assert loaded.run(table)["found"] == fitted.run(table)["found"]
    with pytest.raises(ModelFileError, match="stage 'propose' needs your function"):
        load_with_functions(path)  # the made-up proposer is not longspan's own
    drawn = loaded.predict(table)[0].draw(table.value(0, "image"))
    assert drawn.shape == (64, 64, 3)


def test_one_with_selective_search_is_loaded_without_a_hand(tables, fitted, tmp_path):
    pytest.importorskip("cv2.ximgproc")
    propose = rcnn(["rectangle", "disc"], search_px=64, regions=20).stages[0]
    whole = ls.Pipeline.restored([propose, *fitted.stages[1:]], fitted.fitted, outputs=["boxes"], notes=[])
    table = tables[1].take(range(3))
    loaded = load_with_functions(whole.save(tmp_path / "rcnn.safetensors"))
    assert isinstance(loaded, ls.Pipeline)
    added = loaded.run(table)
    assert 0 < max(map(len, added["regions"])) <= 20
    assert added["found"] == whole.run(table)["found"]


def test_all_functions_of_the_pipeline_are_given():
    for stage in rcnn(["person"]).stages:
        if stage.kind == "function":
            function = getattr(stage.what, "func", stage.what)
            assert FUNCTIONS[f"{function.__module__}.{function.__qualname__}"] is function


def test_training_warns_of_nothing_and_is_the_same_again(tables, fitted):
    table = tables[0].take(range(12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (staged(table, table, epochs=1).fit(table, seed=3).run(table)["found"] for _ in range(2))
    assert first == second


def test_of_boxes_of_a_class_that_overlap_the_surest_stays():
    image = np.zeros((100, 200, 3), np.uint8)
    regions = [[0, 0, 40, 40], [0, 0, 40, 35], [100, 50, 140, 90]]
    margins = {"cat": [0.5, 2.0, -1.0], "dog": [-3.0, -2.0, 0.0]}
    still = [[0.0] * 4] * 3
    found = join_regions(image, regions, margins["cat"], margins["dog"], still, still, labels=["cat", "dog"])
    assert [(each["label"], each["box"]) for each in found] == [
        ("cat", [0, 0, 40, 35]),
        ("dog", [100, 50, 140, 90]),
        ("cat", [100, 50, 140, 90]),
        ("dog", [0, 0, 40, 35]),
    ]
    assert found[0]["score"] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert [each["label"] for each in decide_boxes(found)] == ["cat", "dog"]
    assert join_regions(image, [], [], [], labels=["cat"]) == []


def test_moved_boxes_stay_in_the_image():
    image = np.zeros((100, 200, 3), np.uint8)
    deltas = [[1.0, 0.0, np.log(2), 0.0], [9.0, 0.0, 0.0, 0.0]]
    found = join_regions(image, [[100, 20, 180, 60], [0, 0, 20, 20]], [1.0, 2.0], deltas, labels=["cat"])
    assert [each["box"] for each in found] == [[180, 0, 200, 20], pytest.approx([140, 20, 200, 60])]
    gone = join_regions(image, [[150, 0, 190, 20]], [1.0], [[9.0, 0.0, 0.0, 0.0]], labels=["cat"])
    assert gone == []


def test_features_get_one_norm():
    scaled = scale_features([np.array([3.0, 4.0], np.float32), np.zeros(2, np.float32)])
    assert scaled[0].tolist() == pytest.approx([12, 16])
    assert scaled[1].tolist() == [0, 0]
    assert scale_features([]) == []


@pytest.mark.parametrize("labels", [[], ["a", "a"], ["background"]])
def test_classes_are_checked(labels):
    with pytest.raises(ConfigError, match="R-CNN needs at least one class, each once and none named 'background'"):
        rcnn(labels)
