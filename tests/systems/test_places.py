"""The systems that say something about places: a quick look with real data, and what they refuse."""

import json

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.faces import face_areas
from longspan.systems.function_registry import load_with_functions
from longspan.systems.lane_markings import mark_lanes
from longspan.systems.vision_common import parse_size

QUICK = {
    "street-scenes": ({"limit": 10, "epochs": 1, "size": "64x96", "segnet_width": 4}, "mean_iou, unet"),
    "lanes": ({"limit": 10, "epochs": 1, "size": "64x96"}, "iou of free space"),
    "pedestrians": ({"limit": 15, "epochs": 1, "size": "96x128"}, "mask_ap50, mask_rcnn"),
    "faces": ({"limit": 10, "epochs": 1, "size": "96x96"}, "ap50"),
    "objects": ({"limit": 10, "epochs": 1, "size": "96x96"}, "ap50, training photos"),
}


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
@pytest.mark.parametrize("name", QUICK)
def test_a_quick_look(name, tmp_path):
    options, figure = QUICK[name]
    system = find_system(name)
    system.run(system.options(**options), SystemRun(name, tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert 0 <= result["metrics"][figure] <= 1
    assert result["options"]["limit"] == options["limit"]
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "report.html", "model.safetensors"}
    begin = {"lanes": "Free space and markings", "faces": "By size", "objects": "Training photos and unseen photos"}
    assert begin.get(name, "Side by side") in (tmp_path / "report.html").read_text()
    model = load_with_functions(tmp_path / "model.safetensors")
    grey = np.full((80, 120, 3), 90, np.uint8)
    assert model.predict(grey).draw(grey).shape == (80, 120, 3)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("street-scenes", {"networks": "unet,vnet"}, "--networks must be some of unet, fcn8s, segnet"),
        ("pedestrians", {"networks": "mask_rcnn,mask_rcnn"}, "--networks must be some of faster_rcnn, mask_rcnn, each"),
        ("faces", {"size": "20x400"}, "--size must be HEIGHTxWIDTH or one side, at least 32 pixels"),
        ("lanes", {"epochs": 0}, "--epochs must be at least 1, got 0"),
        ("objects", {"limit": 3}, "--limit must be at least 10, got 3"),
    ],
)
def test_options_are_checked(name, options, words):
    with pytest.raises(ConfigError, match=words):
        find_system(name).options(**options)


def test_sizes_are_height_by_width():
    assert parse_size("180x240") == (180, 240)
    assert parse_size("224") == (224, 224)


def test_every_area_of_a_face_has_one_name():
    areas = face_areas()
    assert [name for name, (least, most) in areas.items() if least <= 50**2 < most] == ["medium"]
    assert areas["small"][0] == 0
    assert areas["small"][1] == areas["medium"][0]


def test_markings_are_thin_bright_and_on_the_road():
    road = np.full((40, 200), 80, np.uint8)
    road[:, 50:53] = 200  # a line
    road[:, 100:140] = 200  # as wide as a car: no marking
    road[20, 170] = 250  # a speck
    free = np.ones((40, 200), np.uint8)
    free[:, :45] = 0
    road[:, 20:23] = 200  # beside the road
    found = mark_lanes(road, free)
    assert set(np.unique(found[:, 50:53])) == {2}
    assert not (found[:, 60:] == 2).any()
    assert not found[:, :45].any()
    assert ls.Mask(vocab=("elsewhere", "free space", "marking")).check(found) is None
