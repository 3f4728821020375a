"""KITTI's layout: boxes, lidar, and where points of one stand in the other."""

import numpy as np
import pytest

import longspan as ls
from longspan.datasets.driving.kitti import lidar_in_image, read_calibration, read_kitti, read_lidar
from longspan.errors import DataError


@pytest.fixture
def kitti(data_folder):
    del data_folder
    return ls.datasets.load("kitti-3", tell=lambda line: None)


def test_points_on_an_object_are_as_far_as_its_box_in_space(kitti):
    row = kitti[0]  # a pedestrian
    points, calibration = read_lidar(row["lidar"]), read_calibration(row["calibration"])
    places, distances = lidar_in_image(points, calibration)
    (box,) = [each["box"] for each in row["boxes"] if each["label"] == "Pedestrian"]
    inside = (places >= box[:2]).all(1) & (places <= box[2:]).all(1)
    assert inside.sum() > 100
    depth = row["boxes_3d"][0][5]
    assert abs(np.quantile(distances[inside], 0.1) - depth) < 0.4  # the nearest: others are seen past the person


def test_regions_that_nobody_labelled_are_ignored(kitti):
    flat = [box for boxes in kitti.column_values("boxes") for box in boxes]
    assert {box["label"] for box in flat if not box.get("ignore")} >= {"Car", "Pedestrian"}
    solid = sum(len(each) for each in kitti.column_values("boxes_3d"))
    assert solid == sum(not box.get("ignore") for box in flat)


def test_a_projection_by_hand():
    calibration = {
        "P2": np.array([[100.0, 0, 50, 0], [0, 100, 40, 0], [0, 0, 1, 0]]),
        "R0_rect": np.eye(3),
        "Tr_velo_to_cam": np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]]),
    }
    points = np.array([[10.0, 1, 2, 0.5], [-5, 0, 0, 0.5]], np.float32)
    places, distances = lidar_in_image(points, calibration)
    np.testing.assert_allclose(places, [[50 - 10, 40 - 20]])  # left of the middle and above it
    np.testing.assert_allclose(distances, [10.0])


def test_damage_is_named(tmp_path):
    scan = tmp_path / "a.bin"
    scan.write_bytes(np.zeros(10, np.float32).tobytes())
    with pytest.raises(DataError, match=r"40 bytes.*cut short"):
        read_lidar(scan)
    scan.write_bytes(np.full(8, 1e30, np.float32).tobytes())
    with pytest.raises(DataError, match="no places within a kilometre"):
        read_lidar(scan)
    with pytest.raises(DataError, match="cannot be read"):
        read_lidar(tmp_path / "b.bin")
    (tmp_path / "calib.txt").write_text("P2: 1 2 3\n")
    with pytest.raises(DataError, match="not a calibration of KITTI"):
        read_calibration(tmp_path / "calib.txt")
    with pytest.raises(DataError, match="no image_2"):
        read_kitti(tmp_path)
    (tmp_path / "training" / "image_2").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no images"):
        read_kitti(tmp_path)
    (tmp_path / "training" / "image_2" / "000007.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"000007\.png has no label_2/000007\.txt, calib"):
        read_kitti(tmp_path)
    for folder, name in (("label_2", "000007.txt"), ("calib", "000007.txt"), ("velodyne", "000007.bin")):
        (tmp_path / "training" / folder).mkdir()
        (tmp_path / "training" / folder / name).write_text("Car 0 0\n")
    with pytest.raises(DataError, match="line 1: 3 values instead of 15"):
        read_kitti(tmp_path)
    (tmp_path / "training" / "label_2" / "000007.txt").write_text("Cra " + "0 " * 14 + "\n")
    with pytest.raises(DataError, match="class 'Cra' is none of Car"):
        read_kitti(tmp_path)
