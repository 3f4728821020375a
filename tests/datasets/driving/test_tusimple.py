"""TuSimple's lanes, as published and as masks."""

import json

import numpy as np
import pytest

import longspan as ls
from longspan.datasets.driving.tusimple import lane_mask, read_tusimple
from longspan.errors import DataError


def write(folder, **changes):
    found = {
        "lanes": [[-2, 10, 20], [-2, -2, -2], [5, 5, 5]],
        "h_samples": [10, 20, 30],
        "raw_file": "clips/a/20.jpg",
        **changes,
    }
    (folder / "clips" / "a").mkdir(parents=True, exist_ok=True)
    (folder / "clips" / "a" / "20.jpg").write_bytes(b"")
    (folder / "label_data_0313.json").write_text(json.dumps(found) + "\n\n")
    return folder


def test_lines_lack_the_heights_without_a_point(tmp_path):
    table = read_tusimple(write(tmp_path))
    assert table[0]["lanes"] == [[[10.0, 20.0], [20.0, 30.0]], [[5.0, 10.0], [5.0, 20.0], [5.0, 30.0]]]
    assert table[0]["clip"].endswith("a")


def test_a_mask_of_lines():
    mask = lane_mask([[[3.0, 0.0], [3.0, 9.0]]], (10, 12), width_px=3)
    assert mask.shape == (10, 12)
    assert set(np.flatnonzero(mask[5])) == {2, 3, 4}


def test_damage_is_named(tmp_path):
    with pytest.raises(DataError, match="TuSimple's layout"):
        read_tusimple(tmp_path)
    with pytest.raises(DataError, match="line 1: a lane has 2 values for 3 heights"):
        read_tusimple(write(tmp_path, lanes=[[1, 2]]))
    with pytest.raises(DataError, match=r"there is no clips/b/20\.jpg"):
        read_tusimple(write(tmp_path, raw_file="clips/b/20.jpg"))
    (tmp_path / "label_data_0313.json").write_text('{"lanes": [[1')
    with pytest.raises(DataError, match="line 1 is no object with lanes, h_samples, raw_file"):
        read_tusimple(tmp_path)


def test_the_sample_has_masks_of_its_images(data_folder):
    del data_folder
    table = ls.datasets.load("lanes-sample", tell=lambda line: None)
    assert len(table) == 6
    for row in table:
        lane, line = (
            table.columns[name].classes(row[name]) if name == "lane" else row[name] for name in ("lane", "line")
        )
        assert lane.shape == (360, 640)
        assert 0 < (lane == 1).mean() < 0.1
        assert line.endswith(".png")
